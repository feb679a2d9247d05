"""The contract of the port `JobStore`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest

from chalicelib.domain.ids import JobId, TenantId, VideoId
from chalicelib.domain.jobs import Job, JobRequest, JobState, MissingRange, ModelRef, PlanFacts
from chalicelib.domain.media import WholeReason
from chalicelib.domain.reuse import Made, ModelReuse, ReuseReceipt
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.units import UnitKind, UnitState
from chalicelib.services.ports import Owner, Ports, VersionConflict
from tests.fakes.makers import A_FAILURE, NOW, make_job, make_segment, make_state_event, make_submission, make_unit


def a_job(ports: Ports, tenant: TenantId, video_id: VideoId | None = None) -> Job:
    video_id = video_id or VideoId(ports.ids.make("vid"))
    return make_job(tenant=tenant, job_id=JobId(ports.ids.make("job")), video_id=video_id)


def a_rich_job(ports: Ports, tenant: TenantId) -> Job:
    return replace(
        a_job(ports, tenant),
        state=JobState.PARTIAL,
        request=JobRequest(
            models=("toy", "other"),
            sampling=Sampling(SamplingKind.PER_SECOND, Fraction(1, 2)),
            score_min=0.35,
            labels=("person", "dog"),
            segment_seconds=Fraction(1, 3),
            tracking=False,
        ),
        models=(ModelRef("toy", "1", "a" * 64), ModelRef("other", "2", "b" * 64)),
        plan=PlanFacts(1, 7, WholeReason.SHORT),
        finished_at=NOW + timedelta(milliseconds=1),
        summary={"labels": [{"label": "person", "detections": 3, "best": 0.97}], "frames": 12},
        missing=(MissingRange(0.5, 2.25, A_FAILURE),),
        failure=A_FAILURE,
        made=Made("f" * 64, ("1" * 32, "2" * 32)),
        reused=ReuseReceipt((ModelReuse(7, 3, 100, 60), ModelReuse(7, 0, 100, 100)), JobId("job_" + "0" * 26)),
    )


def test_what_was_added_is_what_is_read(ports: Ports, tenant: TenantId) -> None:
    job = a_rich_job(ports, tenant)
    ports.jobs.add(job, NOW)
    assert ports.jobs.get(tenant, job.job_id) == job


def test_a_job_without_anything_optional_comes_back_as_it_was(ports: Ports, tenant: TenantId) -> None:
    job = a_job(ports, tenant)
    ports.jobs.add(job, None)
    assert ports.jobs.get(tenant, job.job_id) == job


def test_what_is_read_is_a_copy(ports: Ports, tenant: TenantId) -> None:
    job = a_rich_job(ports, tenant)
    ports.jobs.add(job, NOW)
    read = ports.jobs.get(tenant, job.job_id)
    assert read is not None
    assert read.summary is not None
    read.summary.clear()
    assert ports.jobs.get(tenant, job.job_id) == job


def test_another_tenants_job_is_none(ports: Ports, tenant: TenantId) -> None:
    job = a_job(ports, tenant)
    ports.jobs.add(job, None)
    assert ports.jobs.get(TenantId("stranger"), job.job_id) is None


def test_a_job_is_not_added_over_another(ports: Ports, tenant: TenantId) -> None:
    job = a_job(ports, tenant)
    ports.jobs.add(job, None)
    with pytest.raises(VersionConflict):
        ports.jobs.add(replace(job, state=JobState.FAILED), None)
    assert ports.jobs.get(tenant, job.job_id) == job


def test_saving_gives_the_next_version_and_stores_it(ports: Ports, tenant: TenantId) -> None:
    job = a_job(ports, tenant)
    ports.jobs.add(job, None)
    saved = ports.jobs.save(replace(job, state=JobState.PROBING), None)
    assert saved == replace(job, state=JobState.PROBING, version=2)
    assert ports.jobs.get(tenant, job.job_id) == saved


def test_of_two_saves_of_one_version_the_second_conflicts_and_changes_nothing(ports: Ports, tenant: TenantId) -> None:
    job = a_job(ports, tenant)
    ports.jobs.add(job, None)
    winner = ports.jobs.save(replace(job, state=JobState.CANCELLING), None)
    with pytest.raises(VersionConflict):
        ports.jobs.save(replace(job, state=JobState.RUNNING), None)
    assert ports.jobs.get(tenant, job.job_id) == winner


def test_saving_a_deleted_job_conflicts_and_does_not_bring_it_back(ports: Ports, tenant: TenantId) -> None:
    job = a_job(ports, tenant)
    ports.jobs.add(job, None)
    ports.jobs.delete(job)
    with pytest.raises(VersionConflict):
        ports.jobs.save(job, None)
    assert ports.jobs.get(tenant, job.job_id) is None


def test_a_videos_jobs_are_listed_newest_first_page_by_page(ports: Ports, tenant: TenantId) -> None:
    video_id = VideoId(ports.ids.make("vid"))
    jobs = sorted((a_job(ports, tenant, video_id) for _ in range(5)), key=lambda job: job.job_id, reverse=True)
    for job in jobs:
        ports.jobs.add(job, None)
    first = ports.jobs.list_for_video(tenant, video_id, None, 2)
    rest = ports.jobs.list_for_video(tenant, video_id, first[-1].job_id, 10)
    assert (list(first), list(rest)) == (jobs[:2], jobs[2:])


def test_a_list_goes_on_after_a_job_that_was_deleted_meanwhile(ports: Ports, tenant: TenantId) -> None:
    video_id = VideoId(ports.ids.make("vid"))
    jobs = sorted((a_job(ports, tenant, video_id) for _ in range(4)), key=lambda job: job.job_id, reverse=True)
    for job in jobs:
        ports.jobs.add(job, None)
    ports.jobs.delete(jobs[1])
    assert list(ports.jobs.list_for_video(tenant, video_id, jobs[1].job_id, 2)) == jobs[2:]


def test_the_jobs_of_another_video_are_not_listed(ports: Ports, tenant: TenantId) -> None:
    ports.jobs.add(a_job(ports, tenant), None)
    assert list(ports.jobs.list_for_video(tenant, VideoId(ports.ids.make("vid")), None, 10)) == []


def test_the_newest_jobs_of_several_videos_come_together(ports: Ports, tenant: TenantId) -> None:
    video_ids = [VideoId(ports.ids.make("vid")) for _ in range(3)]
    jobs = {
        video_id: sorted((a_job(ports, tenant, video_id) for _ in range(number)), key=lambda job: job.job_id)
        for number, video_id in enumerate(video_ids)
    }
    for job in (job for some in jobs.values() for job in some):
        ports.jobs.add(job, None)
    found = ports.jobs.list_newest(tenant, video_ids, 1)
    assert {video_id: list(some) for video_id, some in found.items()} == {
        video_id: some[-1:] for video_id, some in jobs.items()
    }


def test_a_job_that_was_deleted_does_not_shorten_the_list_of_the_newest(ports: Ports, tenant: TenantId) -> None:
    video_id = VideoId(ports.ids.make("vid"))
    jobs = sorted((a_job(ports, tenant, video_id) for _ in range(3)), key=lambda job: job.job_id, reverse=True)
    for job in jobs:
        ports.jobs.add(job, None)
    ports.jobs.delete(jobs[0])
    assert list(ports.jobs.list_newest(tenant, [video_id], 2)[video_id]) == jobs[1:]


def test_another_tenant_has_no_newest_jobs(ports: Ports, tenant: TenantId) -> None:
    job = a_job(ports, tenant)
    ports.jobs.add(job, None)
    found = ports.jobs.list_newest(TenantId("stranger"), [job.video_id], 5)
    assert list(found[job.video_id]) == []


def test_deleting_takes_events_along(ports: Ports, tenant: TenantId) -> None:
    job = a_job(ports, tenant)
    ports.jobs.add(job, None)
    ports.events.append(make_state_event(tenant=tenant, job_id=job.job_id), expires_at=None)
    ports.jobs.delete(job)
    owner = Owner(tenant, job.job_id)
    assert (list(ports.events.list(owner, 0, 10)), list(ports.events.list_origins(owner, ""))) == ([], [])


def test_deleting_takes_units_and_submissions_along(ports: Ports, tenant: TenantId) -> None:
    job = a_job(ports, tenant)
    owner = Owner(tenant, job.job_id)
    ports.jobs.add(job, NOW)
    ports.units.add_segments(owner, [(make_segment(0), make_unit())])
    ports.units.open_step(owner, make_unit(UnitKind.FINISH))
    ports.submissions.add(make_submission(owner))
    ports.jobs.delete(job)
    found = (
        list(ports.units.list_segments(owner, -1, 10)),
        ports.units.get(owner, UnitKind.FINISH),
        ports.units.has_open(owner),
        list(ports.submissions.list(owner)),
        list(ports.jobs.list_for_video(tenant, job.video_id, None, 10)),
    )
    assert found == ([], None, False, [], [])


def test_a_job_is_read_together_with_the_counts_of_its_segments(ports: Ports, tenant: TenantId) -> None:
    job = a_rich_job(ports, tenant)
    owner = Owner(tenant, job.job_id)
    ports.jobs.add(job, NOW)
    ports.units.add_segments(owner, [(make_segment(i), make_unit(index=i)) for i in range(5)])
    ports.units.open_step(owner, make_unit(UnitKind.FINISH))
    for index, state in ((1, UnitState.FAILED), (4, UnitState.CANCELLED)):
        seen = ports.units.get(owner, UnitKind.SEGMENT, index)
        assert seen is not None
        ports.units.end(owner, seen, state=state, fence=f"fnc{index}", failure=A_FAILURE)
    assert ports.jobs.get_with_counts(tenant, job.job_id) == (job, 3, 1)


def test_a_job_that_is_not_there_has_no_counts(ports: Ports, tenant: TenantId) -> None:
    assert ports.jobs.get_with_counts(tenant, JobId(ports.ids.make("job"))) is None
