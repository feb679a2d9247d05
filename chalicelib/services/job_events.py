"""The outbox of a job: what happened is recorded once, in one order, and told to subscribers afterwards.

The stream's function records (`record_state`, `record_commit`) and so gives each event its `seq`; the event's own
record in the stream is what publishes it. A subscriber that missed something reads on from its last `seq`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from fractions import Fraction

from aws_lambda_powertools import Logger

from chalicelib.contracts.blocks import SCORE_UNITS
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.domain.errors import Failure
from chalicelib.domain.events import (
    STATE_PREFIX,
    CommittedRange,
    JobEvent,
    JobEventKind,
    LabelCount,
    commit_origin,
    state_of_origin,
    state_origin,
)
from chalicelib.domain.jobs import TERMINAL_JOB_STATES, Job, JobState
from chalicelib.domain.segments import Segment
from chalicelib.domain.units import UnitState
from chalicelib.services.dispatch import owner_of
from chalicelib.services.ports import Ports

logger = Logger(service="reelscan", child=True)

COMMIT_DAYS = 30
"""How long the events of commits are kept. Those of the job's states stay as long as the job: the last of them keeps
`seq` from starting again."""
MAX_LABELS = 200
"""Of one event, the most frequent first: far below the 240 KB that AppSync publishes."""
SEGMENTS_PER_READ = 200


def record_state(ports: Ports, job: Job, *, version: int, state: JobState, failure: Failure | None) -> None:
    """Record that version `version` of the job has this state.

    Before the end of a job, whatever commit was not told of is recorded: who sees the end has seen everything.
    """
    if state in TERMINAL_JOB_STATES:
        record_missed_commits(ports, job)
    event = JobEvent(
        tenant=job.tenant,
        job_id=job.job_id,
        video_id=job.video_id,
        origin=state_origin(version, state),
        kind=JobEventKind.JOB_STATE_CHANGED,
        created_at=ports.clock.now(),
        state=state,
        failure=failure,
    )
    ports.events.append(event, expires_at=None)


def record_commit(ports: Ports, job: Job, segment: Segment) -> None:
    """Record that the results of `segment` can be read; what was dropped since has no event."""
    if job.plan is None:
        # It is being taken over, and cannot be read yet: `record_missed_commits` tells of it at the job's end.
        return
    entry = next(iter(ports.results.list_index(job.tenant, job.job_id, segment.index, 1)), None)
    video = ports.videos.get(job.tenant, job.video_id)
    if entry is None or entry.segment != segment.index or video is None or video.media is None:
        logger.info("commit without results", job_id=job.job_id, segment_index=segment.index)
        return
    now = ports.clock.now()
    event = JobEvent(
        tenant=job.tenant,
        job_id=job.job_id,
        video_id=job.video_id,
        origin=commit_origin(segment.index),
        kind=JobEventKind.SEGMENT_COMMITTED,
        created_at=now,
        committed=_range(segment, video.media.timebase, count_labels(entry)),
    )
    ports.events.append(event, expires_at=now + timedelta(days=COMMIT_DAYS))


def record_missed_commits(ports: Ports, job: Job) -> None:
    """Record every commit that no event tells of: the stream gave it up, or brings it later."""
    owner = owner_of(job)
    known = set(ports.events.list_origins(owner, commit_origin(0)[:4]))
    after = -1
    while page := ports.units.list_segments(owner, after, SEGMENTS_PER_READ):
        for segment, unit in page:
            if unit.state is UnitState.DONE and commit_origin(segment.index) not in known:
                record_commit(ports, job, segment)
        after = page[-1][0].index


def list_events(ports: Ports, job: Job, after: int, limit: int) -> Sequence[JobEvent]:
    """Events of the job after the one with `seq` = `after`, in order.

    A job that has ended says so in its last event, even if the stream never told of it: then it is recorded now.
    """
    owner = owner_of(job)
    events = ports.events.list(owner, after, limit)
    if len(events) < limit and job.is_terminal and not _has_end(ports, job, events):
        record_state(ports, job, version=job.version, state=job.state, failure=job.failure)
        events = ports.events.list(owner, after, limit)
    return events


def count_labels(entry: IndexEntry) -> tuple[LabelCount, ...]:
    """What a commit stored, by label, most detections first."""
    rows: dict[str, int] = {}
    best: dict[str, int] = {}
    for ref in (ref for cells in entry.cells_by_model for cell in cells for ref in cell.blocks):
        for label, (count, score) in ref.labels.items():
            rows[label] = rows.get(label, 0) + count
            best[label] = max(best.get(label, 0), score)
    counts = (LabelCount(label, count, best[label] / SCORE_UNITS) for label, count in rows.items())
    return tuple(_most_frequent(counts))


def _most_frequent(counts: Iterable[LabelCount]) -> Sequence[LabelCount]:
    return sorted(counts, key=lambda count: (-count.detections, count.label))[:MAX_LABELS]


def _has_end(ports: Ports, job: Job, events: Sequence[JobEvent]) -> bool:
    """Whether the last state that is recorded is the job's; `events` are the newest.

    Its version says nothing: one more version of the tracks that is made current raises it, and ends nothing.
    """
    states = [event.state for event in events if event.state is not None]
    if states:
        return states[-1] is job.state
    # Nothing came after what the reader has seen, or it asks for what comes after the end.
    origins = ports.events.list_origins(owner_of(job), STATE_PREFIX)
    return bool(origins) and state_of_origin(origins[-1]) is job.state


def _range(segment: Segment, timebase: Fraction, labels: tuple[LabelCount, ...]) -> CommittedRange:
    return CommittedRange(
        segment.index,
        segment.start_pts,
        segment.end_pts,
        float(segment.start_pts * timebase),
        float(segment.end_pts * timebase),
        labels,
    )
