"""Two jobs of one video beside each other: the sums of what was matched, added, removed and moved.

The law is in `domain/diff.py` and `domain/box_matching.py`. A call reads a bounded number of blocks; when its budget
ends it, its sums are of a part of the video, and a cursor says where to go on: the sums of all calls add up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import ceil
from typing import Any

from chalicelib.contracts.blocks import Block
from chalicelib.domain.box_matching import MatchRules
from chalicelib.domain.diff import Diff, Timeline
from chalicelib.domain.diff_tally import DiffTally
from chalicelib.domain.errors import Conflict, InvalidRequest
from chalicelib.domain.jobs import Job
from chalicelib.domain.media import Pts
from chalicelib.domain.videos import Video
from chalicelib.services.cursors import make_cursor, read_cursor
from chalicelib.services.diff_pieces import A, B, Piece, Scope, SettledFrames, Side
from chalicelib.services.diff_walk import Counted, DiffWalk, Event, Frame, Missing
from chalicelib.services.ports import Ports
from chalicelib.services.results import score_floors, score_units, video_of
from chalicelib.services.walk import BLOCKS_PER_PAGE

RANGES = 60
"""Of the timeline, when nobody says."""


@dataclass(frozen=True, slots=True)
class DiffQuery:
    """How two jobs are compared."""

    label: str | None = None
    """None: every label that neither job was told to leave out."""
    model_a: str | None = None
    """None: all models of the job together."""
    model_b: str | None = None
    score_min: float | None = None
    """For both jobs; None: each job's own, else each model's default threshold."""
    iou_min: float = 0.5
    moved_below: float = 0.8

    @property
    def rules(self) -> MatchRules:
        """The bounds, in whole units."""
        return MatchRules(score_units(self.iou_min), score_units(self.moved_below))


def diff_jobs(
    ports: Ports,
    a: Job,
    b: Job,
    cursor: str | None = None,
    *,
    query: DiffQuery = DiffQuery(),
    ranges: int = RANGES,
    blocks_budget: int = BLOCKS_PER_PAGE,
) -> tuple[Diff, str | None]:
    """The diff of what this call got through, and the cursor to go on with; None when it came to the end.

    Add the diffs of all calls. `ranges` is how many equal parts the video's length is cut into for the sums over time.

    Raises:
        Conflict: a job has no results yet, or the jobs are not of the same content.
        InvalidRequest: a model that a job does not have; a cursor that is not of this diff.
        NotFound: a video, a model or blocks of a job are gone.
    """
    scope, digest = find_scope(ports, a, b, query, ranges)
    key, name = ports.limits.cursor_key, f"diff|{a.job_id}|{b.job_id}|{query!r}|{ranges}"
    position = read_cursor(key, a.tenant, name, cursor) if cursor else None
    walk = DiffWalk(ports, scope, digest, blocks_budget=blocks_budget)
    tally = DiffTally(scope.timeline, query.rules)
    for event in walk.events(position):
        walk.steps_left -= _add(tally, event, scope)
    return tally.to_diff(), make_cursor(key, a.tenant, name, walk.position) if walk.is_exhausted else None


def find_scope(
    ports: Ports, a: Job, b: Job, query: DiffQuery, ranges: int, sides: frozenset[int] | None = None
) -> tuple[Scope, str]:
    """What is compared, after checking that it can be, and the digest of the content that both jobs are of.

    `sides` is set when changes are listed: those whose lone detections are asked for.
    """
    for job in (a, b):
        if job.plan is None:
            raise Conflict(
                f"job {job.job_id} has no results to compare: it is {job.state}", hint="Wait until both jobs have ended"
            )
    (video, timebase), (other, other_timebase) = video_of(ports, a), video_of(ports, b)
    digest = video.source.content_digest
    if a.tenant != b.tenant or not digest or digest != other.source.content_digest or timebase != other_timebase:
        raise Conflict(
            f"jobs must be of the same content but {a.job_id} is of video {a.video_id} and {b.job_id} of {b.video_id}",
            hint="Compare two jobs of one video, or of two uploads of the same file",
        )
    shown = [frozenset(job.request.labels) for job in (a, b) if job.request.labels]
    asked = [*shown, *([frozenset({query.label})] if query.label is not None else [])]
    scope = Scope(
        (_side(ports, a, query.model_a, query), _side(ports, b, query.model_b, query)),
        _timeline(video, timebase, ranges),
        frozenset.intersection(*asked) if asked else None,
        sides,
    )
    return scope, digest


def _side(ports: Ports, job: Job, model: str | None, query: DiffQuery) -> Side:
    models = tuple(index for index, ref in enumerate(job.models) if model in (None, ref.name))
    if not models:
        known = ", ".join(ref.name for ref in job.models)
        raise InvalidRequest(
            f"job {job.job_id} has no model {model!r}; it has: {known}", hint="GET /jobs/{job_id} lists its models"
        )
    return Side(job, models, score_floors(ports, job, query.score_min))


def _timeline(video: Video, timebase: Fraction, ranges: int) -> Timeline:
    if video.index is not None:
        start, end = video.index.start_pts, video.index.end_pts
    else:
        start, end = 0, ceil(video.media.duration_seconds / timebase) if video.media else 0
    end = max(end, start + 1)
    return Timeline(start, end, timebase, min(ranges, end - start))


def _add(tally: DiffTally, event: Event, scope: Scope) -> int:
    """Add what happened; how many comparisons it took."""
    match event:
        case Frame(pts, _, a, b, is_settled):
            if not is_settled:
                tally.frames_both += a is not None and b is not None
                tally.frames_only_a += b is None
                tally.frames_only_b += a is None
            return tally.compare(pts, a, b) if a is not None and b is not None else 1
        case Counted(pts, piece, block):
            owners = {"in_a": piece.models[A] is not None, "in_b": piece.models[B] is not None}
            if block is None:
                for label, number in (piece.known or {}).items():
                    tally.count(pts, label, number, **owners)
            else:
                for (first_pts, label), number in _count_rows(piece, block, scope).items():
                    tally.count(first_pts, label, number, **owners)
        case SettledFrames(_, frames):
            tally.frames_both += frames
        case Missing(pts, end_pts, in_a, in_b):
            tally.miss(pts, end_pts, in_a=in_a, in_b=in_b)
    return 0


def _count_rows(piece: Piece, block: Block, scope: Scope) -> Counter[tuple[Pts, str]]:
    """Of a block that is counted: its detections by label, and by a PTS of the range that they are in."""
    counts: Counter[tuple[Pts, str]] = Counter()
    names: list[Any] = [name if scope.labels is None or name in scope.labels else None for name in block.labels]
    first_rows = [0, *accumulate(block.counts)]
    floor = piece.floor
    first = 0
    while first < len(block.pts):
        pts = block.pts[first]
        number = scope.timeline.range_of(pts)
        end = first + 1
        while end < len(block.pts) and scope.timeline.range_of(block.pts[end]) == number:
            end += 1
        rows = slice(first_rows[first], first_rows[end])
        found = zip(block.row_labels[rows], block.row_scores[rows], strict=True)
        for label, count in Counter(label for label, score in found if score >= floor).items():
            if names[label] is not None:
                counts[pts, names[label]] += count
        first = end
    return counts
