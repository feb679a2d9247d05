"""Blocks: what is packed comes back, bytes of every format stay readable, and what is damaged is refused."""

from __future__ import annotations

import itertools
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

from chalicelib.contracts import block_format_1
from chalicelib.contracts.block_columns import HEADER
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
from tests.contracts.block_makers import a_block, a_walk, blocks, make_block

GOLDEN = Path(__file__).parent / "golden"
GOLDEN_FORMAT_1 = (GOLDEN / "block_format_1.bin").read_bytes()
"""What release 0.1 wrote for `a_block()`; never written anew: old results stay readable."""
GOLDEN_FORMAT_2 = (GOLDEN / "block_format_2.bin").read_bytes()
"""What was written for `a_walk()` when format 2 was new; never written anew."""
GOLDENS = pytest.mark.parametrize(
    ("golden", "block"), [(GOLDEN_FORMAT_1, a_block()), (GOLDEN_FORMAT_2, a_walk())], ids=["format 1", "format 2"]
)


def format_of(packed: bytes) -> int:
    return zlib.decompress(packed)[4]


@given(blocks())
def test_an_unpacked_block_equals_the_packed_one(block: Block) -> None:
    assert unpack_block(pack_block(block)) == block


@GOLDENS
def test_bytes_of_every_format_are_read_as_they_were_meant(golden: bytes, block: Block) -> None:
    assert unpack_block(golden) == block


@GOLDENS
def test_bytes_of_every_format_are_still_written_the_same(golden: bytes, block: Block) -> None:
    # Compared unpacked: another version of zlib may choose other bytes for the same content.
    assert zlib.decompress(pack_block(block)) == zlib.decompress(golden)


def test_the_layout_of_format_1_is_the_one_that_its_docstring_states() -> None:
    block = make_block(Fraction(1, 25), ["dog"], [(7, 0, 3, 1, [(0, 0x1234, 1, 2, 3, 0x01020304)])])
    expected = b"".join(
        [
            struct.pack("<4sBBHIIII", b"RSB1", 1, 0, 1, 1, 25, 1, 1),
            struct.pack("<H", 3) + b"dog",
            struct.pack("<qHIHB", 7, 0, 3, 1, 1),
            struct.pack("<HHiiii", 0, 0x1234, 1, 2, 3, 0x01020304),
        ]
    )
    assert zlib.decompress(block_format_1.pack(block)) == expected


def test_the_layout_of_format_2_is_the_one_that_its_docstring_states() -> None:
    # Two dogs that cross: each frame has the other one first.
    first, second = (0, 9000, 16, 32, 48, 64), (0, 8000, 1600, 32, 2080, 640)
    block = make_block(
        Fraction(1, 25),
        ["dog"],
        [(7, 0, 3, 0, [first, second]), (9, 0, 4, 1, [(0, 9000, 1616, 32, 2096, 640), (0, 8000, 32, 32, 48, 64)])],
    )
    expected = b"".join(
        [
            struct.pack("<4sBBHIIII", b"RSB1", 2, 0, 1, 1, 25, 2, 4),
            # Scores in steps of 1000, boxes of 2 ** 4; four columns in a word; 2 runs, no exchange.
            struct.pack("<HHBB5BII", 1000, 9, 4, 4, 1, 1, 1, 1, 1, 2, 0),
            struct.pack("<H", 3) + b"dog",
            struct.pack("<IqqI", 1, 7, 2, 2),
            struct.pack("<IqqI", 1, 3, 1, 2),
            struct.pack("<IqqI", 1, 0, 0, 2),
            struct.pack("<IqqI", 1, 0, 1, 2),
            struct.pack("<I", 4),
            # Both runs start in frame 0, the second one two frames before the end of the first.
            planes(array("i", [0, -2])) + planes(array("H", [2, 2])),
            # Below the best score, then x1, y1, x2, y2: each as the step from the row before.
            *(
                bytes(step + 128 for step in steps)
                for steps in ([0, 1, 0, -1], [1, 1, 98, 1], [2, 0, 0, 0], [3, 0, 127, 1], [4, 0, 36, 0])
            ),
        ]
    )
    assert zlib.decompress(pack_block(block)) == expected


@pytest.mark.parametrize(("step", "shift"), [(4, 2), (8, 3), (16, 4), (32, 5), (64, 5)])
def test_a_block_states_the_step_that_its_boxes_are_rounded_to(step: int, shift: int) -> None:
    rows = [(0, 9000 - at, at * step, step, (at + 7) * step, 9 * step) for at in range(20)]
    packed = pack_block(make_block(Fraction(1, 25), ["dog"], [(0, 0, 0, 0, rows)]))
    assert zlib.decompress(packed)[HEADER.size + 4] == shift
    assert list(unpack_block(packed).x1) == [at * step for at in range(20)]


