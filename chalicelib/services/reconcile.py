"""What happened behind our back: child jobs that ended, leases that ran out, events that were lost.

Needs nothing from the worker. Two ways lead here: an event of Batch (at once) and the schedule (for whatever was
missed). Both only find units whose holder is gone, hand them on, and let `advance` take the next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aws_lambda_powertools import Logger

from chalicelib.contracts.claims import CLOCK_SKEW_SECONDS
from chalicelib.domain.errors import DomainError, ErrorCode, Failure
from chalicelib.domain.ids import JobId, SubmissionId, VideoId, is_id
from chalicelib.domain.units import Unit, UnitKind, UnitState
from chalicelib.domain.videos import VideoState
from chalicelib.services.advance import advance_job, advance_video, due_after
from chalicelib.services.dispatch import is_unsent, resubmit, send
from chalicelib.services.ports import ChildState, Owner, Ports, Submission, SubmissionState
from chalicelib.services.uploads import check_upload, next_upload_check

logger = Logger(service="reelscan", child=True)

DUE_PER_PASS = 200
LOG_HINT = "Look at the worker's log; the attempt is repeated by itself until none is left"


@dataclass(frozen=True, slots=True)
class EndedChild:
    """What Batch said about a child job (or plain job) that ended."""

    owner: Owner
    submission_id: SubmissionId
    child: int
    batch_job_id: str
    exit_code: int | None
    reason: str


def settle_child(ports: Ports, ended: EndedChild) -> None:
    """A child job ended: whatever it was to do and did not is handed on at once, without waiting for a lease."""
    units = [
        unit
        for unit in open_units(ports, ended.owner)
        # It held the claim, and its process is gone.
        if (unit.state is UnitState.CLAIMED and unit.claimed_by == ended.batch_job_id)
        # It never came to claim it.
        or (unit.state is UnitState.OPEN and unit.submission == ended.submission_id and unit.child == ended.child)
    ]
    if units:
        failure = died(ended)
        logger.info(
            "child left units", owner=ended.owner.name, units=[unit.index for unit in units], detail=failure.detail
        )
        resubmit(ports, ended.owner, units[0].kind, units, failure, seen_dead=ended.batch_job_id)
    advance(ports, ended.owner)


def reconcile(ports: Ports) -> int:
    """Look at everything that is due; the number of owners looked at.

    One that fails does not keep the others waiting.
    """
    owners = ports.due.list_due(ports.clock.now(), DUE_PER_PASS)
    for owner in owners:
        ports.due.postpone(owner, due_after(ports))
        try:
            reconcile_owner(ports, owner)
        except DomainError as error:
            logger.warning("reconcile failed", owner=owner.name, detail=error.failure.detail)
    return len(owners)


def reconcile_owner(ports: Ports, owner: Owner) -> None:
    """Bring one video or job to where it should be."""
    if is_id("vid", owner.name):
        video = ports.videos.get(owner.tenant, VideoId(owner.name))
        if video is not None and video.state is VideoState.AWAITING_UPLOAD:
            ports.due.postpone(owner, max(next_upload_check(ports, video), due_after(ports)))
            check_upload(ports, video)
    _resend_unsent(ports, owner)
    _hand_on_orphans(ports, owner)
    advance(ports, owner)


def open_units(ports: Ports, owner: Owner) -> Sequence[Unit]:
    """Units of this owner that are not terminal."""
    if is_id("vid", owner.name):
        probe = ports.units.get(owner, UnitKind.PROBE)
        return [probe] if probe and not probe.is_terminal else []
    finish = ports.units.get(owner, UnitKind.FINISH)
    return [*ports.units.list_open(owner), *([finish] if finish and not finish.is_terminal else [])]


def advance(ports: Ports, owner: Owner) -> None:
    """Let the owner take its next step."""
    if is_id("vid", owner.name):
        advance_video(ports, owner.tenant, VideoId(owner.name))
    else:
        advance_job(ports, owner.tenant, JobId(owner.name))


def died(ended: EndedChild) -> Failure:
    """Why a child job ended without doing its work, as far as Batch tells."""
    told = f"exit code {ended.exit_code}" if ended.exit_code is not None else "no exit code"
    detail = f"worker {ended.batch_job_id} ended with {told}" + (f": {ended.reason}" if ended.reason else "")
    return Failure(ErrorCode.INTERNAL, detail, LOG_HINT)


def _resend_unsent(ports: Ports, owner: Owner) -> None:
    waiting = {unit.submission for unit in open_units(ports, owner)}
    for submission in ports.submissions.list(owner):
        if submission.submission_id in waiting and is_unsent(ports, submission, ports.clock.now()):
            send(ports, submission)


def _hand_on_orphans(ports: Ports, owner: Owner) -> None:
    units = open_units(ports, owner)
    if not units:
        return
    now = ports.clock.now()
    submissions = {submission.submission_id: submission for submission in ports.submissions.list(owner)}
    states = _ChildStates(ports, submissions)
    orphans = [unit for unit in units if _is_orphan(unit, now, states)]
    for kind in UnitKind:
        of_kind = [unit for unit in orphans if unit.kind is kind]
        if of_kind:
            logger.info("orphans found", owner=owner.name, kind=kind, units=[unit.index for unit in of_kind])
            resubmit(ports, owner, kind, of_kind, _lost(of_kind[0]))
    for unit in units:
        submission = submissions.get(unit.submission)
        if unit.state is UnitState.OPEN and submission and states.of(unit) is ChildState.WAITING:
            _end_if_starved(ports, owner, unit, submission, now)


def _is_orphan(unit: Unit, now: datetime, states: _ChildStates) -> bool:
    if unit.state is UnitState.CLAIMED:
        return now.timestamp() > unit.lease_until + CLOCK_SKEW_SECONDS
    return states.of(unit) in (ChildState.ENDED, ChildState.UNKNOWN)


def _lost(unit: Unit) -> Failure:
    detail = (
        f"worker {unit.claimed_by} stopped renewing its lease"
        if unit.state is UnitState.CLAIMED
        else "the child job that was to do it ended, and no event said so"
    )
    return Failure(ErrorCode.INTERNAL, detail, LOG_HINT)


def _end_if_starved(ports: Ports, owner: Owner, unit: Unit, submission: Submission, now: datetime) -> None:
    waited = (now - submission.created_at).total_seconds()
    if waited < ports.limits.queue_seconds:
        return
    failure = Failure(
        ErrorCode.NO_CAPACITY,
        f"no machine of lane {unit.lane} came within {waited:.0f} seconds",
        "Retry later, or allow the cpu lane; an operator can raise the compute environment's vCPU limit",
    )
    ports.units.end(owner, unit, state=UnitState.FAILED, fence=ports.ids.make("fnc"), failure=failure)


class _ChildStates:
    """What Batch says of the child that a unit waits for; asks once per submission."""

    def __init__(self, ports: Ports, submissions: dict[SubmissionId, Submission]) -> None:
        self._ports = ports
        self._submissions = submissions
        self._states: dict[SubmissionId, Sequence[ChildState]] = {}

    def of(self, unit: Unit) -> ChildState:
        submission = self._submissions.get(unit.submission)
        if submission is None:
            return ChildState.UNKNOWN
        if submission.state is not SubmissionState.SENT:
            # Not sent yet, or the record of it was lost: `_resend_unsent` sees to it.
            return ChildState.WAITING
        if unit.submission not in self._states:
            children = len(submission.children)
            self._states[unit.submission] = self._ports.batch.describe(submission.batch_job_id, children)
        return self._states[unit.submission][unit.child]
