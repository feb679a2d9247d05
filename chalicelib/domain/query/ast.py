"""What can be asked, as a tree. Nonsense cannot be built; `parse.py` makes trees of text, `format.py` text of trees."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TypeAlias

MAX_NESTING = 16
MAX_POINTS = 100
MAX_NAMES = 100
MAX_NAME_CHARS = 255
MAX_TRACK_ID = 2**32 - 1
MAX_SECONDS = 1_000_000
"""More than eleven days."""
MAX_DECIMALS = 9
MAX_WITHIN_SECONDS = 600
"""Of `before`: every appearance that ended so lately is held in the state of a page."""
MAX_RANKED = 50
MAX_CROSSINGS = 8
MAX_PIXELS = 100_000
PIXEL_PARTS = 10_000
"""Coordinates have at most four decimals, so that geometry is done in whole numbers."""


class ResultKind(StrEnum):
    """What the items of an answer are."""

    DETECTIONS = "detections"
    TRACKS = "tracks"
    APPEARANCES = "appearances"
    PAIRS = "pairs"
    BUCKETS = "buckets"
    DWELLS = "dwells"


class Comparison(StrEnum):
    """How two numbers are compared."""

    LESS = "<"
    AT_MOST = "<="
    EQUAL = "="
    AT_LEAST = ">="
    MORE = ">"


class Anchor(StrEnum):
    """The point that stands for a box."""

    FEET = "feet"
    """The middle of the lower edge: where a thing touches the ground."""
    CENTER = "center"


class Direction(StrEnum):
    """Which way a line is crossed, for somebody who looks from its first point to its second."""

    LEFT_TO_RIGHT = "left to right"
    RIGHT_TO_LEFT = "right to left"


class Choice(StrEnum):
    """Which detection stands for its track; of several the earliest."""

    BEST = "best"
    """The highest score."""
    LARGEST = "largest"
    """The largest box."""
    FIRST = "first"
    LAST = "last"


class Order(StrEnum):
    """Which few of many."""

    LONGEST = "longest"
    FIRST = "first"
    LAST = "last"


class Relation(StrEnum):
    """How two things stand to each other in time."""

    BEFORE = "before"
    """The left one has ended when the right one begins."""
    OVERLAPS = "overlaps"
    """There is a moment that both have."""
    DURING = "during"
    """The right one lasts from before (or as soon as) the left one begins until after (or when) it ends."""
    TOGETHER = "together with"
    """Both are in the same frame."""


@dataclass(frozen=True, slots=True)
class LabelIn:
    """The label is one of these."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_names("label", self.names)


