"""A job that is just like one that has finished, or shows less, takes its results over, without any worker.

What lies in the older job's partition is written to the newer one's: first what nobody looks at before a root or an
entry of the index names it, then the segments, each committed with its entry, and at last, in one transaction, the
roots and the end of the job. Every write depends on the job being as it was read, so that nothing is added to one that
was cancelled or deleted; done again after a crash, it writes the same. Until its end the job has no plan, and readers
see nothing of it.

The older job may be deleted meanwhile. Who deletes it first says that its results may not be taken over any more
(`forbid_take_over`), then drops them, then lets go of the blocks. So when the last write finds the job unforbidden,
everything was read before anything was dropped, and the reference to the blocks, which was added before, is seen by
whoever would drop those. Otherwise workers do what is left: a segment that was taken over is committed like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aws_lambda_powertools import Logger

from chalicelib.contracts.attribute_values import Item
from chalicelib.domain.jobs import Job, PlanFacts
from chalicelib.domain.reuse import Made, ReuseReceipt
from chalicelib.domain.segments import Segment
from chalicelib.domain.units import NO_SUBMISSION, Lane, Unit, UnitKind, UnitState
from chalicelib.domain.videos import Video
from chalicelib.services.dispatch import manifests_of, owner_of, provider_class_of
from chalicelib.services.lanes import choose_analysis_lane
from chalicelib.services.narrowing import narrow_results
from chalicelib.services.ports import Ports, VersionConflict
from chalicelib.services.reuse import Reuse
from chalicelib.services.take_over_port import StoredResults, TakenSegment

logger = Logger(service="reelscan", child=True)

MAX_ITEMS = 3000
MAX_BYTES = 4 << 20
"""A day of video at a million detections. More takes longer than a request may: a partition takes 1,000 write units a
second, and a transaction two for each KB. Source: DynamoDB's limits."""
ITEMS_PER_WRITE = 90
BYTES_PER_WRITE = 2 << 20
"""Source: 100 items and 4 MB in a DynamoDB transaction; the roots and the job come to the last one."""
KEY_BYTES = 500
"""More than the keys and small attributes of an item."""


@dataclass(slots=True)
class _Write:
    """What is written at once."""

    items: list[Item] = field(default_factory=list)
    segments: list[TakenSegment] = field(default_factory=list)
    size_bytes: int = 0

    def has_room(self, items: int, size_bytes: int) -> bool:
        count = len(self.items) + 2 * len(self.segments) + items
        return count <= ITEMS_PER_WRITE and self.size_bytes + size_bytes <= BYTES_PER_WRITE


def take_over(
    ports: Ports, job: Job, video: Video, segments: Sequence[Segment], plan: PlanFacts, reuse: Reuse
) -> Job | None:
    """The job as it ended, with all results of one that was just like it; None: workers must do it.

    Raises:
        VersionConflict: somebody else moved the job on.
    """
    source = reuse.source_job
    if source is None or source.reused is None or source.made is None or len(segments) > MAX_ITEMS:
        return None
    # Before the last look at the older job: see above.
    ports.results.add_reference(job.tenant, video.source.content_digest, video.video_id)
    stored = ports.take_overs.read_results(source, max_items=MAX_ITEMS, max_bytes=MAX_BYTES)
    if stored is None or len(stored.entry_by_segment) != len(segments):
        logger.info("results are not taken over", job_id=job.job_id, source=source.job_id, is_too_much=stored is None)
        return None
    summary = source.summary or {}
    if reuse.wider_job is not None:
        narrowed = narrow_results(ports, job, source, video, manifests_of(ports, job), stored)
        if narrowed is None:
            return None
        stored, summary = narrowed
    units = {segment.index: unit for segment, unit in ports.units.list_segments(owner_of(job), -1, len(segments))}
    if any(unit.state is not UnitState.DONE for unit in units.values()):
        # Whoever looked before found nothing to take over.
        return None
    lane = choose_analysis_lane(ports, video, job.request.sampling, manifests_of(ports, job))
    left = [segment for segment in segments if segment.index not in units]
    *first, last = _cut(stored, [_taken(source, lane, stored, segment) for segment in left])
    for write in first:
        if not ports.take_overs.write(job, write.items, write.segments):
            _check_written(ports, job, write)
    made = Made(reuse.recipe, source.made.analyses)
    ended = _ended(ports, job, source, plan, summary=summary, made=made)
    if not ports.take_overs.finish(ended, source, [*last.items, *stored.roots], last.segments):
        _check_unchanged(ports, job)
        logger.info("results are not taken over", job_id=job.job_id, source=source.job_id, is_gone=True)
        return None
    logger.info("results taken over", job_id=job.job_id, source=source.job_id, segments=len(segments))
    return replace(ended, version=job.version + 1)


