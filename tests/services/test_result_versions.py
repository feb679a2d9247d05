"""Which job an alias names: by ends of jobs, told by the stream or not, and by whoever promotes and rolls back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.errors import Conflict, DependencyFailed, InvalidRequest, LimitExceeded, NotFound
from chalicelib.domain.ids import JobId, TenantId, VideoId
from chalicelib.domain.jobs import Job, JobState, PipelineRef
from chalicelib.domain.result_versions import LATEST, ResultVersion
from chalicelib.domain.videos import Video
from chalicelib.services.advance import conclude_job
from chalicelib.services.budgets import SETTLE_SECONDS, get_budget
from chalicelib.services.jobs import retry_job, start_job
from chalicelib.services.pipelines import make_pipeline
from chalicelib.services.ports import VersionConflict
from chalicelib.services.result_versions import (
    JOBS_LOOKED_AT,
    MAX_ALIASES,
    find_newest_latest,
    find_version,
    get_version,
    list_versions,
    promote,
    roll_back,
)
from chalicelib.services.version_moves import follow_end
from chalicelib.services.videos import delete_video, get_video
from tests.fakes.makers import TENANT, make_job
from tests.fakes.versions import FakeResultVersionStore
from tests.services.failures import finishing, partial
from tests.services.test_job_events import Stream, deliver, run_undisturbed
from tests.services.world import World, make_request

WHY: dict[str, Any] = {"cause": "it is better", "by": "somebody"}


def ended(world: World, video: Video, state: JobState = JobState.SUCCEEDED, **request: Any) -> Job:
    """A job of the video that ended, and of which nobody was told."""
    job_id = JobId(world.ports.ids.make("job"))
    job = make_job(job_id=job_id, video_id=video.video_id, state=state, request=make_request(**request))
    world.ports.jobs.add(job, None)
    return job


def named(world: World, video: Video, alias: str = LATEST, pipeline: str = "default") -> JobId | None:
    found = find_version(world.ports, video, pipeline, alias)
    return found.job_id if found else None


def stored(world: World, video: Video, alias: str = LATEST) -> ResultVersion:
    found = world.ports.versions.get(TENANT, video.video_id, "default", alias)
    assert found is not None
    return found


def test_the_latest_is_the_job_that_ended_last_told() -> None:
    world = World()
    video = world.ready(2)
    jobs = [ended(world, video) for _ in range(2)]
    for job in jobs:
        follow_end(world.ports, job)
    assert [move.to_job for move in stored(world, video).moves] == [job.job_id for job in jobs]
    assert named(world, video) == jobs[1].job_id


def test_the_stream_tells_of_an_end_and_may_tell_it_again() -> None:
    world = World()
    video = world.ready(2)
    job = start_job(world.ports, video, make_request())
    run_undisturbed(world, job)
    assert [(move.from_job, move.to_job) for move in stored(world, video).moves] == [(None, job.job_id)]
    second = ended(world, video)
    for record in Stream(world).read():
        deliver(world.ports, record)
    assert [move.to_job for move in stored(world, video).moves] == [job.job_id, second.job_id]


class Down(FakeResultVersionStore):
    """No alias can be moved."""

    def save(self, version: ResultVersion) -> ResultVersion:
        raise DependencyFailed("told to fail")


def test_an_end_that_could_not_be_followed_is_told_again() -> None:
    """The stream's function must fail, or nobody would bring the record once more."""
    world = World()
    video = world.ready(2)
    ended(world, video)

    records = Stream(world).read()
    down = replace(world.ports, versions=Down(world.fakes.memory))
    assert not all(deliver(down, record) for record in records)


def test_an_older_job_that_ends_late_does_not_move_it_back() -> None:
    world = World()
    video = world.ready(2)
    older, newer = ended(world, video), ended(world, video)
    follow_end(world.ports, newer)
    follow_end(world.ports, older)
    assert named(world, video) == newer.job_id


def test_an_end_that_the_stream_lost_is_found_by_whoever_asks() -> None:
    world = World()
    video = world.ready(2)
    assert named(world, video) is None
    first = ended(world, video)
    assert named(world, video) == first.job_id
    second = ended(world, video)
    assert [version.job_id for version in list_versions(world.ports, video, None, None, 9)] == [second.job_id]
    assert [move.to_job for move in stored(world, video).moves] == [first.job_id, second.job_id]


