"""Typed attribute values: plain values come back as themselves, and as boto3's own serializer writes them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contracts.attribute_values import from_wire, item_from_wire, item_to_wire, to_wire
from chalicelib.domain.jobs import JobState
from tests.contracts.domain_objects import json_values


@given(json_values)
def test_a_value_comes_back_as_itself(value: Any) -> None:
    assert from_wire(to_wire(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_comes_back_as_the_same_float(value: float) -> None:
    read = from_wire(to_wire(value))
    assert (type(read), read) == (float, value)


@given(st.integers(-(10**37), 10**37))
def test_an_integer_comes_back_as_an_integer(value: int) -> None:
    read = from_wire(to_wire(value))
    assert (type(read), read) == (int, value)


@given(st.binary())
def test_bytes_come_back_as_bytes(value: bytes) -> None:
    assert from_wire(to_wire(memoryview(value))) == value


@given(st.integers(-(2**60), 2**60) | st.text() | st.booleans() | st.none())
def test_boto3_reads_what_is_written(value: Any) -> None:
    wire: Any = to_wire(value)
    read = TypeDeserializer().deserialize(wire)
    assert (Decimal(value) if type(value) is int else value) == read


def test_true_is_no_number() -> None:
    assert to_wire(True) == {"BOOL": True}


def test_an_enum_is_written_as_its_wire_string() -> None:
    written = to_wire(JobState.RUNNING)["S"]
    assert (type(written), written) == (str, "RUNNING")


def test_a_tuple_comes_back_as_a_list() -> None:
    assert from_wire(to_wire((1, (2, 3)))) == [1, [2, 3]]


def test_an_attribute_that_is_none_is_left_out_of_the_item() -> None:
    assert item_to_wire({"a": None, "b": {"c": None}}) == {"b": {"M": {"c": {"NULL": True}}}}


def test_a_number_that_dynamodb_shortened_to_whole_is_read_as_an_integer() -> None:
    # DynamoDB stores 2.0 as 2: whoever needs a float says so when it reads.
    assert type(from_wire({"N": "2"})) is int


@pytest.mark.parametrize("value", [object(), {1, 2}, Decimal(1)], ids=["object", "set", "decimal"])
def test_what_no_item_may_hold_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=f"but got {type(value).__name__}"):
        to_wire(value)


def test_a_foreign_attribute_type_is_refused() -> None:
    with pytest.raises(TypeError, match="type SS"):
        item_from_wire({"set": {"SS": ["a"]}})
