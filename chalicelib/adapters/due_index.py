"""The sparse, sharded index of what is due, in DynamoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from chalicelib.adapters.table import ConditionFailed, Table
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import item_to_wire
from chalicelib.domain.ids import TenantId
from chalicelib.domain.side_steps import StepName
from chalicelib.domain.units import UnitKind
from chalicelib.services.ports import Due, Owner

SORT_KEY_BY_PREFIX = {
    "vid": table_keys.VIDEO,
    "job": table_keys.JOB,
    "mdl": table_keys.MODEL,
    "cmp": table_keys.CAMPAIGN,
    "run": table_keys.RUN,
}
"""What is due of an owner, by the kind of its id."""


class DynamoDueIndex:
    """The port `DueIndex`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def list_due(self, now: datetime, limit: int) -> Sequence[Due]:
        keys: list[dict[str, Any]] = []
        for shard in range(table_keys.DUE_SHARDS):
            values = {":shard": f"due#{shard}", ":now": now.timestamp()}
            condition = "due_shard = :shard AND due_at <= :now"
            keys += self._meta.query_index(table_keys.DUE_INDEX, condition, values, limit=limit)
        keys.sort(key=lambda key: float(key["due_at"]))
        return [_due(key["pk"], key["sk"]) for key in keys[:limit]]

    def postpone(self, due: Due, due_at: datetime) -> None:
        request = {
            "TableName": self._meta.name,
            "Key": item_to_wire(_key(due)),
            "UpdateExpression": "SET due_at = :due",
            # What has ended in the meantime must not become due again.
            "ConditionExpression": "attribute_exists(due_at)",
            "ExpressionAttributeValues": item_to_wire({":due": due_at.timestamp()}),
        }
        try:
            self._meta.update(request)
        except ConditionFailed:
            return


def _due(pk: str, sk: str) -> Due:
    tenant, name = table_keys.parse_partition(pk)
    if name.startswith(table_keys.COSTS_PREFIX):
        return Due(Owner(TenantId(tenant), name.removeprefix(table_keys.COSTS_PREFIX)), is_costs=True)
    side = table_keys.parse_side_step(sk)
    return Due(Owner(TenantId(tenant), name), StepName(UnitKind(side[0]), side[1]) if side else None)


def _key(due: Due) -> dict[str, str]:
    if due.is_costs:
        return table_keys.total_key(due.owner.tenant, due.owner.name)
    pk = table_keys.partition(due.owner.tenant, due.owner.name)
    if due.step is not None:
        return {"pk": pk, "sk": table_keys.side_step(due.step.kind, due.step.name)}
    return {"pk": pk, "sk": SORT_KEY_BY_PREFIX[due.owner.name.partition("_")[0]]}