def test_an_older_job_whose_end_was_lost_takes_the_place_of_a_partial_one() -> None:
    world = World()
    video = world.ready(2)
    whole, part = ended(world, video), ended(world, video, JobState.PARTIAL)
    follow_end(world.ports, part)
    assert named(world, video) == whole.job_id


def test_a_job_that_runs_or_failed_leaves_the_latest_where_it_is() -> None:
    world = World()
    video = world.ready(2)
    first = ended(world, video)
    follow_end(world.ports, ended(world, video, JobState.FAILED))
    # Another analysis, or it would be over at once.
    assert start_job(world.ports, video, make_request(score_min=0.9)).state is JobState.RUNNING
    assert named(world, video) == first.job_id


def test_a_canary_is_nobodys_latest_until_it_is_promoted() -> None:
    world = World()
    video = world.ready(2)
    first, canary = ended(world, video), ended(world, video, promote=False)
    follow_end(world.ports, canary)
    assert named(world, video) == first.job_id
    promote(world.ports, video, canary, **WHY)
    assert named(world, video) == canary.job_id


def test_each_pipeline_has_a_latest_of_its_own() -> None:
    world = World()
    video = world.ready(2)
    pipeline = make_pipeline(world.ports, TENANT, "people", make_request(), by="somebody")
    plain = ended(world, video)
    job = start_job(world.ports, video, pipeline.job_request)
    world.drain()
    assert (named(world, video), named(world, video, pipeline="people")) == (plain.job_id, job.job_id)
    listed = [(one.pipeline_name, one.alias) for one in list_versions(world.ports, video, None, None, 9)]
    assert listed == [("default", "latest"), ("people", "latest")]


def newest(world: World, video: Video) -> JobId | None:
    found = find_newest_latest(world.ports, video)
    return found.job_id if found else None


def test_the_newest_latest_is_of_whatever_pipeline_and_never_a_canary() -> None:
    world = World()
    video = world.ready(2)
    assert newest(world, video) is None
    plain = ended(world, video)
    ended(world, video, promote=False)
    assert newest(world, video) == plain.job_id
    people = ended(world, video, pipeline=PipelineRef("people", 1))
    assert newest(world, video) == people.job_id
    second = ended(world, video)
    assert newest(world, video) == second.job_id
    roll_back(world.ports, video, "default", **WHY)
    assert newest(world, video) == people.job_id


def test_the_newest_latest_of_a_video_whose_jobs_are_just_deleted_is_none() -> None:
    world = World()
    video = world.ready(2)
    job = ended(world, video)
    assert newest(world, video) == job.job_id
    world.ports.jobs.delete(job)
    assert newest(world, video) is None


def test_a_partial_job_that_is_retried_stays_the_latest() -> None:
    world = World()
    job = partial(world, failed=[1], cells=4)
    video = get_video(world.ports, TENANT, job.video_id)
    assert named(world, video) == job.job_id
    retry_job(world.ports, world.job(job))
    assert named(world, video) == job.job_id
    world.drain()
    assert world.job(job).state is JobState.SUCCEEDED
    assert named(world, video) == job.job_id
    assert len(stored(world, video).moves) == 1


def test_a_roll_back_stays_when_the_end_is_told_again_or_looked_for() -> None:
    world = World()
    video = world.ready(2)
    first, second = ended(world, video), ended(world, video)
    assert named(world, video) == second.job_id
    roll_back(world.ports, video, "default", **WHY)
    follow_end(world.ports, second)
    assert named(world, video) == first.job_id
    third = ended(world, video)
    assert named(world, video) == third.job_id


def test_a_roll_back_sees_the_end_that_the_stream_lost() -> None:
    world = World()
    video = world.ready(2)
    first = ended(world, video)
    follow_end(world.ports, first)
    ended(world, video)
    assert roll_back(world.ports, video, "default", **WHY).job_id == first.job_id


