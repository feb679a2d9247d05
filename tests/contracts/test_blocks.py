"""Blocks: what is packed comes back, the bytes of format 1 stay readable, and what is damaged is refused."""

from __future__ import annotations

import json
import struct
import zlib
from array import array
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.contracts.blocks import (
    BadBlock,
    Block,
    BlockRef,
    analysis_id,
    make_ref,
    pack_block,
    planes,
    unpack_block,
    unplane,
)
from tests.contracts.block_makers import a_block, blocks, make_block

GOLDEN_FORMAT_1 = (Path(__file__).parent / "golden" / "block_format_1.bin").read_bytes()
"""What release 0.1 wrote for `a_block()`; never written anew: old results stay readable."""


@given(blocks())
def test_an_unpacked_block_equals_the_packed_one(block: Block) -> None:
    assert unpack_block(pack_block(block)) == block


def test_bytes_of_format_1_are_read_as_they_were_meant() -> None:
    assert unpack_block(GOLDEN_FORMAT_1) == a_block()


def test_bytes_of_format_1_are_still_written_the_same() -> None:
    # Compared unpacked: another version of zlib may choose other bytes for the same content.
    assert zlib.decompress(pack_block(a_block())) == zlib.decompress(GOLDEN_FORMAT_1)


def test_the_layout_is_the_one_that_the_docstring_states() -> None:
    block = make_block(Fraction(1, 25), ["dog"], [(7, 0, 3, 1, [(0, 0x1234, 1, 2, 3, 0x01020304)])])
    expected = b"".join(
        [
            struct.pack("<4sBBHIIII", b"RSB1", 1, 0, 1, 1, 25, 1, 1),
            struct.pack("<H", 3) + b"dog",
            struct.pack("<qHIHB", 7, 0, 3, 1, 1),
            struct.pack("<HHiiii", 0, 0x1234, 1, 2, 3, 0x01020304),
        ]
    )
    assert zlib.decompress(pack_block(block)) == expected


def test_a_column_is_stored_as_planes_of_bytes() -> None:
    column = array("H", [0x0102, 0x0304, 0x0506])
    assert planes(column) == bytes([2, 4, 6, 1, 3, 5])
    assert unplane("H", planes(column)) == column


@given(st.integers(0, len(GOLDEN_FORMAT_1) - 1), st.integers(1, 255))
def test_one_damaged_byte_never_changes_what_is_read(position: int, change: int) -> None:
    damaged = bytearray(GOLDEN_FORMAT_1)
    damaged[position] ^= change
    try:
        read = unpack_block(bytes(damaged))
    except BadBlock:
        return
    # A few bits of zlib's header mean nothing to the one who unpacks.
    assert (read, position) == (a_block(), 1)


@pytest.mark.parametrize("kept", range(0, len(GOLDEN_FORMAT_1), 7))
def test_a_block_that_breaks_off_is_refused(kept: int) -> None:
    with pytest.raises(BadBlock):
        unpack_block(GOLDEN_FORMAT_1[:kept])


@settings(max_examples=300)
@given(st.data())
def test_wrong_columns_are_refused_or_read_but_never_crash_the_reader(data: st.DataObject) -> None:
    raw = bytearray(zlib.decompress(GOLDEN_FORMAT_1))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(raw)))
    try:
        read = unpack_block(zlib.compress(bytes(raw[:end])))
    except BadBlock:
        return
    assert set(read.label_statistics()) <= set(read.labels)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_a_block_of_another_format_is_refused_by_number(version: int) -> None:
    raw = bytearray(zlib.decompress(GOLDEN_FORMAT_1))
    raw[4] = version
    with pytest.raises(BadBlock, match=f"must be of format 1 but got b'RSB1' {version}"):
        unpack_block(zlib.compress(bytes(raw)))


def test_bytes_after_the_last_column_are_refused() -> None:
    with pytest.raises(BadBlock, match="bytes long"):
        unpack_block(zlib.compress(zlib.decompress(GOLDEN_FORMAT_1) + b"\0"))


def test_counts_that_do_not_add_up_to_the_rows_are_refused() -> None:
    with pytest.raises(BadBlock, match="the sum of the frames' counts"):
        replace(a_block(), counts=array("H", [1, 0, 1]))


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(BadBlock, match="every frame column must have 3 entries"):
        replace(a_block(), flags=array("B", [0, 0]))


def test_statistics_give_rows_and_best_score_by_label() -> None:
    assert a_block().label_statistics() == {"person": (2, 9876), "fahrrad ü": (1, 2000)}


def test_statistics_leave_out_a_label_without_a_row() -> None:
    block = make_block(Fraction(1, 25), ["bus", "dog"], [(0, 0, 0, 0, [(1, 5000, 0, 0, 1, 1)])])
    assert block.label_statistics() == {"dog": (1, 5000)}


def test_a_reference_says_what_is_known_without_reading_the_block() -> None:
    ref = make_ref(a_block(), b"the bytes", "head")
    assert ref == BlockRef(
        sk="head",
        sha256="ed589341c9fd5da96aaff4c5efa008226282a716186608d5a032ac75895a9c2f",
        first_pts=-512,
        last_pts=0,
        frames=3,
        rows=3,
        labels={"person": (2, 9876), "fahrrad ü": (1, 2000)},
    )


def test_a_reference_survives_json() -> None:
    ref = make_ref(a_block(), b"the bytes", "head")
    assert BlockRef.from_json(json.loads(json.dumps(ref.to_json()))) == ref


ANALYSIS = {
    "model_sha256": "aa" * 32,
    "preprocessing": 1,
    "sampling": {"kind": "per_second", "n": 2},
    "provider_class": "cpu",
    "cell_rule": 1,
}


def test_an_analysis_is_named_the_same_for_ever() -> None:
    assert analysis_id(**ANALYSIS) == "083b386fe73aa4d9832b27fb8ee35ebf"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"model_sha256": "bb" * 32},
        {"preprocessing": 2},
        {"sampling": {"kind": "per_second", "n": 3}},
        {"sampling": {"kind": "every_frame"}},
        {"provider_class": "cuda"},
        {"cell_rule": 2},
    ],
    ids=str,
)
def test_whatever_can_change_a_detection_changes_the_name_of_the_analysis(change: dict[str, object]) -> None:
    assert analysis_id(**(ANALYSIS | change)) != analysis_id(**ANALYSIS)  # type: ignore[arg-type]
