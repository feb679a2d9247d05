"""Sizes of items as DynamoDB counts them."""

from __future__ import annotations

import pytest

from bench.results.item_sizes import item_bytes, value_bytes, write_units


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("ab", 2),
        ("ü", 2),
        (b"abc", 3),
        (True, 1),
        (0, 1),
        (7, 2),
        (1200, 2),
        (123, 3),
        (-123, 4),
        (0.25, 2),
        (1732633200.125, 8),
        ([], 3),
        ([1, "ab"], 3 + 2 + 1 + 2 + 1),
        ({"a": 1}, 3 + 1 + 2 + 1),
    ],
    ids=str,
)
def test_a_value_has_the_size_that_the_guide_states(value: object, size: int) -> None:
    assert value_bytes(value) == size


def test_names_count_and_what_is_none_is_not_written() -> None:
    assert item_bytes({"pk": "a", "body": b"1234", "failure": None}) == 2 + 1 + 4 + 4


@pytest.mark.parametrize(("size", "units"), [(1, 1), (1024 - 4, 1), (1025 - 4, 2)])
def test_every_started_kilobyte_is_a_unit(size: int, units: int) -> None:
    assert write_units({"body": bytes(size)}) == units
    assert write_units({"body": bytes(size)}, in_transaction=True) == 2 * units