@dataclass(frozen=True, slots=True)
class ModelIn:
    """The model is one of these."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_names("model", self.names)


@dataclass(frozen=True, slots=True)
class TrackIn:
    """The track is one of these."""

    ids: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_count("track", len(self.ids))
        for track_id in self.ids:
            if not 1 <= track_id <= MAX_TRACK_ID:
                raise ValueError(f"a track must be from 1 to {MAX_TRACK_ID} but got {track_id}")


@dataclass(frozen=True, slots=True)
class ScoreIs:
    """The score compares like this with a number."""

    comparison: Comparison
    score: Fraction

    def __post_init__(self) -> None:
        if not 0 <= self.score <= 1:
            raise ValueError(f"a score must be from 0 to 1 but got {_shown(self.score)}")
        _check_decimals(self.score)


@dataclass(frozen=True, slots=True)
class TimeIs:
    """The media time compares like this with a number of seconds."""

    comparison: Comparison
    seconds: Fraction

    def __post_init__(self) -> None:
        _check_seconds("a time", self.seconds)


@dataclass(frozen=True, slots=True)
class TimeIn:
    """The media time is in [start, end), seconds."""

    start: Fraction
    end: Fraction

    def __post_init__(self) -> None:
        _check_seconds("a time", self.start)
        _check_seconds("a time", self.end)
        if self.start >= self.end:
            raise ValueError(f"a window must end after it starts but got [{_shown(self.start)}s, {_shown(self.end)}s)")


@dataclass(frozen=True, slots=True)
class Point:
    """Pixels of the frame as shown, origin top left; may lie outside of it."""

    x: Fraction
    y: Fraction

    def __post_init__(self) -> None:
        for side in (self.x, self.y):
            if abs(side) > MAX_PIXELS or PIXEL_PARTS % side.denominator:
                rule = f"at most {MAX_PIXELS} pixels, with at most four decimals"
                raise ValueError(f"a coordinate must be {rule}, but got {_shown(side)}")


@dataclass(frozen=True, slots=True)
class Polygon:
    """An area by its corners, in order; the last is joined to the first. What its border crosses twice is outside."""

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        if not 3 <= len(self.points) <= MAX_POINTS:
            raise ValueError(f"a polygon must have from 3 to {MAX_POINTS} points but got {len(self.points)}")
        first = self.points[0]
        others = [(point.x - first.x, point.y - first.y) for point in self.points]
        if all(ax * by == ay * bx for ax, ay in others for bx, by in others):
            raise ValueError("the points of a polygon must not all lie on one line")


@dataclass(frozen=True, slots=True)
class Line:
    """From one point to another."""

    start: Point
    end: Point

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise ValueError("a line must have two different points")


@dataclass(frozen=True, slots=True)
class Inside:
    """The point that stands for the box is in the polygon, or on its border."""

    anchor: Anchor
    polygon: Polygon


@dataclass(frozen=True, slots=True)
class Crosses:
    """Between two detections of a track, one after the other, the point that stands for the box crosses the line."""

    anchor: Anchor
    line: Line
    direction: Direction | None = None
    """None: either."""


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Condition


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold."""

    parts: tuple[Condition, ...]

    def __post_init__(self) -> None:
        _check_parts("and", self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """A part holds."""

    parts: tuple[Condition, ...]

    def __post_init__(self) -> None:
        _check_parts("or", self.parts)


Condition: TypeAlias = LabelIn | ModelIn | TrackIn | ScoreIs | TimeIs | TimeIn | Inside | Not | And | Or


@dataclass(frozen=True, slots=True)
class Detections:
    """The detections for which the condition holds."""

    where: Condition | None = None

    def __post_init__(self) -> None:
        _check_nesting(self.where)


@dataclass(frozen=True, slots=True)
class Tracks:
    """The tracks that have such a detection, and cross every line between two such detections."""

    where: Condition | None = None
    crossings: tuple[Crosses, ...] = ()

    def __post_init__(self) -> None:
        _check_nesting(self.where)
        if len(self.crossings) > MAX_CROSSINGS:
            raise ValueError(f"a query must have at most {MAX_CROSSINGS} lines but got {len(self.crossings)}")


@dataclass(frozen=True, slots=True)
class Ranking:
    """The few that are first in some order."""

    order: Order
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_RANKED:
            raise ValueError(f"{self.order} must be followed by a number from 1 to {MAX_RANKED} but got {self.count}")


@dataclass(frozen=True, slots=True)
class Appearances:
    """The times in which a label is seen, without a pause longer than the gap, by such detections."""

    where: Condition | None = None
    gap: Fraction | None = None
    """Seconds; None: what suits the sampling of the job."""
    ranking: Ranking | None = None

    def __post_init__(self) -> None:
        _check_nesting(self.where)
        _check_duration("gap", self.gap)


@dataclass(frozen=True, slots=True)
class PerTrack:
    """One of such detections for each track."""

    choice: Choice
    where: Condition | None = None

    def __post_init__(self) -> None:
        _check_nesting(self.where)


@dataclass(frozen=True, slots=True)
class Count:
    """How many detections or tracks, in all, by label, or in each span of time."""

    of: Detections | Tracks
    width: Fraction | None = None
    """Seconds; spans start at multiples of it."""
    by_label: bool = False

    def __post_init__(self) -> None:
        _check_duration("by", self.width)


@dataclass(frozen=True, slots=True)
class Dwells:
    """How long each track is in a region."""

    region: Inside
    where: Condition | None = None
    at_least: Fraction | None = None
    """Seconds."""
    longest: int | None = None

    def __post_init__(self) -> None:
        _check_nesting(self.where)
        _check_duration("at least", self.at_least)
        if self.longest is not None:
            Ranking(Order.LONGEST, self.longest)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two things, one of each selection, that stand in a relation."""

    left: Detections | Tracks | Appearances
    relation: Relation
    right: Detections | Tracks | Appearances
    within: Fraction | None = None
    """Seconds from the end of the left to the beginning of the right for `before`; pixels between the boxes for
    `together with`."""
    gap: Fraction | None = None
    """Seconds; of both sides, when they are appearances."""

    def __post_init__(self) -> None:
        _check_duration("gap", self.gap)
        self._check_sides()
        self._check_within()

    def _check_sides(self) -> None:
        if type(self.left) is not type(self.right):
            raise ValueError("both sides of a relation must be of one kind: detections, tracks or appearances")
        if isinstance(self.left, Detections) != (self.relation is Relation.TOGETHER):
            wanted = "detections" if self.relation is Relation.TOGETHER else "tracks or appearances"
            raise ValueError(f"{self.relation} must stand between {wanted}")
        if self.gap is not None and not isinstance(self.left, Appearances):
            raise ValueError("gap must follow appearances")
        for side in (self.left, self.right):
            if isinstance(side, Appearances) and (side.gap is not None or side.ranking is not None):
                raise ValueError("in a relation the gap must be given once, at the end, and nothing can be ranked")
            if isinstance(side, Tracks) and (side.crossings or not is_about_whole_tracks(side.where)):
                raise ValueError("tracks in a relation must be chosen by label, model and track alone")

    def _check_within(self) -> None:
        if self.relation is Relation.BEFORE:
            if self.within is None:
                raise ValueError("before must be followed by within and a duration")
            if not 0 < self.within <= MAX_WITHIN_SECONDS:
                raise ValueError(
                    f"within must be over 0s and at most {MAX_WITHIN_SECONDS}s but got {_shown(self.within)}s"
                )
            _check_decimals(self.within)
        elif self.relation is Relation.TOGETHER:
            if self.within is not None:
                if not 0 <= self.within <= MAX_PIXELS:
                    raise ValueError(f"within must be at most {MAX_PIXELS}px but got {_shown(self.within)}px")
                _check_decimals(self.within)
        elif self.within is not None:
            raise ValueError(f"{self.relation} must not be followed by within")


Query: TypeAlias = Detections | Tracks | Appearances | PerTrack | Count | Dwells | Pairs


def kind_of(query: Query) -> ResultKind:
    """What the items of its answer are."""
    match query:
        case Detections() | PerTrack():
            return ResultKind.DETECTIONS
        case Tracks():
            return ResultKind.TRACKS
        case Appearances():
            return ResultKind.APPEARANCES
        case Count():
            return ResultKind.BUCKETS
        case Dwells():
            return ResultKind.DWELLS
        case Pairs():
            return ResultKind.PAIRS


def needs_tracks(query: Query) -> bool:
    """Whether it can only be answered when the job's tracks are known."""
    match query:
        case Tracks() | PerTrack() | Dwells():
            return True
        case Count():
            return needs_tracks(query.of)
        case Pairs():
            return needs_tracks(query.left) or needs_tracks(query.right)
        case Detections() | Appearances():
            return any(isinstance(leaf, TrackIn) for leaf in leaves_of(query.where))


def leaves_of(condition: Condition | None) -> tuple[Condition, ...]:
    """The comparisons that it is made of."""
    match condition:
        case None:
            return ()
        case Not():
            return leaves_of(condition.part)
        case And() | Or():
            return tuple(leaf for part in condition.parts for leaf in leaves_of(part))
        case _:
            return (condition,)


def is_about_whole_tracks(where: Condition | None) -> bool:
    """Whether the condition is the same for every detection of a track."""
    return all(isinstance(leaf, LabelIn | ModelIn | TrackIn) for leaf in leaves_of(where))


def nesting_of(condition: Condition) -> int:
    """How many parentheses and `not` stand within each other."""
    match condition:
        case Not():
            return 1 + nesting_of(condition.part) + isinstance(condition.part, And | Or)
        case And() | Or():
            return max(nesting_of(part) + isinstance(part, And | Or) for part in condition.parts)
        case _:
            return 0


def _check_nesting(where: Condition | None) -> None:
    if where is not None and nesting_of(where) > MAX_NESTING:
        raise ValueError(f"conditions must be nested at most {MAX_NESTING} deep but got {nesting_of(where)}")


def _check_parts(word: str, parts: tuple[Condition, ...]) -> None:
    if len(parts) < 2:
        raise ValueError(f"{word} must join at least two conditions but got {len(parts)}")


def _check_names(what: str, names: tuple[str, ...]) -> None:
    _check_count(what, len(names))
    for name in names:
        if not 1 <= len(name) <= MAX_NAME_CHARS:
            raise ValueError(f"a {what} must have from 1 to {MAX_NAME_CHARS} characters but got {len(name)}")


def _check_count(what: str, count: int) -> None:
    if not 1 <= count <= MAX_NAMES:
        raise ValueError(f"{what} must be compared with 1 to {MAX_NAMES} values but got {count}")


def _check_duration(what: str, seconds: Fraction | None) -> None:
    if seconds is None:
        return
    if seconds <= 0:
        raise ValueError(f"{what} must be followed by a duration over 0s but got {_shown(seconds)}s")
    _check_seconds(what, seconds)


def _check_seconds(what: str, seconds: Fraction) -> None:
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"{what} must be at most {MAX_SECONDS}s but got {_shown(seconds)}s")
    _check_decimals(seconds)


def _check_decimals(number: Fraction) -> None:
    if 10**MAX_DECIMALS % number.denominator:
        raise ValueError(f"a number must have at most {MAX_DECIMALS} decimals but got {_shown(number)}")


def _shown(number: Fraction) -> str:
    return f"{float(number):g}"