def test_rows_that_keep_their_thing_take_hardly_any_room() -> None:
    frames = [(512 * at, 0, at, 0, [(0, 9000, 16 * at, 160, 16 * at + 640, 960)]) for at in range(120)]
    assert len(pack_block(make_block(Fraction(1, 15360), ["dog"], frames))) < 200


@pytest.mark.parametrize(
    ("block", "number"),
    [
        (a_walk(), 2),
        (make_block(Fraction(1, 25), ["dog"], [(0, 0, 0, 0, [])]), 1),
        (make_block(Fraction(1, 25), ["dog"], [(0, 0, 0, 0, [(0, 1, -1, 0, 1, 1)])]), 1),
        (make_block(Fraction(1, 25), ["dog"], [(0, 0, 0, 0, [(0, 1, 0, 0, 2**31 - 1, 1)])]), 1),
        (make_block(Fraction(1, 25), ["dog"], [(0, 0, 0, 0, [(0, 1, 0, 0, 16 * 8000, 16 * 5000)])]), 2),
        (make_block(Fraction(1, 25), ["dog"], [(at, 0, at, 0, []) for at in range(0x7F01)]), 1),
        (make_block(Fraction(1, 25), ["dog"], []), 1),
    ],
    ids=["a walk", "no rows", "a negative side", "a side of 31 bits", "a side of 17 bits", "many frames", "no frames"],
)
def test_every_block_is_read_as_it_was_whatever_format_it_needs(block: Block, number: int) -> None:
    packed = pack_block(block)
    assert (format_of(packed), unpack_block(packed)) == (number, block)


def test_a_block_may_have_as_many_labels_as_two_bytes_can_tell() -> None:
    names = [f"label {number:05d}" for number in range(0xFFFF)]
    rows = [(label, 9000 - at, at, 0, at + 16, 16) for at, label in enumerate((0, 0xFFFE, 300))]
    block = make_block(Fraction(1, 25), names, [(0, 0, 0, 0, rows)])
    assert (format_of(pack_block(block)), unpack_block(pack_block(block))) == (2, block)


def test_a_column_is_stored_as_planes_of_bytes() -> None:
    column = array("H", [0x0102, 0x0304, 0x0506])
    assert planes(column) == bytes([2, 4, 6, 1, 3, 5])
    assert unplane("H", planes(column)) == column


@GOLDENS
def test_one_damaged_byte_never_changes_what_is_read(golden: bytes, block: Block) -> None:
    refused = 0
    for position, change in itertools.product(range(len(golden)), range(1, 256)):
        damaged = bytearray(golden)
        damaged[position] ^= change
        try:
            read = unpack_block(bytes(damaged))
        except BadBlock:
            refused += 1
            continue
        # A code of zlib's may be written in several ways, and a few bits of its header mean nothing.
        assert read == block, (position, change)
    assert refused > 0.99 * 255 * len(golden)


@GOLDENS
def test_a_block_that_breaks_off_is_refused(golden: bytes, block: Block) -> None:
    for kept in range(0, len(golden), 7):
        with pytest.raises(BadBlock):
            unpack_block(golden[:kept])


@GOLDENS
@settings(max_examples=400)
@given(data=st.data())
def test_wrong_columns_are_refused_or_read_but_never_crash_the_reader(
    golden: bytes, block: Block, data: st.DataObject
) -> None:
    raw = bytearray(zlib.decompress(golden))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))
    try:
        read = unpack_block(zlib.compress(bytes(raw[:end]), 1))
    except BadBlock:
        return
    assert set(read.label_statistics()) <= set(read.labels)


@pytest.mark.parametrize("version", [0, 3, 255])
def test_a_block_of_another_format_is_refused_by_number(version: int) -> None:
    raw = bytearray(zlib.decompress(GOLDEN_FORMAT_1))
    raw[4] = version
    with pytest.raises(BadBlock, match=f"must be of format 1 or 2 but got b'RSB1' {version}"):
        unpack_block(zlib.compress(bytes(raw)))


@GOLDENS
def test_bytes_after_the_last_column_are_refused(golden: bytes, block: Block) -> None:
    with pytest.raises(BadBlock, match=r"bytes"):
        unpack_block(zlib.compress(zlib.decompress(golden) + b"\0"))


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
    assert analysis_id(**ANALYSIS) == "6cfa5ce3a31b4f2aede31db944927ac4"  # type: ignore[arg-type]


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
