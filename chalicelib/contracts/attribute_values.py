"""Plain Python values to DynamoDB's typed attribute values and back, without boto3.

Numbers: `int` and `float` (written with `repr`, so that a float comes back as itself); no Decimal anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Item = dict[str, Any]
"""Plain values by attribute name."""
WireItem = dict[str, dict[str, Any]]
"""Typed attribute values by attribute name, as the low-level client takes and gives them."""


def to_wire(value: Any) -> dict[str, Any]:
    """One typed attribute value.

    Raises:
        TypeError: the value is of a kind that no item may hold.
    """
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": str(value)}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"B": bytes(value)}
    if isinstance(value, Mapping):
        return {"M": {str(name): to_wire(inner) for name, inner in value.items()}}
    if isinstance(value, list | tuple):
        return {"L": [to_wire(inner) for inner in value]}
    raise TypeError(f"an item can hold text, numbers, bytes, lists and maps but got {type(value).__name__}")


def from_wire(value: Mapping[str, Any]) -> Any:
    """The plain value of one typed attribute value."""
    ((kind, inner),) = value.items()
    match kind:
        case "S" | "BOOL":
            return inner
        case "N":
            return float(inner) if "." in inner or "e" in inner.lower() else int(inner)
        case "B":
            return bytes(inner)
        case "NULL":
            return None
        case "M":
            return {name: from_wire(item) for name, item in inner.items()}
        case "L":
            return [from_wire(item) for item in inner]
    raise TypeError(f"no item of ours holds an attribute of type {kind}")


def item_to_wire(item: Mapping[str, Any]) -> WireItem:
    """An item for the low-level client; attributes that are None are left out."""
    return {name: to_wire(value) for name, value in item.items() if value is not None}


def item_from_wire(item: Mapping[str, Mapping[str, Any]]) -> Item:
    """An item as plain values."""
    return {name: from_wire(value) for name, value in item.items()}