def test_an_alias_stays_where_it_was_put() -> None:
    world = World()
    video = world.ready(2)
    first = ended(world, video)
    promote(world.ports, video, first, alias="prod", **WHY)
    second = ended(world, video)
    follow_end(world.ports, second)
    assert (named(world, video, "prod"), named(world, video)) == (first.job_id, second.job_id)
    promote(world.ports, video, second, alias="prod", **WHY)
    assert roll_back(world.ports, video, "default", alias="prod", **WHY).job_id == first.job_id


class Contended(FakeResultVersionStore):
    """Somebody else moves the alias between each read and write, `others` times."""

    def __init__(self, world: World, others: list[Job]) -> None:
        super().__init__(world.fakes.memory)
        self._others, self._world = others, world

    def save(self, version: ResultVersion) -> ResultVersion:
        if self._others:
            job = self._others.pop()
            video = get_video(self._world.fakes.ports, TENANT, job.video_id)
            promote(self._world.fakes.ports, video, job, alias=version.alias, cause="first", by="another")
        return super().save(version)


def test_who_loses_a_race_decides_again_from_what_the_winner_left() -> None:
    world = World()
    video = world.ready(2)
    first, second = ended(world, video), ended(world, video)
    world.ports = replace(world.ports, versions=Contended(world, [first]))
    promote(world.ports, video, second, alias="prod", **WHY)
    assert [(move.from_job, move.to_job) for move in stored(world, video, "prod").moves] == [
        (None, first.job_id),
        (first.job_id, second.job_id),
    ]


class NeverFree(FakeResultVersionStore):
    def save(self, version: ResultVersion) -> ResultVersion:
        raise VersionConflict("again")


def test_who_always_loses_is_told() -> None:
    world = World()
    video = world.ready(2)
    job = ended(world, video)
    world.ports = replace(world.ports, versions=NeverFree(world.fakes.memory))
    with pytest.raises(Conflict, match="moved by others"):
        promote(world.ports, video, job, **WHY)


def test_a_job_of_another_video_is_refused() -> None:
    world = World()
    job, other = ended(world, world.ready(2)), world.ready(2)
    with pytest.raises(InvalidRequest, match="must be one of video"):
        promote(world.ports, other, job, **WHY)


def test_a_job_that_runs_cannot_be_promoted() -> None:
    world = World()
    job = world.running(2)
    with pytest.raises(Conflict, match="but is RUNNING"):
        promote(world.ports, get_video(world.ports, TENANT, job.video_id), job, **WHY)


@pytest.mark.parametrize("alias", ["prod", "latest", "no such#alias", "x" * 5000])
def test_what_was_never_named_cannot_be_rolled_back(alias: str) -> None:
    world = World()
    with pytest.raises(NotFound, match="has no results that are"):
        roll_back(world.ports, world.ready(2), "default", alias=alias, **WHY)


def test_a_video_has_so_many_aliases_and_no_more() -> None:
    world = World()
    video = world.ready(2)
    job = ended(world, video)
    promote(world.ports, video, job, **WHY)
    for number in range(MAX_ALIASES):
        promote(world.ports, video, job, alias=f"a{number}", **WHY)
    with pytest.raises(LimitExceeded):
        promote(world.ports, video, job, alias="more", **WHY)
    promote(world.ports, video, job, alias="a1", **WHY)


def test_a_version_is_named_by_alias_or_job() -> None:
    world = World()
    video, other = world.ready(2), world.ready(2)
    first, second, foreign = ended(world, video), ended(world, video), ended(world, other)
    promote(world.ports, video, first, alias="prod", **WHY)
    found = [get_version(world.ports, video, name, None).job_id for name in ("latest", "prod", first.job_id)]
    assert found == [second.job_id, first.job_id, first.job_id]
    for name, pipeline in (("other", None), ("x#y", None), ("latest", "people"), (first.job_id, "people")):
        with pytest.raises(NotFound):
            get_version(world.ports, video, name, pipeline)
    with pytest.raises(NotFound, match=f"there is no job {foreign.job_id}"):
        get_version(world.ports, video, foreign.job_id, None)


def test_a_deleted_video_leaves_no_alias_and_a_late_end_brings_none_back() -> None:
    world = World()
    video = world.ready(2)
    job = ended(world, video)
    promote(world.ports, video, job, alias="prod", **WHY)
    assert named(world, video) == job.job_id
    delete_video(world.ports, world.video(video))
    with pytest.raises(NotFound):
        follow_end(world.ports, job)
    assert world.fakes.memory.versions == {}


