"""A DynamoDB client in memory that says what each read would have cost, as DynamoDB counts it.

Source: Amazon DynamoDB Developer Guide, "DynamoDB read and write operations": a read unit is 4 KB read consistently,
half a unit otherwise. GetItem and every item of BatchGetItem are rounded up by themselves, the items of a Query
together; an item that is not there costs as much as a small one. The size of an item is that of its names and values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from chalicelib.contracts.attribute_values import Item, item_from_wire, item_to_wire

UNIT_BYTES = 4096
Find = Callable[[str, str, str], Item | None]
"""(table, pk, sk) → the item."""


@dataclass(slots=True)
class Meter:
    """What was read."""

    units: float = 0.0
    requests: int = 0
    items: int = 0
    units_by_kind: dict[str, float] = field(default_factory=dict)


class MeteredClient:
    """The reads of a client of DynamoDB."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self.meter = Meter()

    def get_item(self, *, TableName: str, Key: Any, ConsistentRead: bool = False) -> dict[str, Any]:  # noqa: N803
        """GetItem."""
        self.meter.requests += 1
        item = self._read(TableName, Key, is_consistent=ConsistentRead)
        return {"Item": item_to_wire(item)} if item else {}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        """BatchGetItem."""
        self.meter.requests += 1
        answer: dict[str, list[Any]] = {}
        for table, request in RequestItems.items():
            is_consistent = request.get("ConsistentRead", False)
            found = [self._read(table, key, is_consistent=is_consistent) for key in request["Keys"]]
            answer[table] = [item_to_wire(item) for item in found if item]
        return {"Responses": answer}

    def _read(self, table: str, wire_key: Any, *, is_consistent: bool) -> Item | None:
        key = item_from_wire(wire_key)
        item = self._find(table, key["pk"], key["sk"])
        units = max(1, ceil(size_bytes(item or {}) / UNIT_BYTES)) * (1.0 if is_consistent else 0.5)
        kind = str((item or {}).get("kind", "missing"))
        self.meter.items += 1
        self.meter.units += units
        self.meter.units_by_kind[kind] = self.meter.units_by_kind.get(kind, 0.0) + units
        return item


def size_bytes(item: Mapping[str, Any]) -> int:
    """The size of an item as DynamoDB counts it."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items() if value is not None)


def _value_bytes(value: Any) -> int:
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, int | float):
        return 1 + (len(repr(value).strip("-0.")) + 1) // 2
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Mapping):
        return 3 + sum(1 + len(name.encode()) + _value_bytes(inner) for name, inner in value.items())
    return 3 + sum(1 + _value_bytes(inner) for inner in value)