def forbid_take_over(ports: Ports, job: Job) -> None:
    """From now on nobody takes the results of this job over: they are about to be dropped."""
    stored: Job | None = job
    while stored is not None and stored.made is not None:
        try:
            ports.jobs.save(replace(stored, made=None), None)
        except VersionConflict:
            stored = ports.jobs.get(job.tenant, job.job_id)
            continue
        return


def _ended(ports: Ports, job: Job, source: Job, plan: PlanFacts, *, summary: Mapping[str, object], made: Made) -> Job:
    """The job with everything that the finish of the older one found."""
    receipt = source.reused or ReuseReceipt(())
    by_model = tuple(replace(one, cells_reused=one.cells, frames_inferred=0) for one in receipt.by_model)
    return replace(
        job,
        state=source.state,
        plan=plan,
        finished_at=ports.clock.now(),
        summary={**summary, "frames_inferred": 0},
        missing=source.missing,
        failure=source.failure,
        made=made,
        reused=ReuseReceipt(by_model, source.job_id),
    )


def _taken(source: Job, lane: Lane, stored: StoredResults, segment: Segment) -> TakenSegment:
    entry = stored.entry_by_segment[segment.index]
    unit = Unit(
        UnitKind.SEGMENT,
        segment.index,
        UnitState.DONE,
        submission=NO_SUBMISSION,
        lane=lane,
        provider=provider_class_of(lane),
        analyses=source.made.analyses if source.made else (),
    )
    cells = segment.end_cell - segment.first_cell
    facts = {
        "frames_shown": entry["frames_shown"],
        "frames_inferred": 0,
        "reuse": [[cells, 0] for _ in source.models],
    }
    return TakenSegment(segment, unit, facts, entry)


def _cut(stored: StoredResults, segments: Sequence[TakenSegment]) -> list[_Write]:
    """In order, at least one: items that nothing names yet, then segments with their entries."""
    writes = [_Write()]
    for item, taken in _parcels(stored, segments):
        size_bytes = KEY_BYTES + len(item.get("body", b""))
        if not writes[-1].has_room(2 if taken else 1, size_bytes):
            writes.append(_Write())
        write = writes[-1]
        write.size_bytes += size_bytes
        if taken is None:
            write.items.append(item)
        else:
            write.segments.append(taken)
    return writes


def _parcels(stored: StoredResults, segments: Sequence[TakenSegment]) -> Iterator[tuple[Item, TakenSegment | None]]:
    yield from ((item, None) for item in stored.others)
    yield from ((taken.entry, taken) for taken in segments)


def _check_written(ports: Ports, job: Job, write: _Write) -> None:
    """Go on if it was written all the same: by us, whose answer was lost, or by somebody who does what we do."""
    _check_unchanged(ports, job)
    for taken in write.segments:
        unit = ports.units.get(owner_of(job), UnitKind.SEGMENT, taken.segment.index)
        if unit is None or unit.state is not UnitState.DONE:
            raise VersionConflict(f"segment {taken.segment.index} of job {job.job_id} was planned by somebody else")


def _check_unchanged(ports: Ports, job: Job) -> None:
    current = ports.jobs.get(job.tenant, job.job_id)
    if current is None or current.version != job.version:
        raise VersionConflict(f"job {job.job_id} was changed by somebody else")
