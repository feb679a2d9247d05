"""Answers of a diff added to each other."""

from __future__ import annotations

from typing import Any

import pytest

from reelscan.diffs import add
from reelscan.reading import read_record
from reelscan.records import Diff


def sums(a: int, b: int, matched: int, iou: float | None, **more: Any) -> dict[str, Any]:
    counts = {"a_count": a, "b_count": b, "matched": matched, "moved": 0, "added": b - matched, "removed": a - matched}
    return {**counts, "agreement": 0.0, "mean_iou": iou, "mean_score_change": None, **more}


def diff(start: int, row: dict[str, Any], label: str, cursor: str | None) -> Diff:
    span = {"start_pts": start, "end_pts": start + 10, "start_seconds": start / 10, "end_seconds": start / 10 + 1}
    body = {
        "job_a": "job_a",
        "job_b": "job_b",
        "timebase": "1/10",
        "is_complete": cursor is None,
        "total": row,
        "labels": [{**row, "label": label}],
        "frames": {"both": 2, "only_a": 1, "only_b": 0},
        "over_time": [{**row, **span}],
        "missing": [],
        "next_cursor": cursor,
    }
    return read_record(Diff, body)


def test_counts_are_added_and_means_weighed() -> None:
    whole = add(diff(0, sums(4, 4, 3, 0.9), "dog", "c"), diff(10, sums(2, 0, 1, 0.5), "car", None))
    assert (whole.total.a_count, whole.total.b_count, whole.total.matched) == (6, 4, 4)
    assert whole.total.agreement == pytest.approx(0.8)
    assert whole.total.mean_iou == pytest.approx((3 * 0.9 + 0.5) / 4)
    assert whole.total.mean_score_change is None
    assert [row.label for row in whole.labels] == ["car", "dog"]
    assert [row.start_pts for row in whole.over_time] == [0, 10]
    assert (whole.frames.both, whole.is_complete, whole.next_cursor) == (4, True, None)


def test_a_span_or_label_that_both_answers_have_is_one() -> None:
    whole = add(diff(0, sums(1, 1, 1, 0.5), "dog", "c"), diff(0, sums(1, 1, 0, None), "dog", None))
    assert [(row.label, row.a_count, row.mean_iou) for row in whole.labels] == [("dog", 2, 0.5)]
    assert [row.matched for row in whole.over_time] == [1]
