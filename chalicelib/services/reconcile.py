"""What happened behind our back: child jobs that ended, leases that ran out, events that were lost.

Needs nothing from the worker. Two ways lead here: an event of Batch (at once) and the schedule (for whatever was
missed). Both only find units whose holder is gone, hand them on, and let `advance` take the next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from aws_lambda_powertools import Logger

from chalicelib.domain.errors import DomainError, ErrorCode, Failure
from chalicelib.domain.ids import CampaignId, JobId, ModelId, RunId, SubmissionId, VideoId, is_id
from chalicelib.domain.model_versions import ModelState
from chalicelib.domain.side_steps import StepName
from chalicelib.domain.units import Lane, Unit, UnitKind, UnitState
from chalicelib.domain.videos import VideoState
from chalicelib.services.advance import advance_job, advance_video, conclude_job, due_after
from chalicelib.services.budgets import SETTLE_SECONDS, settle
from chalicelib.services.campaign_runs import advance_run
from chalicelib.services.campaigns import advance_campaign
from chalicelib.services.dispatch import resubmit
from chalicelib.services.model_uploads import advance_model, check_model_upload
from chalicelib.services.orphans import LOG_HINT, hand_on_orphans, resend_unsent
from chalicelib.services.ports import Due, Owner, Ports
from chalicelib.services.side_steps import find_open_step
from chalicelib.services.tickets import next_check
from chalicelib.services.uploads import check_upload

logger = Logger(service="reelscan", child=True)

DUE_PER_PASS = 200
ONLY_UNIT_BY_PREFIX = {"vid": UnitKind.PROBE, "mdl": UnitKind.ADMIT}
"""The unit of owners that have but one, by the kind of their ids."""


@dataclass(frozen=True, slots=True)
class EndedChild:
    """What Batch said about a child job (or plain job) that ended, or Lambda about an invocation."""

    owner: Owner
    submission_id: SubmissionId
    child: int
    batch_job_id: str
    exit_code: int | None
    reason: str


def settle_child(ports: Ports, ended: EndedChild) -> None:
    """A child job ended: whatever it was to do and did not is handed on at once, without waiting for a lease."""
    owner = ended.owner
    submission = ports.submissions.get(owner, ended.submission_id)
    if submission is not None and submission.step is not None:
        step = find_open_step(ports, owner, submission.step)
        _hand_on_what_is_left(ports, ended, [step.unit] if step else [])
        _settle(ports, owner)
        return
    _hand_on_what_is_left(ports, ended, open_units(ports, owner))
    advance(ports, owner)
    if is_id("mdl", owner.name):
        # Videos and jobs are settled where they end.
        settle(ports, owner)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a pass of the reconciler saw."""

    looked_at: int
    longest_wait_seconds: float
    """Of the child job that waits longest for a machine; 0 when none waits."""


def reconcile(ports: Ports) -> Seen:
    """Look at everything that is due. One that fails does not keep the others waiting."""
    longest_wait = 0.0
    found = ports.due.list_due(ports.clock.now(), DUE_PER_PASS)
    for due in found:
        after = timedelta(seconds=SETTLE_SECONDS)
        ports.due.postpone(due, ports.clock.now() + after if due.is_costs else due_after(ports))
        try:
            if due.is_costs:
                _settle(ports, due.owner)
            elif due.step is None:
                longest_wait = max(longest_wait, reconcile_owner(ports, due.owner))
            else:
                longest_wait = max(longest_wait, reconcile_side_step(ports, due.owner, due.step))
        except DomainError as error:
            logger.warning("reconcile failed", owner=due.owner.name, detail=error.failure.detail)
    return Seen(len(found), longest_wait)


