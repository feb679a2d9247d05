"""The wire of the query language: one page model for each kind of result, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, RootModel, StringConstraints

from chalicelib.api.schemas import DetectionOut, In, Limit, Out
from chalicelib.domain.query.tokens import MAX_CHARS
from chalicelib.services.query import MAX_CURSOR_CHARS

QueryText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_CHARS),
    Field(
        description="docs/query.md has the language",
        examples=['tracks where label = "person" and crosses line((0, 200), (640, 200)) left to right'],
    ),
]


class QueryQuery(In):
    """What is asked, and where to go on."""

    q: QueryText
    limit: Limit = 100
    cursor: Annotated[str, StringConstraints(max_length=MAX_CURSOR_CHARS)] | None = None


class ItemOut(Out):
    """Where an item was found."""

    video_id: str
    job_id: str


class DetectionItemOut(DetectionOut):
    """A detection."""

    video_id: str
    job_id: str


class CrossingOut(Out):
    """The first detection of a track after it crossed a line for the first time."""

    pts: int
    time_seconds: float


class TrackItemOut(ItemOut):
    """A track, by those of its detections that match."""

    track_id: int
    model: str
    label: str
    timebase: str
    first_pts: int
    last_pts: int
    first_seconds: float
    last_seconds: float
    detections: int
    score_max: float
    crossings: list[CrossingOut] | None = None
    """One for each line of the query, in its order."""


class AppearanceItemOut(ItemOut):
    """A time in which a label is seen without a pause longer than the gap."""

    label: str
    timebase: str
    first_pts: int
    last_pts: int
    first_seconds: float
    last_seconds: float
    detections: int
    score_max: float


class DwellItemOut(ItemOut):
    """How long a track was in a region."""

    track_id: int
    model: str
    label: str
    timebase: str
    dwell_pts: int
    dwell_seconds: float
    visits: int
    first_pts: int
    last_pts: int
    first_seconds: float
    last_seconds: float


class BucketItemOut(ItemOut):
    """How many, in a span of time (`start_seconds` ≤ t < `end_seconds`), of a label, or in all."""

    start_seconds: float | None = None
    end_seconds: float | None = None
    label: str | None = None
    count: int


class PairSideOut(Out):
    """One thing of a pair: an appearance (by its label and beginning), a track, or a detection."""

    label: str
    first_pts: int
    first_seconds: float
    track_id: int | None = None
    detection: DetectionOut | None = None


class PairItemOut(ItemOut):
    """Two things in a relation; first and last are the time that they share, or for `before` that between them."""

    relation: str
    timebase: str
    first_pts: int
    last_pts: int
    first_seconds: float
    last_seconds: float
    distance: float | None = None
    """Of detections: pixels between the boxes."""
    left: PairSideOut
    right: PairSideOut


class FoundDetectionsOut(Out):
    """Detections."""

    kind: Literal["detections"]
    items: list[DetectionItemOut]
    next_cursor: str | None


class FoundTracksOut(Out):
    """Tracks."""

    kind: Literal["tracks"]
    items: list[TrackItemOut]
    next_cursor: str | None


class FoundAppearancesOut(Out):
    """Appearances."""

    kind: Literal["appearances"]
    items: list[AppearanceItemOut]
    next_cursor: str | None


class FoundPairsOut(Out):
    """Pairs."""

    kind: Literal["pairs"]
    items: list[PairItemOut]
    next_cursor: str | None


class FoundBucketsOut(Out):
    """Counts."""

    kind: Literal["buckets"]
    items: list[BucketItemOut]
    next_cursor: str | None


class FoundDwellsOut(Out):
    """Dwell times."""

    kind: Literal["dwells"]
    items: list[DwellItemOut]
    next_cursor: str | None


AnyFound = Annotated[
    FoundDetectionsOut | FoundTracksOut | FoundAppearancesOut | FoundPairsOut | FoundBucketsOut | FoundDwellsOut,
    Field(discriminator="kind"),
]
EXAMPLE: dict[str, Any] = {
    "kind": "tracks",
    "items": [
        {
            "video_id": "vid_01JD8GQ0M5X2R7T4V9W3Y6Z1AB",
            "job_id": "job_01JD8GQ0M5X2R7T4V9W3Y6Z1AB",
            "track_id": 7,
            "model": "nanodet-g",
            "label": "person",
            "timebase": "1/12800",
            "first_pts": 25600,
            "last_pts": 76800,
            "first_seconds": 2.0,
            "last_seconds": 6.0,
            "detections": 101,
            "score_max": 0.91,
            "crossings": [{"pts": 51200, "time_seconds": 4.0}],
        }
    ],
    "next_cursor": None,
}


class QueryPageOut(RootModel[AnyFound]):
    """A page of an answer. It may be short, or empty, and still have a cursor: go on until `next_cursor` is null."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})
