"""What queries must be answered, found the slow way: every row, every pair, in fractions.

Shares nothing with the product but the tree of a query. Answers are tuples, see `answer`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, product
from typing import Any

from chalicelib.domain.query import ast

Spot = tuple[Fraction, Fraction]
COMPARE = {"<": operator.lt, "<=": operator.le, "=": operator.eq, ">=": operator.ge, ">": operator.gt}


@dataclass(frozen=True)
class Seen:
    """A detection: score in ten-thousandths, box in sixteenths of a pixel."""

    pts: int
    ordinal: int
    score: int
    label: str
    box: tuple[int, int, int, int]
    model: str
    track_id: int
    frame_index: int | None


@dataclass(frozen=True)
class Known:
    """A track that the job lists."""

    track_id: int
    model: str
    label: str


@dataclass(frozen=True)
class Told:
    """All that there is to know of a job. Rows are in the order of results and within the job's labels."""

    timebase: Fraction
    rows: tuple[Seen, ...]
    tracks: tuple[Known, ...]
    default_floors: dict[str, int]
    default_gap: Fraction


def answer(query: ast.Query, told: Told) -> list[tuple[Any, ...]]:
    """The items in order: for pairs of appearances any order, for the rest that of the product."""
    match query:
        case ast.Detections():
            return [("detection", *_row(row)) for row in _matching(query.where, told)]
        case ast.Tracks():
            return _tracks(query, told)
        case ast.PerTrack():
            return _per_track(query, told)
        case ast.Appearances():
            return _ranked(query.ranking, _appearances(query.where, query.gap or told.default_gap, told))
        case ast.Count():
            return _count(query, told)
        case ast.Dwells():
            return _dwells(query, told)
        case ast.Pairs():
            return _pairs(query, told)


# --- rows -------------------------------------------------------------------------------------------------------------


def _matching(where: ast.Condition | None, told: Told, *, of_tracks: bool = False) -> list[Seen]:
    free = of_tracks or "ScoreIs" in repr(where)
    return [
        row for row in told.rows if (free or row.score >= told.default_floors[row.model]) and _holds(where, row, told)
    ]


def _holds(where: ast.Condition | None, row: Seen, told: Told) -> bool:
    match where:
        case None:
            return True
        case ast.LabelIn():
            return row.label in where.names
        case ast.ModelIn():
            return row.model in where.names
        case ast.TrackIn():
            return row.track_id in where.ids
        case ast.ScoreIs():
            return _compares(Fraction(row.score, 10_000), where.comparison, where.score)
        case ast.TimeIs():
            return _compares(row.pts * told.timebase, where.comparison, where.seconds)
        case ast.TimeIn():
            return where.start <= row.pts * told.timebase < where.end
        case ast.Inside():
            return is_inside(spot_of(where.anchor, row.box), where.polygon)
        case ast.Not():
            return not _holds(where.part, row, told)
        case ast.And():
            return all(_holds(part, row, told) for part in where.parts)
        case ast.Or():
            return any(_holds(part, row, told) for part in where.parts)


def _compares(value: Fraction, comparison: ast.Comparison, other: Fraction) -> bool:
    return bool(COMPARE[comparison.value](value, other))


def _row(row: Seen) -> tuple[Any, ...]:
    return (row.pts, row.ordinal, row.score, row.label, row.box, row.model, row.track_id, row.frame_index)


# --- geometry ---------------------------------------------------------------------------------------------------------


def spot_of(anchor: ast.Anchor, box: Sequence[int]) -> Spot:
    """Pixels."""
    x1, y1, x2, y2 = (Fraction(side, 16) for side in box)
    return ((x1 + x2) / 2, y2 if anchor is ast.Anchor.FEET else (y1 + y2) / 2)


def is_inside(spot: Spot, polygon: ast.Polygon) -> bool:
    """On the border, or with an odd number of edges straight above."""
    corners = [(point.x, point.y) for point in polygon.points]
    above = 0
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if _is_between((ax, ay), spot, (bx, by)):
            return True
        left, right = sorted([(ax, ay), (bx, by)])
        if left[0] <= spot[0] < right[0]:
            part = (spot[0] - left[0]) / (right[0] - left[0])
            above += left[1] + part * (right[1] - left[1]) < spot[1]
    return above % 2 == 1


