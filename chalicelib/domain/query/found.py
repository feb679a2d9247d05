"""What answers are made of. Times are PTS of the job's video, scores ten-thousandths, boxes sixteenths of a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from chalicelib.domain.media import Pts
from chalicelib.domain.query.ast import Relation
from chalicelib.domain.query.rows import SeenRow


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A detection."""

    row: SeenRow


@dataclass(frozen=True, slots=True)
class FoundTrack:
    """A track, by those of its detections that match."""

    track_id: int
    model: str
    label: str
    first_pts: Pts
    last_pts: Pts
    detections: int
    score_units: int
    """The highest."""
    crossed_pts: tuple[Pts, ...] = ()
    """For each line of the query the first detection after it was crossed."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """A time in which a label is seen."""

    label: str
    first_pts: Pts
    last_pts: Pts
    detections: int
    score_units: int
    """The highest."""


@dataclass(frozen=True, slots=True)
class Dwell:
    """How long a track was in a region."""

    track_id: int
    model: str
    label: str
    ticks: int
    """In all: the time between detections that follow each other and are both inside."""
    visits: int
    """How often it came in."""
    first_pts: Pts
    last_pts: Pts
    """First and last detection inside."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many."""

    start: Fraction | None
    """Seconds; None: of the whole video."""
    width: Fraction | None
    label: str | None
    """None: of any."""
    count: int


@dataclass(frozen=True, slots=True)
class Side:
    """One thing of a pair."""

    label: str
    first_pts: Pts
    """When it begins; an appearance is known by its label and this."""
    track_id: int | None = None
    """Of a track, or of a detection that has one."""
    row: SeenRow | None = None
    """A detection."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two things that stand in a relation."""

    relation: Relation
    left: Side
    right: Side
    first_pts: Pts
    last_pts: Pts
    """What they have in common; for `before`, from the end of the left to the beginning of the right."""
    distance_squared: int | None = None
    """Of detections: the square of the shortest distance between the boxes, in sixteenths of a pixel."""


Found: TypeAlias = FoundRow | FoundTrack | Appearance | Dwell | Bucket | Pair
