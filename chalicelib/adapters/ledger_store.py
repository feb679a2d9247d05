"""Budgets in DynamoDB: a reservation and the two ledgers that it counts in are written together, or none is.

Amounts are added to the ledgers, which is safe here: the transaction that adds also makes (or settles) the reservation,
on condition that it was not made (or settled), so that whatever is sent twice counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.adapters.table import ConditionFailed, Table
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item, item_to_wire
from chalicelib.contracts.cost_items import (
    NO_CAP,
    cap_from_number,
    cap_to_number,
    kept_until,
    ledger_from_item,
    reservation_from_item,
    reservation_to_item,
)
from chalicelib.contracts.table_keys import Key
from chalicelib.domain.budgets import Budget, Decision, Ledger, Reservation, ReservationState, Verdict
from chalicelib.domain.errors import DependencyFailed
from chalicelib.domain.ids import TenantId

TRIES = 20
"""Of a reservation whose ledger changed while it was looked at."""
PAUSES = (0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0)
"""Seconds between tries while other transactions are at the ledger of the same tenant: it is one item, and takes about
a hundred of them a second."""


class DynamoLedgerStore:
    """The port `LedgerStore`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def get_budget(self, tenant: TenantId) -> Budget:
        key = table_keys.budget_key(tenant)
        item = self._meta.get(key["pk"], key["sk"])
        return Budget(cap_from_number(item["monthly_nano"]) if item else None)

    def set_budget(self, tenant: TenantId, budget: Budget, month: str, cap_nano_usd: int | None) -> None:
        item = {
            **table_keys.budget_key(tenant),
            "kind": "BUDGET",
            "monthly_nano": cap_to_number(budget.monthly_nano_usd),
        }
        set_cap = self._update(
            table_keys.ledger_key(tenant, month),
            "SET #kind = :kind, cap_nano = :cap",
            {":kind": "LEDGER", ":cap": cap_to_number(cap_nano_usd)},
            names={"#kind": "kind"},
        )
        self._meta.transact([self._meta.put_entry(item), set_cap], PAUSES)

    def get_month(self, tenant: TenantId, month: str) -> Ledger | None:
        key = table_keys.ledger_key(tenant, month)
        return ledger_from_item(self._meta.get(key["pk"], key["sk"]))

    def get_total(self, tenant: TenantId, owner: str) -> Ledger:
        key = table_keys.total_key(tenant, owner)
        return ledger_from_item(self._meta.get(key["pk"], key["sk"])) or Ledger()

    def reserve(
        self,
        reservation: Reservation,
        *,
        default_cap_nano_usd: int | None,
        job_cap_nano_usd: int | None,
        due_at: datetime,
    ) -> Decision:
        month_key = table_keys.ledger_key(reservation.tenant, reservation.month)
        total_key = table_keys.total_key(reservation.tenant, reservation.owner)
        item = reservation_to_item(reservation)
        for _ in range(TRIES):
            month, total, reserved = self._look(reservation, default_cap_nano_usd, job_cap_nano_usd)
            verdict = _decide(reservation, month, total, reserved)
            if verdict is not None:
                return Decision(verdict, month, total)
            due = {":shard": table_keys.due_shard(total_key["pk"]), ":due": due_at.timestamp()}
            entries = [
                self._raise(month_key, "LEDGER", reservation.nano_usd, month, is_cap_kept=True),
                self._raise(total_key, "TOTAL", reservation.nano_usd, total, is_cap_kept=False, due=due),
                # Nobody reserved for this submission.
                self._meta.put_entry(item, "attribute_not_exists(pk)"),
            ]
            try:
                self._meta.transact(entries, PAUSES)
            except ConditionFailed:
                # Somebody reserved, settled or set a cap since we read: decide anew.
                continue
            return Decision(Verdict.RESERVED, month, total)
        raise DependencyFailed(f"the ledger of tenant {reservation.tenant} changed in {TRIES} tries at it")

    def settle(self, reservation: Reservation, committed_nano_usd: int) -> bool:
        amounts = {
            ":reserved": reservation.nano_usd,
            ":committed": committed_nano_usd,
            ":freed": reservation.nano_usd - committed_nano_usd,
            ":none": 0,
        }
        lower = (
            "SET reserved_nano = reserved_nano - :reserved,"
            " committed_nano = if_not_exists(committed_nano, :none) + :committed, used_nano = used_nano - :freed"
        )
        key = table_keys.reservation_key(reservation.tenant, reservation.owner, reservation.submission_id)
        over = self._update(
            key,
            "SET #state = :settled, committed_nano = :committed, expires_at = :expires",
            {
                ":settled": ReservationState.SETTLED,
                ":open": ReservationState.OPEN,
                ":committed": committed_nano_usd,
                ":expires": kept_until(reservation.month),
            },
            # Nobody settled it.
            condition="#state = :open",
            names={"#state": "state"},
        )
        month = self._update(table_keys.ledger_key(reservation.tenant, reservation.month), lower, amounts)
        total = self._update(table_keys.total_key(reservation.tenant, reservation.owner), lower, amounts)
        try:
            self._meta.transact([over, month, total], PAUSES)
        except ConditionFailed:
            return False
        return True

    def list_reservations(self, tenant: TenantId, owner: str) -> Sequence[Reservation]:
        pk = table_keys.total_key(tenant, owner)["pk"]
        items = self._meta.query(pk, table_keys.RESERVATION_PREFIX)
        return [reservation_from_item(tenant, owner, item) for item in items]

    def rest(self, tenant: TenantId, owner: str) -> None:
        request = self._update(
            table_keys.total_key(tenant, owner),
            "REMOVE due_shard, due_at",
            {":none": 0},
            # Nothing was reserved meanwhile.
            condition="reserved_nano = :none",
        )["Update"]
        try:
            self._meta.update(request)
        except ConditionFailed:
            return

    def _raise(
        self, key: Key, kind: str, nano_usd: int, seen: Ledger, *, is_cap_kept: bool, due: Item | None = None
    ) -> dict[str, Any]:
        """Reserve so much in one ledger, if that is allowed as it was seen."""
        cap = cap_to_number(seen.cap_nano_usd)
        values: Item = {":kind": kind, ":cap": cap, ":amount": nano_usd, ":none": 0, **(due or {})}
        conditions = []
        if cap != NO_CAP:
            values[":room"] = cap - nano_usd
            # What others reserved meanwhile leaves room for it.
            conditions.append("(attribute_not_exists(used_nano) OR used_nano <= :room)")
        if is_cap_kept:
            # The cap is still the one that was looked at.
            conditions.append("(attribute_not_exists(cap_nano) OR cap_nano = :cap)")
        expression = (
            "SET #kind = :kind, cap_nano = :cap, reserved_nano = if_not_exists(reserved_nano, :none) + :amount,"
            " committed_nano = if_not_exists(committed_nano, :none),"
            " used_nano = if_not_exists(used_nano, :none) + :amount"
        )
        if due:
            expression += ", due_shard = :shard, due_at = if_not_exists(due_at, :due)"
        return self._update(key, expression, values, condition=" AND ".join(conditions), names={"#kind": "kind"})

    def _look(
        self, reservation: Reservation, default_cap: int | None, job_cap: int | None
    ) -> tuple[Ledger, Ledger, Item | None]:
        """The ledgers of the month and of the owner, and the reservation itself: one read."""
        tenant = reservation.tenant
        keys = (
            table_keys.budget_key(tenant),
            table_keys.ledger_key(tenant, reservation.month),
            table_keys.total_key(tenant, reservation.owner),
            table_keys.reservation_key(tenant, reservation.owner, reservation.submission_id),
        )
        budget_item, month_item, total_item, reserved = self._read(*keys)
        budget = Budget(cap_from_number(budget_item["monthly_nano"])) if budget_item else Budget()
        month = ledger_from_item(month_item) or Ledger(budget.cap(default_cap))
        total = replace(ledger_from_item(total_item) or Ledger(), cap_nano_usd=job_cap)
        return month, total, reserved

    def _read(self, *keys: Key) -> list[Item | None]:
        pairs = [(key["pk"], key["sk"]) for key in keys]
        found = {(item["pk"], item["sk"]): item for item in self._meta.get_many(pairs, is_consistent=True)}
        return [found.get(pair) for pair in pairs]

    def _update(
        self, key: Key, expression: str, values: Item, *, condition: str = "", names: dict[str, str] | None = None
    ) -> dict[str, Any]:
        update: dict[str, Any] = {
            "TableName": self._meta.name,
            "Key": item_to_wire(key),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": item_to_wire(values),
        }
        if condition:
            update["ConditionExpression"] = condition
        if names:
            update["ExpressionAttributeNames"] = names
        return {"Update": update}


def _decide(reservation: Reservation, month: Ledger, total: Ledger, reserved: Item | None) -> Verdict | None:
    """The verdict that needs no write; None when there is money to be set aside."""
    if reserved is not None:
        return Verdict.RESERVED
    if not month.allows(reservation.nano_usd):
        return Verdict.OVER_MONTH
    if not total.allows(reservation.nano_usd):
        return Verdict.OVER_JOB
    return None
