"""The conditional writes of the claim protocol, as pure builders of DynamoDB requests.

Both sides use them: the worker claims, keeps, commits, fails and releases; the service requeues, gives up and cancels.
Every function returns keyword arguments of `update_item`, or entries of `transact_write_items`, of the low-level
client. A unit's item holds (among what its kind needs): state, attempt, attempts_allowed, fence, lease_until,
claimed_by, claimed_for, submission, child, lane, failure.

    OPEN → CLAIMED                          claim: attempt += 1, new fence, lease
    CLAIMED → CLAIMED                       heartbeat; or claim, when the lease ran out
    CLAIMED → DONE | FAILED                 with the fence
    CLAIMED → OPEN                          release with the fence; requeue by the service
    OPEN | CLAIMED → FAILED | CANCELLED     by the service
    FAILED → OPEN                           reopen, for a retry

A lost reply followed by botocore's retry must not look like a lost race: a refused write returns the stored item, and
an item that carries our own fence (and the state we asked for) is our own success. That is why a fence is made for each
claim and never used twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item, item_to_wire, to_wire
from chalicelib.domain.units import SIDE_KINDS, Lane, Unit, UnitKind, UnitState

Request = dict[str, Any]

STEP_KEY_BY_KIND = {
    UnitKind.PROBE: table_keys.PROBE,
    UnitKind.FINISH: table_keys.FINISH,
    UnitKind.ADMIT: table_keys.ADMIT,
}
"""Sort keys of the units of which there is one in a partition."""
CLOCK_SKEW_SECONDS = 5.0
"""A lease is over only when it ended this long ago by our clock.

Source: Amazon Time Sync keeps clocks within milliseconds; 5 s is ample.
"""


@dataclass(frozen=True, slots=True)
class UnitKey:
    """Where the item of a unit lies."""

    pk: str
    kind: UnitKind
    index: int = 0
    name: str = ""
    """Of a side step."""

    @property
    def sk(self) -> str:
        """Sort key of the unit's item."""
        if self.kind is UnitKind.SEGMENT:
            return table_keys.segment(self.index)
        if self.kind in SIDE_KINDS:
            return table_keys.side_step(self.kind, self.name)
        return STEP_KEY_BY_KIND[self.kind]

    def to_wire(self) -> dict[str, dict[str, Any]]:
        """The key for the low-level client."""
        return item_to_wire({"pk": self.pk, "sk": self.sk})


def claim(table: str, key: UnitKey, *, fence: str, claimed_by: str, now: float, lease_seconds: float) -> Request:
    """Take the unit, if it is open or its holder is presumed dead, and attempts are left.

    Returns the new item (`ALL_NEW`).
    """
    # Nobody has it, or whoever has it let the lease run out.
    is_free = "(#state = :open OR (#state = :claimed AND lease_until < :stale))"
    # Counted before the work, so that work which kills its worker ends.
    has_attempts = "attempt < attempts_allowed"
    return {
        "TableName": table,
        "Key": key.to_wire(),
        "UpdateExpression": "SET #state = :claimed, attempt = attempt + :one, fence = :fence, "
        # What was started of a submission is paid for (services/budgets.py).
        "lease_until = :until, claimed_by = :by, claimed_for = submission",
        "ConditionExpression": f"{is_free} AND {has_attempts}",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": item_to_wire(
            {
                ":open": UnitState.OPEN,
                ":claimed": UnitState.CLAIMED,
                ":one": 1,
                ":fence": fence,
                ":by": claimed_by,
                ":until": now + lease_seconds,
                ":stale": now - CLOCK_SKEW_SECONDS,
            }
        ),
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def heartbeat(table: str, key: UnitKey, *, fence: str, now: float, lease_seconds: float) -> Request:
    """Keep the lease, if the claim is still ours."""
    return {
        "TableName": table,
        "Key": key.to_wire(),
        "UpdateExpression": "SET lease_until = :until",
        "ConditionExpression": HOLDS_CLAIM,
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":until": to_wire(now + lease_seconds), **_claim_values(fence)},
    }


def release(
    table: str, key: UnitKey, *, fence: str, refund: int, failure: Item | None, usage: Item | None = None
) -> Request:
    """Give the unit back; `refund` = 1 when the attempt was cut short by the machine and not by the work.

    `usage` is what all attempts so far took, when that is known (domain/usage.py).
    """
    return {
        "TableName": table,
        "Key": key.to_wire(),
        "UpdateExpression": "SET #state = :open, attempts_allowed = attempts_allowed + :refund, failure = :failure"
        + (", #usage = :usage" if usage else "")
        + " REMOVE lease_until",
        "ConditionExpression": HOLDS_CLAIM,
        "ExpressionAttributeNames": {"#state": "state", **({"#usage": "usage"} if usage else {})},
        "ExpressionAttributeValues": {
            ":open": to_wire(UnitState.OPEN),
            ":refund": to_wire(refund),
            ":failure": to_wire(failure),
            **({":usage": to_wire(usage)} if usage else {}),
            **_claim_values(fence),
        },
    }