def reconcile_owner(ports: Ports, owner: Owner) -> float:
    """Bring one video, job, model, campaign or run to where it should be; the seconds that its units wait at most."""
    if is_id("cmp", owner.name):
        advance_campaign(ports, owner.tenant, CampaignId(owner.name))
        return 0.0
    if is_id("run", owner.name):
        advance_run(ports, owner.tenant, RunId(owner.name))
        return 0.0
    if is_id("vid", owner.name):
        video = ports.videos.get(owner.tenant, VideoId(owner.name))
        if video is not None and video.state is VideoState.AWAITING_UPLOAD:
            ports.due.postpone(Due(owner), max(next_check(ports, video.upload), due_after(ports)))
            check_upload(ports, video)
    if is_id("mdl", owner.name):
        version = ports.models.get_record(owner.tenant, ModelId(owner.name))
        if version is not None and version.state is ModelState.AWAITING_UPLOAD:
            ports.due.postpone(Due(owner), max(next_check(ports, version.upload), due_after(ports)))
            check_model_upload(ports, version)
    resend_unsent(ports, owner, open_units(ports, owner))
    longest_wait = hand_on_orphans(ports, owner, open_units(ports, owner))
    advance(ports, owner)
    return longest_wait


def reconcile_side_step(ports: Ports, owner: Owner, name: StepName) -> float:
    """Bring one side step to where it should be; the seconds that its unit waits."""
    step = find_open_step(ports, owner, name)
    if step is None:
        _settle(ports, owner)
        return 0.0
    resend_unsent(ports, owner, [step.unit])
    return hand_on_orphans(ports, owner, [step.unit])


def open_units(ports: Ports, owner: Owner) -> Sequence[Unit]:
    """Units of this owner that are not terminal."""
    if kind := ONLY_UNIT_BY_PREFIX.get(owner.name.partition("_")[0]):
        only = ports.units.get(owner, kind)
        return [only] if only and not only.is_terminal else []
    finish = ports.units.get(owner, UnitKind.FINISH)
    return [*ports.units.list_open(owner), *([finish] if finish and not finish.is_terminal else [])]


def advance(ports: Ports, owner: Owner) -> None:
    """Let the owner take its next step."""
    if is_id("vid", owner.name):
        advance_video(ports, owner.tenant, VideoId(owner.name))
    elif is_id("mdl", owner.name):
        advance_model(ports, owner.tenant, ModelId(owner.name))
    else:
        advance_job(ports, owner.tenant, JobId(owner.name))


def died(ended: EndedChild) -> Failure:
    """Why a child job ended without doing its work, as far as AWS tells."""
    told = f"exit code {ended.exit_code}" if ended.exit_code is not None else "no exit code"
    detail = f"worker {ended.batch_job_id} ended with {told}" + (f": {ended.reason}" if ended.reason else "")
    return Failure(ErrorCode.INTERNAL, detail, LOG_HINT)


def _settle(ports: Ports, owner: Owner) -> None:
    """Settle what is over; of a job that has ended, do all that its end brings, should its event be lost."""
    job = ports.jobs.get(owner.tenant, JobId(owner.name)) if is_id("job", owner.name) else None
    if job is not None and job.is_terminal:
        conclude_job(ports, job)
    else:
        settle(ports, owner)


def _hand_on_what_is_left(ports: Ports, ended: EndedChild, units: Sequence[Unit]) -> None:
    left = [
        unit
        for unit in units
        # It held the claim, and its process is gone.
        if (unit.state is UnitState.CLAIMED and unit.claimed_by == ended.batch_job_id and not _has_twin(unit, ended))
        # It never came to claim it.
        or (unit.state is UnitState.OPEN and unit.submission == ended.submission_id and unit.child == ended.child)
    ]
    if left:
        failure = died(ended)
        logger.info(
            "child left units", owner=ended.owner.name, units=[unit.index for unit in left], detail=failure.detail
        )
        resubmit(ports, ended.owner, left[0].kind, left, failure, seen_dead=ended.batch_job_id)


def _has_twin(unit: Unit, ended: EndedChild) -> bool:
    """Lambda may start an invocation twice: one that ended well holds nothing, so the other, of the same name, does."""
    return unit.lane is Lane.FAST and ended.exit_code == 0
