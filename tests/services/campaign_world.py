"""The service in memory with an archive of analysed videos, the table's stream, and processes that can be killed.

Every event is handled by the real handlers. A kill takes the process before one of its calls of a port, so that all it
did before stands and nothing after happens; what was in its hands comes again, as the stream and the schedule bring it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import timedelta
from functools import partial
from typing import Any

from chalicelib import wiring
from chalicelib.api import events
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item, item_to_wire
from chalicelib.contracts.blocks import make_ref, pack_block
from chalicelib.contracts.campaign_items import campaign_to_item, run_to_item
from chalicelib.contracts.cell_results import CellResult
from chalicelib.contracts.event_patterns import META_CHANGES
from chalicelib.contracts.items import job_to_item, unit_to_item, video_to_item
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.domain.campaign_runs import Run, Target
from chalicelib.domain.campaigns import Campaign
from chalicelib.domain.errors import Failure
from chalicelib.domain.ids import VideoId
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.schedules import Once
from chalicelib.domain.units import UnitKind
from chalicelib.domain.videos import Video
from chalicelib.services.campaigns import create_campaign
from chalicelib.services.jobs import start_job
from chalicelib.services.pipelines import make_pipeline, resolve_pipeline
from chalicelib.services.ports import Limits, Owner, Ports, Submission
from chalicelib.services.reconcile import reconcile
from chalicelib.services.result_versions import find_version
from infra.local.patterns import matches
from tests.contracts.block_makers import make_block
from tests.fakes.campaign_makers import make_plan
from tests.fakes.make import LIMITS
from tests.fakes.makers import A_FAILURE, TENANT, TIMEBASE, make_manifest
from tests.services.world import UNIT_BY_ORDER, World, make_request

LABELS = ("dog", "person")
PLACES_BY_MODEL: dict[str, list[tuple[int, int]]] = {
    # What each model finds in a frame: the position of a label, and where it lies.
    "toy": [(1, 0), (1, 4000)],
    "finer": [(1, 0), (1, 4000), (0, 8000)],
    "worse": [(1, 2000)],
}
NOT_PORTS = ("limits", "bucket", "polled", "clock", "prices")


class Died(BaseException):
    """A process was killed."""


class CampaignWorld(World):
    """A deployment with three models, a pipeline of each, and videos that the first one analysed."""

    def __init__(self, videos: int = 0, limits: Limits = LIMITS) -> None:
        super().__init__(limits)
        for number, name in enumerate(PLACES_BY_MODEL):
            self.fakes.models.register(make_manifest(name, sha256=f"{number}" * 64))
        # Version 1 is by the first model, version 2 by the second, version 3 by the third.
        for name in PLACES_BY_MODEL:
            make_pipeline(self.ports, TENANT, "people", make_request(models=(name,)), by="a user")
        self.calls = 0
        """How often a process called a port."""
        self.kill_at: int | None = None
        self._seen: dict[tuple[Owner, str], Item] = {}
        self.failing: set[VideoId] = set()
        """Videos whose segments cannot be analysed any more."""
        self.videos = [self.analysed() for _ in range(videos)]
        self.settle()

    # --- clients -----------------------------------------------------------------------------------------------------

    def analysed(self, ref: str = "people@1") -> Video:
        """One more video, with current results of that pipeline."""
        self.cells = 1
        video = self.uploaded(f"bytes of video {len(self.fakes.memory.videos)}".encode())
        self.run_worker(self.last_batch_job())
        start_job(self.ports, self.video(video), resolve_pipeline(self.ports, TENANT, ref).job_request)
        self.settle()
        return self.video(video)

    def analysed_again(self, video: Video, ref: str) -> Job:
        """A client's job on it, which has ended."""
        job = start_job(self.ports, video, resolve_pipeline(self.ports, TENANT, ref).job_request)
        self.settle()
        return self.job(job)

    def campaign(self, **changes: Any) -> Campaign:
        """A campaign that was asked for just now; without a schedule of its own, for now."""
        plan = make_plan(**{"schedule": Once(self.now()), **changes})
        return create_campaign(self.ports, TENANT, plan, by="a user")

    # --- time and events ---------------------------------------------------------------------------------------------

    def settle(self, rounds: int = 400) -> None:
        """Bring every change to the stream's function and run every worker, until nothing is left; no time passes."""
        for _ in range(rounds):
            for batch_job, child in self.waiting():
                self.run_worker(batch_job, child)
            if not self.stream():
                return
        raise AssertionError(f"still changes after {rounds} rounds")

    def stream(self) -> bool:
        """Tell of everything that changed since the last time; whether anything had."""
        now = {place: item for place, item in self._items() if item != self._seen.get(place)}
        for place, item in now.items():
            old = self._seen.get(place)
            images = {"NewImage": item_to_wire(item)} | ({"OldImage": item_to_wire(old)} if old else {})
            record = {"eventName": "MODIFY" if old else "INSERT", "dynamodb": images}
            if any(matches(pattern, record) for pattern in META_CHANGES):
                self.process(partial(events.follow_changes, {"Records": [record]}))
            self._seen[place] = item
        return bool(now)

    def pass_time(self, seconds: float) -> None:
        """Time passes, the schedule is told, and everything that follows from it happens."""
        self.fakes.clock.advance(seconds)
        self.process(lambda: reconcile(wiring.get_ports()))
        self.settle()

    def finish(self, hours: int = 48) -> None:
        """Let time pass until nothing but a nominal time to come is due."""
        self.settle()
        for _ in range(hours * 60):
            due = [due for due, at in self.fakes.memory.due.items() if at <= self.now() + timedelta(minutes=6)]
            if not due:
                return
            self.pass_time(60)
        raise AssertionError(f"still due: {sorted(due.owner.name for due in self.fakes.memory.due)}")

    # --- processes ---------------------------------------------------------------------------------------------------

    def process(self, work: Callable[[], object]) -> None:
        """Do it in a process of its own; killed, it is begun again, as every event and schedule is."""
        while True:
            try:
                with wiring.using(self._counted()):
                    work()
            except Died:
                continue
            return

    @contextmanager
    def killed_at(self, call: int) -> Iterator[None]:
        """The process that makes this call of a port dies before it."""
        self.calls, self.kill_at = 0, call
        yield
        self.kill_at = None

    def _counted(self) -> Ports:
        names = [part.name for part in fields(Ports) if part.name not in NOT_PORTS]
        counted: dict[str, Any] = {name: _Counted(self, getattr(self.ports, name)) for name in names}
        return replace(self.ports, **counted)

    # --- workers -----------------------------------------------------------------------------------------------------

    def end_unit(self, submission: Submission, index: int, fence: str, failure: Failure | None = None) -> bool:
        job = self.fakes.memory.jobs.get(submission.owner)
        is_segment = UNIT_BY_ORDER[submission.kind] is UnitKind.SEGMENT
        if is_segment and job is not None and job.video_id in self.failing:
            failure = A_FAILURE
        ended = super().end_unit(submission, index, fence, failure)
        if ended and is_segment and failure is None and job is not None:
            self._write_results(job, index)
        return ended

    def _write_results(self, job: Job, index: int) -> None:
        """One frame of the segment, with what the job's model finds in it."""
        rows = [(label, 9000, x, 0, x + 400, 400) for label, x in PLACES_BY_MODEL[job.models[0].name]]
        block = make_block(TIMEBASE, LABELS, [(index * 2000, 0, 0, 0, rows)])
        packed = pack_block(block)
        ref = make_ref(block, packed, f"{job.models[0].name}#{index}")
        video = self.fakes.memory.videos[Owner(job.tenant, job.video_id)]
        self.fakes.results.write_block(job.tenant, video.source.content_digest, ref.sk, packed)
        cells = ((CellResult(index, 1, 1, (), (ref,)),),)
        entry = IndexEntry(index, index * 2000, index * 2000 + 2000, 1, cells)
        self.fakes.results.write_index(job.tenant, job.job_id, entry)

    # --- what is -----------------------------------------------------------------------------------------------------

    def runs(self, campaign: Campaign) -> list[Run]:
        """Its runs, by nominal time."""
        return list(self.fakes.ports.campaigns.list_runs(campaign, None, 1000))[::-1]

    def targets(self, run: Run) -> list[Target]:
        """Its videos, the newest first."""
        return list(self.fakes.ports.campaigns.list_targets(run.tenant, run.run_id, None, 1000))

    def jobs_of(self, video: Video) -> list[Job]:
        """All of a video, in the order in which they were made."""
        return list(self.fakes.ports.jobs.list_for_video(TENANT, video.video_id, None, 1000))[::-1]

    def latest(self, video: Video) -> Job:
        """Its current results."""
        found = find_version(self.fakes.ports, video, "people")
        assert found is not None
        return found

    def latest_versions(self) -> list[int]:
        """Of the pipeline, by video."""
        refs = [self.latest(video).pipeline for video in self.videos]
        return [ref.version for ref in refs if ref is not None]

    def analysed_once(self) -> bool:
        """Whether no version of a pipeline was run twice on a video, and no job is left open."""
        for video in self.fakes.memory.videos.values():
            jobs = self.jobs_of(video)
            made = [job.pipeline for job in jobs if job.state is not JobState.CANCELLED]
            if len(set(made)) != len(made) or any(not job.is_terminal for job in jobs):
                return False
        return True

    def _items(self) -> Iterator[tuple[tuple[Owner, str], Item]]:
        memory = self.fakes.memory
        for owner, video in list(memory.videos.items()):
            yield (owner, "VIDEO"), video_to_item(video, None)
        for owner, job in list(memory.jobs.items()):
            yield (owner, "JOB"), job_to_item(job, None)
            pk = table_keys.partition(owner.tenant, owner.name)
            for index, segment in memory.segments.get(owner, {}).items():
                sk, unit = table_keys.segment(index), memory.units[owner][UnitKind.SEGMENT, index]
                yield (owner, sk), unit_to_item(pk, sk, unit, segment)
        for owner, campaign in list(memory.campaigns.items()):
            yield (owner, "CAMPAIGN"), campaign_to_item(campaign, None)
        for owner, run in list(memory.runs.items()):
            yield (owner, "RUN"), run_to_item(run, None)


class _Counted:
    """A port whose calls are counted, and one of which may be the last of its process."""

    def __init__(self, world: CampaignWorld, port: Any) -> None:
        self._world = world
        self._port = port

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)
        if not callable(call):
            return call

        def counted(*arguments: Any, **named: Any) -> Any:
            self._world.calls += 1
            if self._world.calls == self._world.kill_at:
                raise Died
            return call(*arguments, **named)

        return counted