def _is_between(a: Spot, spot: Spot, b: Spot) -> bool:
    """On the straight line from a to b: a to spot and spot to b are together as long."""
    to_spot, to_b = (spot[0] - a[0], spot[1] - a[1]), (b[0] - a[0], b[1] - a[1])
    if a == b or any(not min(ends) <= here <= max(ends) for here, *ends in zip(spot, a, b, strict=True)):
        return spot == a
    part = (to_spot[0] * to_b[0] + to_spot[1] * to_b[1]) / (to_b[0] ** 2 + to_b[1] ** 2)
    return 0 <= part <= 1 and (part * to_b[0], part * to_b[1]) == to_spot


def crosses(origin: Spot, target: Spot, crossing: ast.Crosses) -> bool:
    """Right is where a quarter turn clockwise points, as seen on a screen."""
    start = (crossing.line.start.x, crossing.line.start.y)
    along = (crossing.line.end.x - start[0], crossing.line.end.y - start[1])
    right = (-along[1], along[0])
    before, after = ((spot[0] - start[0]) * right[0] + (spot[1] - start[1]) * right[1] for spot in (origin, target))
    if (before >= 0) == (after >= 0):
        return False
    if crossing.direction is ast.Direction.LEFT_TO_RIGHT and after < 0:
        return False
    if crossing.direction is ast.Direction.RIGHT_TO_LEFT and after >= 0:
        return False
    part = before / (before - after)
    meeting = tuple(a + part * (b - a) for a, b in zip(origin, target, strict=True))
    where = sum((m - s) * d for m, s, d in zip(meeting, start, along, strict=True))
    return 0 <= where <= along[0] ** 2 + along[1] ** 2


def distance_squared(left: Sequence[int], right: Sequence[int]) -> int:
    """Between the nearest points of two boxes."""
    gaps = []
    for low in (0, 1):
        inner = max(left[low], right[low])
        gaps.append(max(0, inner - min(left[low + 2], right[low + 2])))
    return sum(gap**2 for gap in gaps)


# --- tracks -----------------------------------------------------------------------------------------------------------


def _by_track(where: ast.Condition | None, told: Told) -> list[tuple[Known, list[Seen]]]:
    matching = _matching(where, told, of_tracks=True)
    found = [(track, [row for row in matching if row.track_id == track.track_id]) for track in told.tracks]
    return [(track, rows) for track, rows in found if rows]


def _first_crossings(crossings: Iterable[ast.Crosses], rows: list[Seen]) -> list[int | None]:
    firsts: list[int | None] = []
    for crossing in crossings:
        times = [
            after.pts
            for before, after in pairwise(rows)
            if crosses(spot_of(crossing.anchor, before.box), spot_of(crossing.anchor, after.box), crossing)
        ]
        firsts.append(times[0] if times else None)
    return firsts


def _tracks(query: ast.Tracks, told: Told) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for track, rows in _by_track(query.where, told):
        crossed = _first_crossings(query.crossings, rows)
        if None not in crossed:
            times = (rows[0].pts, rows[-1].pts, len(rows), max(row.score for row in rows))
            found.append(("track", track.track_id, track.model, track.label, *times, tuple(crossed)))
    return found


def _per_track(query: ast.PerTrack, told: Told) -> list[tuple[Any, ...]]:
    ranks: dict[str, Callable[[Seen], Any]] = {
        "best": lambda row: row.score,
        "largest": lambda row: (row.box[2] - row.box[0]) * (row.box[3] - row.box[1]),
        "first": lambda row: (-row.pts, -row.ordinal),
        "last": lambda row: (row.pts, row.ordinal),
    }
    # max gives the first of equal ones.
    return [("detection", *_row(max(rows, key=ranks[query.choice.value]))) for _, rows in _by_track(query.where, told)]


def _dwells(query: ast.Dwells, told: Told) -> list[tuple[Any, ...]]:
    found = []
    for track, rows in _by_track(query.where, told):
        inside = [is_inside(spot_of(query.region.anchor, row.box), query.region.polygon) for row in rows]
        if not any(inside):
            continue
        ticks = sum(
            b.pts - a.pts for (a, is_in), (b, stays) in pairwise(zip(rows, inside, strict=True)) if is_in and stays
        )
        visits = sum(now and not before for before, now in pairwise([False, *inside]))
        times = [row.pts for row, is_in in zip(rows, inside, strict=True) if is_in]
        if query.at_least is None or ticks * told.timebase >= query.at_least:
            found.append(("dwell", track.track_id, track.model, track.label, ticks, visits, times[0], times[-1]))
    if query.longest is not None:
        found = sorted(found, key=lambda dwell: (-dwell[4], dwell[6], dwell[1]))[: query.longest]
    return found


# --- appearances ------------------------------------------------------------------------------------------------------


