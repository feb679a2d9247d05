"""The contract of the ports `SubmissionStore` and `DueIndex`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.ids import JobId, SubmissionId, TenantId, VideoId
from chalicelib.domain.side_steps import StepName
from chalicelib.domain.units import Lane, UnitKind
from chalicelib.services.ports import Due, Owner, Ports, Submission, SubmissionState
from tests.fakes.makers import NOW, make_job, make_submission, make_video


@pytest.fixture
def owner(ports: Ports, tenant: TenantId) -> Owner:
    return Owner(tenant, ports.ids.make("job"))


def test_what_was_added_is_what_is_read(ports: Ports, owner: Owner) -> None:
    submission = Submission(owner, SubmissionId("s"), OrderKind.FINISH, ((0,), (1, 2), ()), Lane.GPU, NOW)
    ports.submissions.add(submission)
    assert ports.submissions.get(owner, submission.submission_id) == submission


def test_a_submission_that_was_never_added_is_none(ports: Ports, owner: Owner) -> None:
    assert ports.submissions.get(owner, SubmissionId("s")) is None


def test_a_submission_is_not_added_over_another(ports: Ports, owner: Owner) -> None:
    submission = make_submission(owner)
    ports.submissions.add(submission)
    assert not ports.submissions.add(replace(submission, lane=Lane.GPU))
    assert ports.submissions.get(owner, submission.submission_id) == submission


def test_adding_does_not_undo_that_it_was_sent(ports: Ports, owner: Owner) -> None:
    submission = make_submission(owner)
    ports.submissions.add(submission)
    ports.submissions.mark_sent(submission, "batch-7")
    ports.submissions.add(submission)
    sent = replace(submission, state=SubmissionState.SENT, batch_job_id="batch-7")
    assert ports.submissions.get(owner, submission.submission_id) == sent


def test_a_submission_for_a_side_step_says_for_which(ports: Ports, owner: Owner) -> None:
    submission = make_submission(owner, step=StepName(UnitKind.TRACKS, "0001"))
    ports.submissions.add(submission)
    assert ports.submissions.get(owner, submission.submission_id) == submission


def test_all_of_one_owner_are_listed_by_id(ports: Ports, owner: Owner) -> None:
    mine = [make_submission(owner, name) for name in ("b", "a")]
    other = make_submission(Owner(owner.tenant, ports.ids.make("job")))
    for submission in (*mine, other):
        ports.submissions.add(submission)
    assert list(ports.submissions.list(owner)) == [mine[1], mine[0]]


def test_what_is_due_is_listed_the_most_overdue_first(ports: Ports, tenant: TenantId) -> None:
    owners = [add_due_job(ports, tenant, minutes) for minutes in (3, 1, 4, 2)]
    due = ports.due.list_due(NOW + timedelta(minutes=3), 1000)
    listed = [each.owner for each in due if each.owner.tenant == tenant]
    assert listed == [owners[1], owners[3], owners[0]]


def test_a_list_of_what_is_due_ends_at_its_limit(ports: Ports, tenant: TenantId) -> None:
    for minutes in range(5):
        add_due_job(ports, tenant, minutes)
    assert len(ports.due.list_due(NOW + timedelta(days=1), 3)) == 3


def test_what_was_postponed_is_due_then(ports: Ports, tenant: TenantId) -> None:
    owner = Due(add_due_job(ports, tenant, 1))
    ports.due.postpone(owner, NOW + timedelta(minutes=30))
    due = [owner in ports.due.list_due(NOW + timedelta(minutes=minutes), 1000) for minutes in (29, 30)]
    assert due == [False, True]


def test_what_is_not_due_any_more_is_not_made_due_by_postponing(ports: Ports, tenant: TenantId) -> None:
    job = make_job(tenant=tenant, job_id=JobId(ports.ids.make("job")))
    ports.jobs.add(job, NOW)
    ports.jobs.save(job, None)
    owner = Due(Owner(tenant, job.job_id))
    ports.due.postpone(owner, NOW)
    assert owner not in ports.due.list_due(NOW + timedelta(days=1), 1000)


def test_postponing_what_is_gone_brings_nothing_back(ports: Ports, tenant: TenantId) -> None:
    owner = Owner(tenant, ports.ids.make("vid"))
    ports.due.postpone(Due(owner), NOW)
    assert ports.videos.get(tenant, VideoId(owner.name)) is None


def test_videos_and_jobs_are_due_by_their_own_names(ports: Ports, tenant: TenantId) -> None:
    video = make_video(tenant=tenant, video_id=VideoId(ports.ids.make("vid")))
    ports.videos.add(video, NOW)
    owners = {Owner(tenant, video.video_id), add_due_job(ports, tenant, 0)}
    assert owners <= {due.owner for due in ports.due.list_due(NOW, 1000)}


def test_saving_moves_the_due_date(ports: Ports, tenant: TenantId) -> None:
    job = make_job(tenant=tenant, job_id=JobId(ports.ids.make("job")))
    ports.jobs.add(job, NOW)
    ports.jobs.save(job, NOW + timedelta(hours=1))
    assert Due(Owner(tenant, job.job_id)) not in ports.due.list_due(NOW + timedelta(minutes=59), 1000)


def add_due_job(ports: Ports, tenant: TenantId, minutes: int) -> Owner:
    job = make_job(tenant=tenant, job_id=JobId(ports.ids.make("job")))
    ports.jobs.add(job, NOW + timedelta(minutes=minutes))
    return Owner(tenant, job.job_id)
