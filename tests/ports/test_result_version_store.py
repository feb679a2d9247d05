"""The contract of the port `ResultVersionStore`."""

from __future__ import annotations

import pytest

from chalicelib.domain.errors import NotFound
from chalicelib.domain.ids import JobId, TenantId, VideoId
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.result_versions import LATEST, ResultVersion, follow, promote, roll_back
from chalicelib.services.ports import Ports, VersionConflict
from tests.fakes.makers import NOW, make_job, make_video


@pytest.fixture
def video_id(ports: Ports, tenant: TenantId) -> VideoId:
    return a_video(ports, tenant)


def a_video(ports: Ports, tenant: TenantId) -> VideoId:
    """One that is there."""
    video_id = VideoId(ports.ids.make("vid"))
    ports.videos.add(make_video(tenant=tenant, video_id=video_id), None)
    return video_id


def a_job(ports: Ports, tenant: TenantId, video_id: VideoId) -> Job:
    """One that is there, and has results."""
    job = make_job(tenant=tenant, video_id=video_id, job_id=JobId(ports.ids.make("job")), state=JobState.SUCCEEDED)
    ports.jobs.add(job, None)
    return job


def moved_to(job: Job, pipeline: str = "default", alias: str = LATEST) -> ResultVersion:
    """An alias that is not stored yet."""
    unmoved = ResultVersion(job.tenant, job.video_id, pipeline, alias)
    return promote(unmoved, job, cause="it is good", by="somebody", at=NOW)


def test_what_was_saved_is_what_is_read(ports: Ports, tenant: TenantId, video_id: VideoId) -> None:
    first, second = a_job(ports, tenant, video_id), a_job(ports, tenant, video_id)
    version = ports.versions.save(moved_to(first, "people", "prod"))
    version = ports.versions.save(follow(version, second, NOW))
    version = ports.versions.save(roll_back(version, cause="worse", by="somebody", at=NOW))
    assert (version.version, version.job_id) == (3, first.job_id)
    assert ports.versions.get(tenant, video_id, "people", "prod") == version


def test_an_alias_that_never_named_anything_is_not_there(ports: Ports, tenant: TenantId, video_id: VideoId) -> None:
    ports.versions.save(moved_to(a_job(ports, tenant, video_id)))
    assert ports.versions.get(tenant, video_id, "default", "prod") is None
    assert ports.versions.get(tenant, video_id, "people", LATEST) is None


def test_of_two_who_move_it_at_once_one_is_told(ports: Ports, tenant: TenantId, video_id: VideoId) -> None:
    first, second = a_job(ports, tenant, video_id), a_job(ports, tenant, video_id)
    seen = ports.versions.save(moved_to(first))
    won = ports.versions.save(promote(seen, second, cause="a", by="b", at=NOW))
    with pytest.raises(VersionConflict):
        ports.versions.save(promote(seen, second, cause="c", by="d", at=NOW))
    assert ports.versions.get(tenant, video_id, "default", LATEST) == won


def test_of_two_who_make_it_at_once_one_is_told(ports: Ports, tenant: TenantId, video_id: VideoId) -> None:
    won = ports.versions.save(moved_to(a_job(ports, tenant, video_id)))
    with pytest.raises(VersionConflict):
        ports.versions.save(moved_to(a_job(ports, tenant, video_id)))
    assert ports.versions.get(tenant, video_id, "default", LATEST) == won


def test_a_job_that_is_gone_is_never_named(ports: Ports, tenant: TenantId, video_id: VideoId) -> None:
    first, second = a_job(ports, tenant, video_id), a_job(ports, tenant, video_id)
    seen = ports.versions.save(moved_to(first))
    ports.jobs.delete(second)
    with pytest.raises(NotFound):
        ports.versions.save(promote(seen, second, cause="a", by="b", at=NOW))
    assert ports.versions.get(tenant, video_id, "default", LATEST) == seen


def test_aliases_are_listed_by_pipeline_and_name(ports: Ports, tenant: TenantId, video_id: VideoId) -> None:
    job = a_job(ports, tenant, video_id)
    for pipeline, alias in (("people", "prod"), ("default", "latest"), ("people", "latest"), ("people-2", "latest")):
        ports.versions.save(moved_to(job, pipeline, alias))

    def listed(pipeline: str | None, after: tuple[str, str] | None, limit: int) -> list[tuple[str, str]]:
        found = ports.versions.list(tenant, video_id, pipeline, after, limit)
        return [(one.pipeline_name, one.alias) for one in found]

    everything = [("default", "latest"), ("people", "latest"), ("people", "prod"), ("people-2", "latest")]
    assert listed(None, None, 9) == everything
    assert listed(None, everything[1], 1) == everything[2:3]
    assert listed("people", None, 9) == everything[1:3]
    assert listed("people", everything[1], 9) == everything[2:3]


def test_dropped_aliases_are_gone_and_those_of_other_videos_stay(
    ports: Ports, tenant: TenantId, video_id: VideoId
) -> None:
    other_id = a_video(ports, tenant)
    ports.versions.save(moved_to(a_job(ports, tenant, video_id)))
    kept = ports.versions.save(moved_to(a_job(ports, tenant, other_id)))
    ports.versions.drop(tenant, video_id)
    assert list(ports.versions.list(tenant, video_id, None, None, 9)) == []
    assert list(ports.versions.list(tenant, other_id, None, None, 9)) == [kept]


def test_aliases_go_with_their_video(ports: Ports, tenant: TenantId, video_id: VideoId) -> None:
    job = a_job(ports, tenant, video_id)
    ports.versions.save(moved_to(job))
    ports.videos.delete(make_video(tenant=tenant, video_id=video_id))
    assert list(ports.versions.list(tenant, video_id, None, None, 9)) == []
    with pytest.raises(NotFound, match="is being deleted"):
        ports.versions.save(moved_to(job))


def test_once_they_were_dropped_no_alias_is_saved_any_more(ports: Ports, tenant: TenantId, video_id: VideoId) -> None:
    first, second = a_job(ports, tenant, video_id), a_job(ports, tenant, video_id)
    seen = ports.versions.save(moved_to(first))
    ports.versions.drop(tenant, video_id)
    for version in (moved_to(first), promote(seen, second, cause="a", by="b", at=NOW)):
        with pytest.raises(NotFound, match="is being deleted"):
            ports.versions.save(version)
    ports.versions.drop(tenant, video_id)
    assert list(ports.versions.list(tenant, video_id, None, None, 9)) == []


def test_another_tenant_sees_none(ports: Ports, tenant: TenantId, video_id: VideoId) -> None:
    ports.versions.save(moved_to(a_job(ports, tenant, video_id)))
    stranger = TenantId(ports.ids.make("ten"))
    assert ports.versions.get(stranger, video_id, "default", LATEST) is None
    assert list(ports.versions.list(stranger, video_id, None, None, 9)) == []