def _appearances(where: ast.Condition | None, gap: Fraction, told: Told) -> list[tuple[Any, ...]]:
    """("appearance", label, first, last, rows, best), in order of their ends."""
    matching = _matching(where, told)
    found = []
    for label in {row.label for row in matching}:
        rows = [row for row in matching if row.label == label]
        starts = [0] + [
            number for number in range(1, len(rows)) if (rows[number].pts - rows[number - 1].pts) * told.timebase > gap
        ]
        for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            run = rows[start:end]
            found.append(("appearance", label, run[0].pts, run[-1].pts, len(run), max(row.score for row in run)))
    return sorted(found, key=lambda one: (one[3], one[1]))


def _ranked(ranking: ast.Ranking | None, found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    if ranking is None:
        return found
    keys: dict[str, Callable[[tuple[Any, ...]], Any]] = {
        "longest": lambda one: (one[2] - one[3], one[2], one[1]),
        "first": lambda one: (one[2], one[1]),
        "last": lambda one: (-one[2], one[1]),
    }
    return sorted(found, key=keys[ranking.order.value])[: ranking.count]


# --- counts -----------------------------------------------------------------------------------------------------------


def _count(query: ast.Count, told: Told) -> list[tuple[Any, ...]]:
    counted: list[tuple[int | None, str]] = []

    def span(pts: int) -> int | None:
        return None if query.width is None else math.floor(pts * told.timebase / query.width)

    if isinstance(query.of, ast.Detections):
        counted = [(span(row.pts), row.label) for row in _matching(query.of.where, told)]
    else:
        for track, rows in _by_track(query.of.where, told):
            if query.of.crossings:
                crossed = [pts for pts in _first_crossings(query.of.crossings, rows) if pts is not None]
                spans = {span(max(crossed))} if len(crossed) == len(query.of.crossings) else set()
            else:
                spans = {span(row.pts) for row in rows}
            counted += [(number, track.label) for number in spans]
    if not query.by_label:
        counted = [(number, "") for number, _ in counted]
    if query.width is None and not query.by_label:
        return [("bucket", None, None, None, len(counted))]
    return [
        (
            "bucket",
            None if number is None or query.width is None else number * query.width,
            query.width,
            label if query.by_label else None,
            counted.count((number, label)),
        )
        for number, label in sorted(set(counted), key=lambda place: (place[0] or 0, place[1]))
    ]


# --- pairs ------------------------------------------------------------------------------------------------------------


def _pairs(query: ast.Pairs, told: Told) -> list[tuple[Any, ...]]:
    if isinstance(query.left, ast.Detections) and isinstance(query.right, ast.Detections):
        return _pairs_of_rows(query, query.left, query.right, told)
    # Of each thing its name, and when it begins and ends.
    sides: list[list[tuple[tuple[Any, ...], int, int]]] = []
    for side in (query.left, query.right):
        if isinstance(side, ast.Tracks):
            sides.append(
                [
                    ((track.label, rows[0].pts, track.track_id), rows[0].pts, rows[-1].pts)
                    for track, rows in _by_track(side.where, told)
                ]
            )
        else:
            gap = query.gap or told.default_gap
            found = _appearances(side.where, gap, told)
            sides.append([((label, first, None), first, last) for _, label, first, last, *_ in found])
    related = []
    for (left, left_first, left_last), (right, right_first, right_last) in product(*sides):
        if left == right:
            continue
        shared = (max(left_first, right_first), min(left_last, right_last))
        if query.relation is ast.Relation.BEFORE:
            wait = (right_first - left_last) * told.timebase
            assert query.within is not None
            holds, shared = 0 < wait <= query.within, (left_last, right_first)
        elif query.relation is ast.Relation.DURING:
            holds = right_first <= left_first and left_last <= right_last
        else:
            holds = shared[0] <= shared[1]
        if holds:
            related.append(("pair", query.relation.value, (*left, None), (*right, None), *shared, None))
    return related


def _pairs_of_rows(query: ast.Pairs, left: ast.Detections, right: ast.Detections, told: Told) -> list[tuple[Any, ...]]:
    rights = _matching(right.where, told)
    found = []
    for one in _matching(left.where, told):
        for other in rights:
            if one is other or (one.pts, one.ordinal) != (other.pts, other.ordinal):
                continue
            squared = distance_squared(one.box, other.box)
            if query.within is None or Fraction(squared, 256) <= query.within**2:
                sides = [(row.label, row.pts, row.track_id or None, _row(row)) for row in (one, other)]
                found.append(("pair", "together with", *sides, one.pts, one.pts, squared))
    return found
