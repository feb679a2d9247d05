"""A side step as a unit of work: what is the same for re-tracking, every export and every rendition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chalicelib.contracts import outcomes, table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.items import failure_to_map, time_to_text
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.aws import Cloud, Superseded
from gpu_batch.errors import BadInput, BadOrder
from gpu_batch.lease import Stop, holding
from gpu_batch.log import logger

Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a side step came to."""

    result: Item
    """Becomes `SideStep.result`."""
    more: Sequence[dict[str, Any]] = field(default=())
    """Entries of the transaction that ends the step; one that depends on what the step is beside is added to them."""
    is_bound: bool = False
    """Whether one of `more` does so already: a transaction may name the JOB only once."""


def run_side_step(
    cloud: Cloud,
    order: WorkOrder,
    kind: UnitKind,
    work: Callable[[Check], Outcome],
    *,
    forget: Callable[[], None],
    claimed_by: str,
    stop: Stop,
) -> None:
    """Claim the side step of an order and do its `work`, unless somebody else does or did.

    It succeeds only if its job is as it was when the step was asked for, or its video is still there. `work` may run
    several times, after one that was broken off anywhere, so what it writes must be named by the step and nothing else.
    `forget` deletes what it wrote, when the job or video was deleted meanwhile.

    Raises:
        BadInput, BadOrder: the step failed, and that is recorded.
    """
    key = UnitKey(order.pk, kind, name=order.step)
    claim = cloud.claim(key, claimed_by=claimed_by, lease_seconds=order.lease_seconds)
    if claim is None:
        logger.info("side step is not to be had")
        return
    try:
        with holding(cloud, claim, order, stop) as check:
            outcome = work(check)
        cloud.end(
            claim,
            UnitState.DONE,
            facts={"result": outcome.result, "finished_at": time_to_text(datetime.now(UTC))},
            more=[*outcome.more, *([] if outcome.is_bound else [_still_there(cloud, order)])],
        )
    except Superseded:
        logger.warning("side step was taken away")
        if _is_deleted(cloud, order, key):
            forget()
        return
    except (BadInput, BadOrder) as error:
        facts = {"finished_at": time_to_text(datetime.now(UTC))}
        cloud.end(claim, UnitState.FAILED, failure=failure_to_map(error.failure), facts=facts)
        raise
    logger.info("side step done", step=order.step)


def _still_there(cloud: Cloud, order: WorkOrder) -> dict[str, Any]:
    """The condition that what the step is beside is what it was."""
    if order.job_id:
        return outcomes.job_unchanged(cloud.meta_table, order.pk, finished_at=order.job_finished_at)
    return outcomes.video_ready(cloud.meta_table, order.pk)


def _is_deleted(cloud: Cloud, order: WorkOrder, key: UnitKey) -> bool:
    """Whether the job or video is gone, or about to be: then its steps are cancelled first, and deleted before it."""
    unit = cloud.get(cloud.meta_table, key.pk, key.sk)
    if unit is None or unit["state"] == UnitState.CANCELLED:
        return True
    return cloud.get(cloud.meta_table, order.pk, table_keys.JOB if order.job_id else table_keys.VIDEO) is None
