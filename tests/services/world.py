"""The service in memory, with the clients and workers that act on it: every step a plain call, in the test's order."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from chalicelib.contracts import object_keys
from chalicelib.contracts.cell_results import CellResult
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.recipes import current_analysis, recipe_of
from chalicelib.contracts.sample_table import pack_cells
from chalicelib.contracts.work_order import OrderKind, WorkOrder
from chalicelib.domain.errors import Failure
from chalicelib.domain.jobs import Job, JobRequest, JobState
from chalicelib.domain.reuse import Made, ModelReuse, ReuseReceipt
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.side_steps import SideStep, StepName
from chalicelib.domain.units import Unit, UnitKind, UnitState
from chalicelib.domain.videos import Video, VideoState
from chalicelib.services.advance import advance_job, advance_video
from chalicelib.services.dispatch import order_key, owner_of
from chalicelib.services.jobs import start_job
from chalicelib.services.ports import ChildState, Limits, Owner, Submission
from chalicelib.services.reconcile import EndedChild, reconcile, settle_child
from chalicelib.services.tickets import UploadTicket
from chalicelib.services.uploads import NewVideo, accept_upload, create_video
from tests.fakes.batch import FakeBatchJob
from tests.fakes.finish import write_finish
from tests.fakes.make import LIMITS, make_fakes
from tests.fakes.makers import TENANT, make_cells, make_index, make_manifest, make_media

UNIT_BY_ORDER = {
    OrderKind.PROBE: UnitKind.PROBE,
    OrderKind.ANALYZE: UnitKind.SEGMENT,
    OrderKind.FINISH: UnitKind.FINISH,
    OrderKind.TRACKS: UnitKind.TRACKS,
    OrderKind.EXPORT: UnitKind.EXPORT,
    OrderKind.RENDITION: UnitKind.RENDITION,
    OrderKind.ADMIT: UnitKind.ADMIT,
}
BODY = b"the bytes of a video"


class World:
    """A deployment with one tenant and one model."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.fakes = make_fakes(limits)
        self.ports = self.fakes.ports
        """What the service uses; a test may put faults between."""
        self.fakes.models.register(make_manifest())
        self.cells = 6
        """How many cells the next probe finds."""

    # --- clients -----------------------------------------------------------------------------------------------------

    def create(self, body: bytes = BODY, **said: Any) -> tuple[Video, UploadTicket]:
        """A video that awaits `body`, unless something else is `said`."""
        new = NewVideo(**{"filename": "street.mp4", "size_bytes": len(body), "content_type": "video/mp4", **said})
        return create_video(self.ports, TENANT, new)

    def uploaded(self, body: bytes = BODY) -> Video:
        """A video whose upload was accepted."""
        video, _ = self.create(body)
        self.fakes.objects.place(video.source.key, body)
        self.object_created(video)
        return self.video(video)

    def ready(self, cells: int = 6) -> Video:
        """A video that was probed."""
        self.cells = cells
        video = self.uploaded()
        self.run_worker(self.last_batch_job())
        return self.video(video)

    def running(self, cells: int = 6, **request: Any) -> Job:
        """A job whose segments wait for their workers: one for every cell."""
        return start_job(self.ports, self.ready(cells), make_request(**request))

    def done(self, cells: int = 6) -> Job:
        """A job that succeeded."""
        job = self.running(cells)
        self.drain()
        return self.job(job)

    # --- events ------------------------------------------------------------------------------------------------------

    def object_created(self, video: Video) -> None:
        """S3's event."""
        accept_upload(self.ports, video.source.bucket, video.source.key)

    def changed(self, thing: Video | Job) -> None:
        """The stream's event that the video or job, or a segment of it, moved on."""
        if isinstance(thing, Job):
            advance_job(self.ports, thing.tenant, thing.job_id)
        else:
            advance_video(self.ports, thing.tenant, thing.video_id)

    def child_ended(self, batch_job: FakeBatchJob, child: int = 0, exit_code: int | None = 0) -> None:
        """A child job ends, and Batch says so."""
        batch_job.children[child] = ChildState.ENDED
        self.tell_of_end(batch_job, child, exit_code)

    def tell_of_end(self, batch_job: FakeBatchJob, child: int = 0, exit_code: int | None = 0) -> None:
        """Batch's event."""
        submission = batch_job.submission
        ended = EndedChild(
            submission.owner, submission.submission_id, child, batch_job.child_id(child), exit_code, "Essential exited"
        )
        settle_child(self.ports, ended)

    def tick(self, seconds: float = LIMITS.reconcile_seconds) -> int:
        """Time passes, and the schedule reconciles; the number of owners looked at."""
        self.fakes.clock.advance(seconds)
        return reconcile(self.ports).looked_at

    # --- workers -----------------------------------------------------------------------------------------------------

    def last_batch_job(self) -> FakeBatchJob:
        """What Batch was told last."""
        return list(self.fakes.batch.jobs.values())[-1]

    def waiting(self) -> list[tuple[FakeBatchJob, int]]:
        """Children that have not started."""
        jobs = list(self.fakes.batch.jobs.values())
        return [(job, i) for job in jobs for i, state in enumerate(job.children) if state is ChildState.WAITING]

    def claim(self, batch_job: FakeBatchJob, child: int, index: int) -> str | None:
        """A worker claims one of its units; the fence."""
        batch_job.children[child] = ChildState.RUNNING
        submission = batch_job.submission
        return self.fakes.claims.claim(
            submission.owner,
            UNIT_BY_ORDER[submission.kind],
            submission.step.name if submission.step else index,
            claimed_by=batch_job.child_id(child),
            now=self.now().timestamp(),
            lease_seconds=self.ports.limits.lease_seconds,
        )

    def end_unit(self, submission: Submission, index: int, fence: str, failure: Failure | None = None) -> bool:
        """A worker ends its unit, with all that this writes; False when its claim was lost."""
        kind = UNIT_BY_ORDER[submission.kind]
        owner, state = submission.owner, UnitState.FAILED if failure else UnitState.DONE
        if submission.step is not None:
            return self._end_side_step(owner, submission.step, fence, failure)
        unit = self.fakes.ports.units.get(owner, kind, index)
        if unit is None or unit.is_terminal:
            return False
        if kind is UnitKind.FINISH and self._job_of(owner).state is not JobState.FINISHING:
            return False
        if not self.fakes.claims.end(owner, kind, index, fence, state, failure):
            return False
        if kind is UnitKind.PROBE:
            self._end_probe(owner, failure)
        elif kind is UnitKind.SEGMENT and failure is None:
            self._end_segment(owner, index)
        elif kind is UnitKind.FINISH and failure is None:
            self._end_job(owner)
        return True

    def run_worker(self, batch_job: FakeBatchJob, child: int = 0) -> None:
        """A child job that does all it was told, and ends; nobody hears of it."""
        for index in batch_job.submission.children[child]:
            fence = self.claim(batch_job, child, index)
            if fence is not None:
                self.end_unit(batch_job.submission, index, fence)
        batch_job.children[child] = ChildState.ENDED

    def drain(self, rounds: int = 60) -> None:
        """Run every worker, and the schedule, until nothing is due any more."""
        for _ in range(rounds):
            for batch_job, child in self.waiting():
                self.run_worker(batch_job, child)
            if not self.fakes.memory.due:
                return
            self.tick()
        raise AssertionError(
            f"still due after {rounds} rounds: {sorted(due.owner.name for due in self.fakes.memory.due)}"
        )

    # --- what is ----------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.fakes.clock.now()

    def video(self, video: Video) -> Video:
        """The video as it stands."""
        stored = self.fakes.ports.videos.get(video.tenant, video.video_id)
        assert stored is not None
        return stored

    def job(self, job: Job) -> Job:
        """The job as it stands."""
        return self._job_of(owner_of(job))

    def unit(self, job: Job, index: int) -> Unit:
        """The segment as it stands."""
        unit = self.fakes.ports.units.get(owner_of(job), UnitKind.SEGMENT, index)
        assert unit is not None
        return unit

    def committed(self, job: Job) -> list[int]:
        """Segments whose results can be read."""
        return [entry.segment for entry in self.fakes.ports.results.list_index(job.tenant, job.job_id, 0, 1000)]

    def _job_of(self, owner: Owner) -> Job:
        return self.fakes.memory.jobs[owner]

    def _end_side_step(self, owner: Owner, name: StepName, fence: str, failure: Failure | None) -> bool:
        step = self.fakes.ports.units.get_side_step(owner, name)
        # Its transaction depends on the video, or on the finish of the job, that it is about.
        if step is None or (failure is None and not self._is_still_there(owner, step)):
            return False
        state = UnitState.FAILED if failure else UnitState.DONE
        return self.fakes.claims.end(owner, name.kind, name.name, fence, state, failure)

    def _is_still_there(self, owner: Owner, step: SideStep) -> bool:
        if step.unit.kind is UnitKind.RENDITION:
            video = self.fakes.memory.videos.get(owner)
            return video is not None and video.state is VideoState.READY
        job = self.fakes.memory.jobs.get(owner)
        return job is not None and job.finished_at == step.job_finished_at

    def _end_probe(self, owner: Owner, failure: Failure | None) -> None:
        memory = self.fakes.memory
        video = memory.videos[owner]
        if failure is not None:
            changed = replace(video, state=VideoState.REJECTED, failure=failure, version=video.version + 1)
        else:
            key = object_keys.index_key(video.tenant, video.video_id, video.source.content_digest, "cells")
            self.fakes.ports.objects.put(key, pack_cells(make_cells(self.cells)))
            changed = replace(
                video, state=VideoState.READY, media=make_media(), index=make_index(key), version=video.version + 1
            )
        memory.videos[owner] = changed
        memory.set_due(owner, None)

    def _end_segment(self, owner: Owner, index: int) -> None:
        job = self._job_of(owner)
        self.fakes.results.write_index(owner.tenant, job.job_id, make_entry(index, models=len(job.models)))
        units = self.fakes.memory.units[owner]
        units[UnitKind.SEGMENT, index] = replace(units[UnitKind.SEGMENT, index], analyses=analyses_of(job))

    def _end_job(self, owner: Owner) -> None:
        memory = self.fakes.memory
        job = memory.jobs[owner]
        has_failed = self.fakes.ports.units.count(owner)[1] > 0
        committed = self.committed(job)
        write_finish(self.fakes.results, job, [50 * index for index in range(max(committed) + 1)], [], {})
        memory.jobs[owner] = replace(
            job,
            state=JobState.PARTIAL if has_failed else JobState.SUCCEEDED,
            summary={"segments": len(committed)},
            made=None if has_failed else self._made(owner, analyses_of(job)),
            reused=ReuseReceipt(tuple(ModelReuse(len(committed), 0, 50, 50) for _ in job.models)),
            finished_at=self.now(),
            version=job.version + 1,
        )
        memory.set_due(owner, None)

    def _made(self, owner: Owner, analyses: tuple[str, ...]) -> Made:
        submissions = self.fakes.ports.submissions.list(owner)
        finish = next(submission for submission in submissions if submission.kind is OrderKind.FINISH)
        order = WorkOrder.from_bytes(self.fakes.ports.objects.get(order_key(finish)))
        return Made(recipe_of(order, analyses), analyses)


def make_request(**changes: Any) -> JobRequest:
    """Every frame, one segment for every cell of two seconds."""
    fields: dict[str, Any] = {"models": ("toy",), "sampling": Sampling(), "segment_seconds": Fraction(2)}
    return JobRequest(**{**fields, **changes})


def make_entry(segment: int, *, models: int = 1) -> IndexEntry:
    """The commit of a segment in which nothing was found."""
    cells = (CellResult(segment, 50, 50, (), ()),)
    return IndexEntry(segment, segment * 2000, segment * 2000 + 2000, 50, (cells,) * models)


def analyses_of(job: Job) -> tuple[str, ...]:
    """What a worker on a CPU says that the blocks of the job's models are keyed by."""
    sampling = job.request.sampling.to_json()
    return tuple(
        current_analysis(model_sha256=ref.sha256, sampling=sampling, provider_class="cpu") for ref in job.models
    )


def sha256_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)
