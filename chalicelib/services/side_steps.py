"""Starting, watching and ending side steps; see `domain/side_steps.py`.

What a kind of side step does is the matter of `services/tracks.py` and its like; that each ends is the matter of this
module and of `services/reconcile.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import count
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib.domain.budgets import Price
from chalicelib.domain.errors import Conflict, DependencyFailed, ErrorCode, Failure
from chalicelib.domain.ids import JobId, SubmissionId, VideoId
from chalicelib.domain.jobs import STATES_WITH_RESULTS, Job
from chalicelib.domain.side_steps import SideStep, SideStepState, StepName
from chalicelib.domain.units import SIDE_KINDS_OF_JOB, SIDE_KINDS_OF_VIDEO, Lane, Unit, UnitState
from chalicelib.domain.videos import Video
from chalicelib.services.advance import due_after
from chalicelib.services.budgets import check
from chalicelib.services.dispatch import ORDER_KIND_BY_UNIT, find_lost_model, owner_of, record_submission, send
from chalicelib.services.lanes import choose_step_lane
from chalicelib.services.ports import Owner, Ports, SubmissionState
from chalicelib.services.pricing import price_again

logger = Logger(service="reelscan", child=True)

RETRIED = Failure(
    ErrorCode.CONFLICT, "the job was retried after this was asked for", "Ask for it again when the job has finished"
)
DELETED = Failure(ErrorCode.CANCELLED, "the job was deleted", "Upload the video again and start a new job")
ENDED_BADLY = frozenset({SideStepState.FAILED, SideStepState.CANCELLED})
VIDEO_DELETED = Failure(ErrorCode.CANCELLED, "the video was deleted", "Upload the video again")


def start_side_step(ports: Ports, job: Job, name: StepName, parameters: Mapping[str, object]) -> SideStep | None:
    """Record a side step of a finished job and send it to a worker; None when one of this name is there.

    Raises:
        Conflict: the job has no results, or one of its models is gone.
        LimitExceeded: it would cost more than it may.
    """
    if job.state not in STATES_WITH_RESULTS or job.finished_at is None:
        raise Conflict(
            f"job {job.job_id} must have finished with results but is {job.state}",
            hint="Wait until the job is SUCCEEDED or PARTIAL",
        )
    if lost := find_lost_model(ports, job):
        raise Conflict(lost.detail, hint=lost.hint)
    lane = choose_step_lane(ports, job, name.kind)
    price = price_again(ports, job, ORDER_KIND_BY_UNIT[name.kind], lane, units=1, children=1)
    return _start(ports, job, name, parameters, lane, price)


def start_video_step(
    ports: Ports, video: Video, name: StepName, parameters: Mapping[str, object], lane: Lane, price: Price
) -> SideStep | None:
    """Record a side step of a video that is READY and send it to a worker; None when one of this name is there.

    Raises:
        LimitExceeded: it would cost more than it may.
    """
    return _start(ports, video, name, parameters, lane, price)


def find_or_start(
    ports: Ports, owner: Owner, name: Callable[[int], StepName], start: Callable[[StepName], SideStep | None]
) -> SideStep:
    """The side step that is named by the question which was asked: who asks the same again gets the one that is there.

    One that failed or was cancelled is started again, under the name of the next attempt. `start` gives None when one
    of that name is there.
    """
    for attempt in count():
        step_name = name(attempt)
        step = ports.units.get_side_step(owner, step_name)
        if step is None:
            # None: somebody asked the same at the same time.
            step = start(step_name) or ports.units.get_side_step(owner, step_name)
        if step is not None and step.state not in ENDED_BADLY:
            return step
    raise AssertionError("the attempts are counted without end")


def find_open_step(ports: Ports, owner: Owner, name: StepName) -> SideStep | None:
    """The side step, if a worker can still do it; one that can never succeed any more is ended here."""
    step = ports.units.get_side_step(owner, name)
    if step is None or step.unit.is_terminal:
        return None
    thing = _thing_of(ports, owner, name)
    if thing is None:
        # Recorded while its video or job was being deleted.
        ports.units.drop_side_step(owner, name)
        return None
    failure = _why_over(ports, thing, step)
    if failure is None:
        return step
    if _end(ports, owner, step, UnitState.FAILED, failure):
        logger.info("side step failed", **_id_of(thing), kind=name.kind, step=name.name, code=failure.code)
    return None


def end_side_steps(ports: Ports, thing: Video | Job, state: UnitState, failure: Failure) -> None:
    """End every side step of a video or job that is open; what their workers still write to them is refused then."""
    owner = owner_of(thing)
    submissions = {submission.submission_id: submission for submission in ports.submissions.list(owner)}
    for kind in sorted(SIDE_KINDS_OF_JOB if isinstance(thing, Job) else SIDE_KINDS_OF_VIDEO):
        for listed in ports.units.list_side_steps(owner, kind):
            step: SideStep | None = listed
            # A heartbeat or claim between read and write refuses ours: look again.
            while step and not step.unit.is_terminal and not _end(ports, owner, step, state, failure):
                step = ports.units.get_side_step(owner, listed.step_name)
            submission = submissions.get(listed.unit.submission)
            if not listed.unit.is_terminal and submission and submission.state is SubmissionState.SENT:
                _stop_worker(ports, submission.batch_job_id, failure.detail)


def _start(
    ports: Ports, thing: Video | Job, name: StepName, parameters: Mapping[str, object], lane: Lane, price: Price
) -> SideStep | None:
    job = thing if isinstance(thing, Job) else None
    cap = job.request.max_cost_nano_usd if job else None
    check(ports, thing.tenant, price.total(1), job_cap=cap, job=job.job_id if job else None)
    owner, now = owner_of(thing), ports.clock.now()
    submission_id = SubmissionId(f"{name.kind.lower()}-{name.name}")
    step = SideStep(
        unit=Unit(name.kind, 0, UnitState.OPEN, submission=submission_id, lane=lane, name=name.name),
        parameters=dict(parameters),
        created_at=now,
        deadline_at=now + timedelta(seconds=ports.limits.job_seconds),
        job_finished_at=job.finished_at if job else None,
    )
    if not ports.units.add_side_step(owner, step, due_after(ports)):
        return None
    logger.info("side step created", **_id_of(thing), kind=name.kind, step=name.name)
    order_kind = ORDER_KIND_BY_UNIT[name.kind]
    try:
        submission = record_submission(
            ports, owner, order_kind, submission_id, ((0,),), lane, name, price=price, job=job
        )
        send(ports, submission)
    except DependencyFailed as error:
        # It is recorded and due: the reconciler sends it. To fail the request would make its client ask again.
        logger.warning("side step starts later", **_id_of(thing), step=name.name, detail=error.failure.detail)
    return step


def _thing_of(ports: Ports, owner: Owner, name: StepName) -> Video | Job | None:
    """What the step is beside."""
    if name.kind in SIDE_KINDS_OF_VIDEO:
        return ports.videos.get(owner.tenant, VideoId(owner.name))
    return ports.jobs.get(owner.tenant, JobId(owner.name))


def _id_of(thing: Video | Job) -> dict[str, Any]:
    """For a line of the log."""
    return {"job_id": thing.job_id} if isinstance(thing, Job) else {"video_id": thing.video_id}


def _why_over(ports: Ports, thing: Video | Job, step: SideStep) -> Failure | None:
    if isinstance(thing, Job) and thing.finished_at != step.job_finished_at:
        return RETRIED
    if ports.clock.now() >= step.deadline_at:
        detail = f"it was not done by {step.deadline_at.isoformat()}"
        return Failure(ErrorCode.TIMEOUT, detail, "Ask for it again, or for less; a deployment can raise job_seconds")
    return find_lost_model(ports, thing) if isinstance(thing, Job) else None


def _end(ports: Ports, owner: Owner, step: SideStep, state: UnitState, failure: Failure) -> bool:
    return ports.units.end(owner, step.unit, state=state, fence=ports.ids.make("fnc"), failure=failure)


def _stop_worker(ports: Ports, batch_job_id: str, reason: str) -> None:
    """Free the machine; correctness does not need it, since the fence was changed."""
    try:
        ports.batch.terminate(batch_job_id, reason)
    except DependencyFailed as error:
        logger.warning("worker was not stopped", batch_job_id=batch_job_id, detail=error.failure.detail)
