"""Conditions at work: a test of rows in whole numbers, and the bounds within which every row that passes must lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias, TypeVar

from chalicelib.domain.media import Pts
from chalicelib.domain.query.ast import (
    And,
    Comparison,
    Condition,
    Inside,
    LabelIn,
    ModelIn,
    Not,
    Or,
    ScoreIs,
    TimeIn,
    TimeIs,
    TrackIn,
    leaves_of,
)
from chalicelib.domain.query.geometry import Area, anchor_point
from chalicelib.domain.query.rows import SCORE_UNITS, SeenRow

Test: TypeAlias = Callable[[SeenRow], bool]
Value = TypeVar("Value", int, str)
STEPS_PER_ROW = 2
"""To find a row, and to do something with it."""
PARTS_PER_STEP = 6
"""Comparisons, and edges of polygons; one step takes as long as to compare two boxes."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What conditions must know of a job."""

    timebase: Fraction
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is true of every row that passes; None is no bound."""

    labels: frozenset[str] | None = None
    models: frozenset[str] | None = None
    tracks: frozenset[int] | None = None
    score_floor: int = 0
    """Ten-thousandths."""
    from_pts: Pts | None = None
    to_pts: Pts | None = None
    """Exclusive."""

    def __and__(self, other: Bounds) -> Bounds:
        """What is true where both are."""
        return Bounds(
            _common(self.labels, other.labels),
            _common(self.models, other.models),
            _common(self.tracks, other.tracks),
            max(self.score_floor, other.score_floor),
            max((pts for pts in (self.from_pts, other.from_pts) if pts is not None), default=None),
            min((pts for pts in (self.to_pts, other.to_pts) if pts is not None), default=None),
        )

    def __or__(self, other: Bounds) -> Bounds:
        """What is true where one of them is."""
        return Bounds(
            _either(self.labels, other.labels),
            _either(self.models, other.models),
            _either(self.tracks, other.tracks),
            min(self.score_floor, other.score_floor),
            None if self.from_pts is None or other.from_pts is None else min(self.from_pts, other.from_pts),
            None if self.to_pts is None or other.to_pts is None else max(self.to_pts, other.to_pts),
        )


def names_score(where: Condition | None) -> bool:
    """Whether the condition says something of the score, so that no default threshold applies."""
    return any(isinstance(leaf, ScoreIs) for leaf in leaves_of(where))


def steps_of(*conditions: Condition | None) -> int:
    """How much work it is to find a row and to put it to these conditions, in steps of about a microsecond."""
    leaves = [leaf for condition in conditions for leaf in leaves_of(condition)]
    edges = sum(len(leaf.polygon.points) for leaf in leaves if isinstance(leaf, Inside))
    return STEPS_PER_ROW + (len(leaves) + edges) // PARTS_PER_STEP


def make_test(where: Condition | None, scene: Scene) -> Test:
    """Whether a row passes."""
    match where:
        case None:
            return lambda _row: True
        case LabelIn():
            names = frozenset(where.names)
            return lambda row: row.label in names
        case ModelIn():
            indices = frozenset(index for index, name in enumerate(scene.models) if name in where.names)
            return lambda row: row.model_index in indices
        case TrackIn():
            ids = frozenset(where.ids)
            return lambda row: row.track_id in ids
        case ScoreIs():
            least, beyond = _whole_range(where.comparison, where.score * SCORE_UNITS)
            return lambda row: (
                (least is None or -row.minus_score >= least) and (beyond is None or -row.minus_score < beyond)
            )
        case TimeIs() | TimeIn():
            start, end = _pts_range(where, scene.timebase)
            return lambda row: (start is None or row.pts >= start) and (end is None or row.pts < end)
        case Inside():
            area, anchor = Area(where.polygon), where.anchor
            return lambda row: area.contains(anchor_point(anchor, row.box))
        case Not():
            part = make_test(where.part, scene)
            return lambda row: not part(row)
        case And():
            parts = [make_test(part, scene) for part in where.parts]
            return lambda row: all(part(row) for part in parts)
        case Or():
            parts = [make_test(part, scene) for part in where.parts]
            return lambda row: any(part(row) for part in parts)


def find_bounds(where: Condition | None, timebase: Fraction) -> Bounds:
    """Bounds of the rows that pass; of `not` none are known."""
    match where:
        case LabelIn():
            return Bounds(labels=frozenset(where.names))
        case ModelIn():
            return Bounds(models=frozenset(where.names))
        case TrackIn():
            return Bounds(tracks=frozenset(where.ids))
        case ScoreIs():
            least, _ = _whole_range(where.comparison, where.score * SCORE_UNITS)
            return Bounds(score_floor=max(0, least or 0))
        case TimeIs() | TimeIn():
            start, end = _pts_range(where, timebase)
            return Bounds(from_pts=start, to_pts=end)
        case And():
            bounds = Bounds()
            for part in where.parts:
                bounds &= find_bounds(part, timebase)
            return bounds
        case Or():
            bounds = find_bounds(where.parts[0], timebase)
            for part in where.parts[1:]:
                bounds |= find_bounds(part, timebase)
            return bounds
        case _:
            return Bounds()


def _pts_range(where: TimeIs | TimeIn, timebase: Fraction) -> tuple[Pts | None, Pts | None]:
    """[start, end) of the PTS whose time is meant."""
    if isinstance(where, TimeIn):
        return math.ceil(where.start / timebase), math.ceil(where.end / timebase)
    return _whole_range(where.comparison, where.seconds / timebase)


def _whole_range(comparison: Comparison, bound: Fraction) -> tuple[int | None, int | None]:
    """[start, end) of the whole numbers that compare like this with a bound."""
    match comparison:
        case Comparison.LESS:
            return None, math.ceil(bound)
        case Comparison.AT_MOST:
            return None, math.floor(bound) + 1
        case Comparison.EQUAL:
            return math.ceil(bound), math.floor(bound) + 1
        case Comparison.AT_LEAST:
            return math.ceil(bound), None
        case Comparison.MORE:
            return math.floor(bound) + 1, None


def _common(left: frozenset[Value] | None, right: frozenset[Value] | None) -> frozenset[Value] | None:
    if left is None or right is None:
        return right if left is None else left
    return left & right


def _either(left: frozenset[Value] | None, right: frozenset[Value] | None) -> frozenset[Value] | None:
    return None if left is None or right is None else left | right
