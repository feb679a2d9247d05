"""What DynamoDB charges to write an item."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

UNIT_BYTES = 1024
"""Of a write unit, each started one counted. Source: DynamoDB's read and write units."""


def write_units(item: Mapping[str, Any], *, in_transaction: bool = False) -> int:
    """Units of one write of an item, given as plain values; a write in a transaction costs twice."""
    return math.ceil(item_bytes(item) / UNIT_BYTES) * (2 if in_transaction else 1)


def item_bytes(item: Mapping[str, Any]) -> int:
    """Bytes of an item: names and values; attributes that are None are not written.

    Source: "DynamoDB item sizes and formats" in the developer guide.
    """
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items() if value is not None)


def value_bytes(value: object) -> int:
    """Bytes of one value."""
    match value:
        case None | bool():
            return 1
        case str():
            return len(value.encode())
        case bytes() | bytearray():
            return len(value)
        case int() | float():
            return _number_bytes(value)
        case Mapping():
            # Names and values count, and one byte for each pair.
            return 3 + sum(len(str(name).encode()) + value_bytes(inner) + 1 for name, inner in value.items())
        case list() | tuple():
            return 3 + sum(value_bytes(inner) + 1 for inner in value)
    raise TypeError(f"an item can hold text, numbers, bytes, lists and maps but got {type(value).__name__}")


def _number_bytes(value: float) -> int:
    """One byte for two significant digits, one more, and one for a sign."""
    mantissa = repr(value).lower().partition("e")[0].lstrip("-")
    digits = mantissa.replace(".", "").strip("0")
    return -(-len(digits) // 2) + 1 + (value < 0)
