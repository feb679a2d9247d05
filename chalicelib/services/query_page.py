"""A page of an answer while it is filled, and what is known of the job that is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from chalicelib.domain.jobs import Job
from chalicelib.domain.query.ast import Condition
from chalicelib.domain.query.conditions import Bounds, Scene, Test, find_bounds, make_test, names_score, steps_of
from chalicelib.domain.query.found import Found
from chalicelib.domain.query.rows import SeenRow
from chalicelib.services.ports import Ports
from chalicelib.services.results import score_floors, video_of
from chalicelib.services.rows import RowFilter
from chalicelib.services.walk import BLOCKS_PER_PAGE

CHUNKS_PER_PAGE = 20
STEPS_PER_PAGE = 200_000
"""Whatever the blocks hold, and however long the query is, a page is a fraction of a second of CPU."""


@dataclass(slots=True)
class Filling:
    """What has been found for a page, and what may still be spent on it."""

    limit: int
    blocks_left: int = BLOCKS_PER_PAGE
    chunks_left: int = CHUNKS_PER_PAGE
    """Of the list of tracks."""
    steps_left: int = STEPS_PER_PAGE
    """Comparisons of tracks, or of detections of one frame, with each other; each row takes some too."""
    found: list[Found] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether nothing more fits."""
        return len(self.found) >= self.limit

    @property
    def is_spent(self) -> bool:
        """Whether nothing more should be begun."""
        return self.is_full or min(self.blocks_left, self.chunks_left, self.steps_left) <= 0

    def take(self, batch: Iterable[Found], skip: int) -> int | None:
        """Add what comes after the first `skip`; None when all of it fits, else how many were dealt with."""
        for number, one in enumerate(batch):
            if number < skip:
                continue
            if self.is_full:
                return number
            self.found.append(one)
        return None


@dataclass(frozen=True, slots=True)
class Asked:
    """A condition as it is put to a job."""

    test: Test
    bounds: Bounds
    rows: RowFilter
    row_steps: int
    """What one row takes of the steps of a page."""


class Source:
    """The job that is asked."""

    def __init__(self, ports: Ports, job: Job) -> None:
        self.ports = ports
        self.job = job
        self.video, self.timebase = video_of(ports, job)
        self.scene = Scene(self.timebase, tuple(ref.name for ref in job.models))

    def ask(self, where: Condition | None, *, is_of_tracks: bool = False) -> Asked:
        """The condition, within what the job asked for.

        Where it says nothing of the score, the default of `GET detections` holds; but a track is all that was tracked.
        """
        bounds = find_bounds(where, self.timebase)
        if names_score(where) or is_of_tracks:
            floors = tuple(bounds.score_floor for _ in self.job.models)
        else:
            floors = score_floors(self.ports, self.job, None)
        labels = frozenset(self.job.request.labels) or None
        if bounds.labels is not None:
            labels = bounds.labels if labels is None else labels & bounds.labels
        is_empty = labels is not None and not labels
        rows = RowFilter(
            models=tuple(
                index
                for index, name in enumerate(self.scene.models)
                if not is_empty and (bounds.models is None or name in bounds.models)
            ),
            score_floors=floors,
            labels=labels,
            from_pts=bounds.from_pts,
            to_pts=bounds.to_pts,
            track_ids=bounds.tracks,
        )
        return Asked(_with_filter(make_test(where, self.scene), rows), bounds, rows, steps_of(where))


def either(left: RowFilter, right: RowFilter) -> RowFilter:
    """Rows of two filters; none when one of them has none, since then there are no pairs."""
    if not left.models or not right.models:
        return replace(left, models=())
    is_bounded = left.from_pts is not None and right.from_pts is not None
    is_ended = left.to_pts is not None and right.to_pts is not None
    return RowFilter(
        models=tuple(sorted({*left.models, *right.models})),
        score_floors=tuple(map(min, left.score_floors, right.score_floors)),
        labels=None if left.labels is None or right.labels is None else left.labels | right.labels,
        from_pts=min(left.from_pts or 0, right.from_pts or 0) if is_bounded else None,
        to_pts=max(left.to_pts or 0, right.to_pts or 0) if is_ended else None,
        track_ids=None if left.track_ids is None or right.track_ids is None else left.track_ids | right.track_ids,
    )


def _with_filter(test: Test, rows: RowFilter) -> Test:
    """The test with the bounds that are not in the condition itself: the view of the job, and the default threshold."""
    floors, labels = rows.score_floors, rows.labels

    def passes(row: SeenRow) -> bool:
        return -row.minus_score >= floors[row.model_index] and (labels is None or row.label in labels) and test(row)

    return passes
