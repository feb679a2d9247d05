"""RATE items in DynamoDB: what the last jobs of a tenant took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.adapters.table import ConditionFailed, Table
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import item_to_wire
from chalicelib.contracts.cost_items import observations_from_text, observations_to_text
from chalicelib.domain.errors import DependencyFailed
from chalicelib.domain.ids import TenantId
from chalicelib.domain.rates import Observation, Observations

TRIES = 10
"""Of jobs that end at the same moment."""


class DynamoRateStore:
    """The port `RateStore`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def get(self, tenant: TenantId) -> Mapping[str, Observations]:
        return {name: observations for name, (observations, _) in self._read(tenant).items()}

    def add(self, tenant: TenantId, seen: Mapping[str, Observation]) -> None:
        for _ in range(TRIES):
            stored = self._read(tenant)
            changed = []
            for name, observation in sorted(seen.items()):
                before, revision = stored.get(name, (Observations(), 0))
                after = before.add(observation)
                if after != before:
                    changed.append(self._put(tenant, name, after, revision))
            if not changed:
                return
            try:
                self._meta.transact(changed)
            except ConditionFailed:
                # Another job ended and told the same rates: read them again.
                continue
            return
        raise DependencyFailed(f"the rates of tenant {tenant} changed in {TRIES} tries at them")

    def _read(self, tenant: TenantId) -> dict[str, tuple[Observations, int]]:
        pk = table_keys.partition(tenant, "rates")
        return {
            item["sk"].removeprefix(table_keys.RATE_PREFIX): (
                observations_from_text(item["observations"]),
                item["revision"],
            )
            for item in self._meta.query(pk, table_keys.RATE_PREFIX)
        }

    def _put(self, tenant: TenantId, name: str, observations: Observations, seen_revision: int) -> dict[str, Any]:
        item = {
            "pk": table_keys.partition(tenant, "rates"),
            "sk": table_keys.RATE_PREFIX + name,
            "kind": "RATE",
            "revision": seen_revision + 1,
            "observations": observations_to_text(observations),
        }
        # Nobody wrote since we read.
        condition = "revision = :seen" if seen_revision else "attribute_not_exists(pk)"
        entry = self._meta.put_entry(item, condition)
        if seen_revision:
            entry["Put"]["ExpressionAttributeValues"] = item_to_wire({":seen": seen_revision})
        return entry