def finish_unit(
    table: str, key: UnitKey, *, fence: str, state: UnitState, failure: Item | None = None, facts: Item | None = None
) -> list[Request]:
    """Entries of the transaction that ends a claimed unit as DONE or FAILED; `facts` become attributes of its item.

    The caller adds what else must happen at the same moment (INDEX, VIDEO, JOB) and sends them as one transaction.
    """
    if state not in (UnitState.DONE, UnitState.FAILED):
        raise ValueError(f"a claimed unit must end as DONE or FAILED but got {state}")
    attributes = {"state": state, "failure": failure, **(facts or {})}
    update = {
        "TableName": table,
        "Key": key.to_wire(),
        "UpdateExpression": "SET "
        + ", ".join(f"#{name} = :set_{name}" for name in attributes)
        # A side step is due by itself, and is not any more.
        + " REMOVE lease_until, due_shard, due_at",
        "ConditionExpression": HOLDS_CLAIM,
        "ExpressionAttributeNames": {f"#{name}": name for name in attributes},
        "ExpressionAttributeValues": {
            **{f":set_{name}": to_wire(value) for name, value in attributes.items()},
            **_claim_values(fence),
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    return [{"Update": update}, *_move_marker(table, key, state)]


def requeue(
    table: str, key: UnitKey, seen: Unit, *, submission: str, child: int, lane: Lane, blame: int, failure: Item | None
) -> Request:
    """Hand the unit to another submission, and its lane, if nothing happened to it since it was `seen`.

    `blame` = 1 counts an attempt against a unit whose child job died before it could claim anything.
    """
    return {
        "TableName": table,
        "Key": key.to_wire(),
        "UpdateExpression": "SET #state = :open, submission = :submission, child = :child, lane = :lane, "
        "attempt = :attempt, fence = :none, failure = :failure REMOVE lease_until",
        "ConditionExpression": IS_AS_SEEN,
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {
            ":open": to_wire(UnitState.OPEN),
            ":submission": to_wire(submission),
            ":child": to_wire(child),
            ":lane": to_wire(lane),
            ":attempt": to_wire(seen.attempt + blame),
            ":none": to_wire(""),
            ":failure": to_wire(failure),
            **_seen_values(seen),
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def reopen(
    table: str, key: UnitKey, seen: Unit, *, submission: str, child: int, lane: Lane, attempts: int
) -> list[Request]:
    """Entries of the transaction that gives a segment `attempts` more claims, if nothing happened to it since."""
    update = {
        "TableName": table,
        "Key": key.to_wire(),
        "UpdateExpression": "SET #state = :open, submission = :submission, child = :child, lane = :lane,"
        " fence = :none, attempts_allowed = :allowed REMOVE lease_until, failure",
        "ConditionExpression": IS_AS_SEEN,
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {
            ":open": to_wire(UnitState.OPEN),
            ":submission": to_wire(submission),
            ":child": to_wire(child),
            ":lane": to_wire(lane),
            ":allowed": to_wire(seen.attempt + attempts),
            ":none": to_wire(""),
            **_seen_values(seen),
        },
    }
    open_marker = {"pk": key.pk, "sk": table_keys.open_marker(key.index), "kind": "OPEN"}
    failed_key = item_to_wire({"pk": key.pk, "sk": table_keys.failed_marker(key.index)})
    return [
        {"Update": update},
        {"Put": {"TableName": table, "Item": item_to_wire(open_marker)}},
        {"Delete": {"TableName": table, "Key": failed_key}},
    ]


def end_from_outside(
    table: str, key: UnitKey, seen: Unit, *, state: UnitState, fence: str, failure: Item | None
) -> list[Request]:
    """Entries of the transaction by which the service ends a unit that is as it was `seen`, as FAILED or CANCELLED.

    The new `fence` makes every later write of the old holder fail.
    """
    if state not in (UnitState.FAILED, UnitState.CANCELLED):
        raise ValueError(f"the service must end a unit as FAILED or CANCELLED but got {state}")
    update = {
        "TableName": table,
        "Key": key.to_wire(),
        "UpdateExpression": "SET #state = :state, fence = :fence, failure = :failure"
        " REMOVE lease_until, due_shard, due_at",
        "ConditionExpression": IS_AS_SEEN,
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {
            ":state": to_wire(state),
            ":fence": to_wire(fence),
            ":failure": to_wire(failure),
            **_seen_values(seen),
        },
    }
    return [{"Update": update}, *_move_marker(table, key, state)]


# The claim is still ours: same fence, and nobody ended the unit.
HOLDS_CLAIM = "#state = :is_claimed AND fence = :is_fence"
# Nothing happened since we looked: a claim, a commit or another reconciler would have changed one of these.
IS_AS_SEEN = "#state = :is_state AND fence = :is_fence AND attempt = :is_attempt"


def _claim_values(fence: str) -> dict[str, dict[str, Any]]:
    return {":is_claimed": to_wire(UnitState.CLAIMED), ":is_fence": to_wire(fence)}


def _seen_values(seen: Unit) -> dict[str, dict[str, Any]]:
    return {":is_state": to_wire(seen.state), ":is_fence": to_wire(seen.fence), ":is_attempt": to_wire(seen.attempt)}


def _move_marker(table: str, key: UnitKey, state: UnitState) -> list[Request]:
    """A segment that ends loses its OPEN marker; one that fails gets a FAILED marker."""
    if key.kind is not UnitKind.SEGMENT:
        return []
    open_key = item_to_wire({"pk": key.pk, "sk": table_keys.open_marker(key.index)})
    moves: list[Request] = [{"Delete": {"TableName": table, "Key": open_key}}]
    if state is UnitState.FAILED:
        marker = {"pk": key.pk, "sk": table_keys.failed_marker(key.index), "kind": "FAILED"}
        moves.append({"Put": {"TableName": table, "Item": item_to_wire(marker)}})
    return moves
