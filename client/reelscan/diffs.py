"""A diff comes in answers that each read a bounded amount; added up, they are the whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from reelscan.records import Diff, DiffBucket, DiffFrames, DiffLabel, DiffSums

S = TypeVar("S", DiffSums, DiffLabel, DiffBucket)

COUNTS = ("a_count", "b_count", "matched", "moved", "added", "removed")


def add(first: Diff, second: Diff) -> Diff:
    """The diff of both answers; where to go on is what the second one says."""
    frames = DiffFrames(
        both=first.frames.both + second.frames.both,
        only_a=first.frames.only_a + second.frames.only_a,
        only_b=first.frames.only_b + second.frames.only_b,
    )
    return replace(
        first,
        is_complete=second.is_complete,
        next_cursor=second.next_cursor,
        total=_sum(first.total, second.total),
        labels=_merged(first.labels, second.labels, key="label"),
        frames=frames,
        over_time=_merged(first.over_time, second.over_time, key="start_pts"),
        missing=tuple(dict.fromkeys((*first.missing, *second.missing))),
    )


def _merged(first: Iterable[S], second: Iterable[S], *, key: str) -> tuple[S, ...]:
    merged: dict[Any, S] = {getattr(row, key): row for row in first}
    for row in second:
        name = getattr(row, key)
        merged[name] = _sum(merged[name], row) if name in merged else row
    return tuple(merged[name] for name in sorted(merged))


def _sum(first: S, second: S) -> S:
    counts = {name: getattr(first, name) + getattr(second, name) for name in COUNTS}
    seen = counts["a_count"] + counts["b_count"]
    return replace(
        first,
        **counts,
        agreement=2 * counts["matched"] / seen if seen else 1.0,
        mean_iou=_mean(first, second, "mean_iou"),
        mean_score_change=_mean(first, second, "mean_score_change"),
    )


def _mean(
    first: DiffSums | DiffLabel | DiffBucket, second: DiffSums | DiffLabel | DiffBucket, name: str
) -> float | None:
    """Of both, each as much as it matched; None where nothing did."""
    known = [(getattr(row, name), row.matched) for row in (first, second) if getattr(row, name) is not None]
    weight = sum(matched for _, matched in known)
    return sum(value * matched for value, matched in known) / weight if weight else None
