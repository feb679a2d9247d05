"""Units whose holder is gone, found without its help: handed to a new submission, or ended when none can have them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from aws_lambda_powertools import Logger

from chalicelib.contracts.claims import CLOCK_SKEW_SECONDS
from chalicelib.domain.errors import ErrorCode, Failure
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.lanes import FAST_GONE_SECONDS
from chalicelib.domain.units import Lane, Unit, UnitKind, UnitState
from chalicelib.services.dispatch import is_unsent, resubmit, send
from chalicelib.services.ports import ChildState, Owner, Ports, Submission, SubmissionState

logger = Logger(service="reelscan", child=True)

LOG_HINT = "Look at the worker's log; the attempt is repeated by itself until none is left"


def resend_unsent(ports: Ports, owner: Owner, units: Sequence[Unit]) -> None:
    """Send the submissions that these open units wait for, if whoever was to send them died before it did."""
    waiting = {unit.submission for unit in units}
    for submission in ports.submissions.list(owner):
        if submission.submission_id in waiting and is_unsent(ports, submission, ports.clock.now()):
            send(ports, submission)


def hand_on_orphans(ports: Ports, owner: Owner, units: Sequence[Unit]) -> float:
    """Hand on those of these open units whose worker is gone; end those that waited too long for a machine.

    The seconds that the unit waits which waits longest; 0 when none does.
    """
    if not units:
        return 0.0
    now = ports.clock.now()
    submissions = {submission.submission_id: submission for submission in ports.submissions.list(owner)}
    states = _ChildStates(ports, submissions)
    orphans = [unit for unit in units if _is_orphan(unit, now, states)]
    for kind in UnitKind:
        of_kind = [unit for unit in orphans if unit.kind is kind]
        if of_kind:
            logger.info("orphans found", owner=owner.name, kind=kind, units=[unit.index for unit in of_kind])
            resubmit(ports, owner, kind, of_kind, _lost(of_kind[0]))
    longest_wait = 0.0
    for unit in units:
        submission = submissions.get(unit.submission)
        if unit.state is UnitState.OPEN and submission and states.of(unit) is ChildState.WAITING:
            waited = (now - submission.created_at).total_seconds()
            longest_wait = max(longest_wait, waited)
            _end_if_starved(ports, owner, unit, waited)
    return longest_wait


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


def _end_if_starved(ports: Ports, owner: Owner, unit: Unit, waited: float) -> None:
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
            # Not sent yet, or the record of it was lost: `resend_unsent` sees to it.
            return ChildState.WAITING
        if submission.lane is Lane.FAST:
            # Nobody can be asked, and no machine is waited for. Events tell of its end; when one was lost, it is over
            # after the time that it cannot outlive.
            age = (self._ports.clock.now() - submission.created_at).total_seconds()
            return ChildState.RUNNING if age < FAST_GONE_SECONDS else ChildState.UNKNOWN
        if unit.submission not in self._states:
            children = len(submission.children)
            self._states[unit.submission] = self._ports.batch.describe(submission.batch_job_id, children)
        return self._states[unit.submission][unit.child]