def test_the_alias_of_a_job_that_is_just_deleted_names_nothing() -> None:
    world = World()
    video = world.ready(2)
    job = ended(world, video)
    promote(world.ports, video, job, alias="prod", **WHY)
    world.ports.jobs.delete(job)
    assert (named(world, video, "prod"), named(world, video)) == (None, None)


class Counted:
    """A job store that counts the jobs that it gives."""

    def __init__(self, world: World) -> None:
        self._store = world.fakes.ports.jobs
        self.given = 0

    def get(self, tenant: TenantId, job_id: JobId) -> Job | None:
        self.given += 1
        return self._store.get(tenant, job_id)

    def list_for_video(self, tenant: TenantId, video_id: VideoId, after: JobId | None, limit: int) -> Sequence[Job]:
        found = self._store.list_for_video(tenant, video_id, after, limit)
        self.given += len(found)
        return found

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")


@pytest.mark.parametrize(("newer", "read"), [(0, 1 + 1), (1, 1 + 2 + 1), (3, 1 + 4 + 1)])
def test_only_jobs_that_are_newer_are_looked_at(newer: int, read: int) -> None:
    """One page by the latest costs what it costs, however many older jobs the video has."""
    world = World()
    video = world.ready(2)
    for _ in range(2):
        assert named(world, video) != ended(world, video).job_id
    latest = named(world, video)
    for _ in range(newer):
        ended(world, video, promote=False)
    counted = Counted(world)
    found = find_version(replace(world.ports, jobs=counted), video, "default")
    assert (found and found.job_id, counted.given) == (latest, read)


def test_a_lost_end_is_found_behind_jobs_that_came_to_nothing() -> None:
    world = World()
    video = world.ready(2)
    first = ended(world, video)
    assert named(world, video) == first.job_id
    second = ended(world, video)
    for _ in range(JOBS_LOOKED_AT // 2):
        ended(world, video, JobState.FAILED)
    assert named(world, video) == second.job_id


def finished_unheard(world: World) -> Job:
    """A job whose worker has just ended it; no event tells of it."""
    job = finishing(world)
    world.run_worker(*world.waiting()[0])
    assert world.job(job).state is JobState.SUCCEEDED
    return world.job(job)


def test_a_lost_end_that_lies_behind_many_newer_jobs_is_found_by_the_schedule() -> None:
    """It was never found: whoever asks looks at the newest jobs only."""
    world = World()
    job = finished_unheard(world)
    video = get_video(world.ports, TENANT, job.video_id)
    for _ in range(JOBS_LOOKED_AT):
        ended(world, video, JobState.FAILED)
    assert named(world, video) is None
    world.tick(SETTLE_SECONDS)
    assert named(world, video) == job.job_id


def test_the_schedule_comes_again_when_an_end_could_not_be_followed() -> None:
    world = World()
    job = finished_unheard(world)
    ports = world.ports
    world.ports = replace(ports, versions=Down(world.fakes.memory))
    world.tick(SETTLE_SECONDS)
    world.ports = ports
    assert world.fakes.memory.versions == {}
    world.tick(SETTLE_SECONDS)
    assert stored(world, get_video(world.ports, TENANT, job.video_id)).job_id == job.job_id


def test_the_end_of_a_job_that_is_just_deleted_is_settled_all_the_same() -> None:
    world = World()
    job = finished_unheard(world)
    world.changed(get_video(world.ports, TENANT, job.video_id))

    class Deleted(FakeResultVersionStore):
        def save(self, version: ResultVersion) -> ResultVersion:
            world.ports.jobs.delete(job)
            return super().save(version)

    conclude_job(replace(world.ports, versions=Deleted(world.fakes.memory)), job)
    assert get_budget(world.ports, TENANT).ledger.reserved_nano_usd == 0


def test_another_tenant_finds_nothing() -> None:
    world = World()
    video = world.ready(2)
    job = ended(world, video)
    assert named(world, video) == job.job_id
    assert find_version(world.ports, replace(video, tenant=TenantId("stranger")), "default") is None
