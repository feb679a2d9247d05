"""The packed sample table and the cell list: what one release writes, only a reader of that version reads."""

from __future__ import annotations

import json
import random
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contracts.sample_table import (
    MAX_CELL_LIST_BYTES,
    CellSamples,
    DecoderConfig,
    Description,
    SampleFlag,
    Samples,
    TransportPackets,
    WrongVersion,
    pack_cells,
    pack_chunk,
    unpack_cells,
    unpack_chunks,
)
from chalicelib.domain.cells import MAX_CELLS, Cell

GOLDEN = Path(__file__).parent / "golden"

int64s = st.integers(-(1 << 60), 1 << 60)
rows = st.tuples(
    st.integers(0, 1 << 50), st.integers(0, (1 << 32) - 1), int64s, int64s, st.integers(0, 15), st.integers(0, 255)
)


def samples_of(drawn: Sequence[tuple[int, ...]]) -> Samples:
    columns = zip(*drawn, strict=True) if drawn else [()] * 6
    return Samples(*(array(code, column) for code, column in zip("qIqqBB", columns, strict=True)))


@st.composite
def cell_samples(draw: st.DrawFn) -> CellSamples:
    drawn = draw(st.lists(rows, max_size=30))
    start = draw(int64s)
    return CellSamples(
        index=draw(st.integers(0, MAX_CELLS)),
        start_pts=start,
        end_pts=start + draw(st.integers(1, 1 << 40)),
        prev_pts=draw(st.none() | int64s),
        next_pts=draw(st.none() | int64s),
        own=draw(st.integers(0, len(drawn))),
        samples=samples_of(drawn),
    )


def a_cell(index: int = 3) -> CellSamples:
    """Four samples of a GOP with B-frames, and a tail of two."""
    shown, key = SampleFlag.SHOWN, SampleFlag.KEY
    drawn = [
        (1000, 500, 0, 0, key | shown, 0),
        (1500, 90, 512, 1536, shown, 0),
        (1700, 40, 1024, 512, shown | SampleFlag.DISPOSABLE, 0),
        (1740, 41, 1536, 1024, shown | SampleFlag.DISPOSABLE, 0),
        (1900, 480, 2048, 2560, key | shown, 1),
        (2380, 39, 2560, 2048, shown | SampleFlag.MISSING, 1),
    ]
    return CellSamples(index, 0, 2560, None, 2560, 4, samples_of(drawn))


def a_config() -> DecoderConfig:
    description = Description(extradata=b"\1\x64\0\x1f\xff", width=1920, height=1088, nal_length_size=4)
    return DecoderConfig("h264", "avc1", Fraction(1, 12800), 90, 2, (description, description))


def cells_like_a_long_video() -> list[Cell]:
    chance = random.Random(5)
    cells: list[Cell] = []
    pts, table_offset, byte_start = 0, 0, 48
    for index in range(MAX_CELLS):
        ticks, size, length = (
            chance.randrange(50_000, 90_000),
            chance.randrange(500, 3000),
            chance.randrange(1, 9_000_000),
        )
        cells.append(
            Cell(
                index, pts, pts + ticks, table_offset, size, byte_start, byte_start + length, chance.randrange(90, 300)
            )
        )
        pts, table_offset, byte_start = pts + ticks, table_offset + size, byte_start + length - chance.randrange(20_000)
    return cells


@given(st.lists(cell_samples(), max_size=4))
def test_chunks_survive_the_way_there_and_back(cells: list[CellSamples]) -> None:
    assert list(unpack_chunks(b"".join(map(pack_chunk, cells)))) == cells


def test_golden_chunk_is_read_as_it_was_written() -> None:
    assert list(unpack_chunks((GOLDEN / "sample_table_chunk.v1.bin").read_bytes())) == [a_cell()]


def test_golden_cell_list_is_read_as_it_was_written() -> None:
    cells = [Cell(0, -512, 25600, 0, 700, 48, 90_000, 51), Cell(1, 25600, 51200, 700, 650, 88_000, 170_000, 50)]
    assert unpack_cells((GOLDEN / "sample_table_cells.v1.bin").read_bytes()) == cells


def test_a_chunk_of_another_version_is_refused() -> None:
    data = bytearray(pack_chunk(a_cell()))
    data[2] = 2
    with pytest.raises(WrongVersion, match="version 1 but got 2"):
        list(unpack_chunks(bytes(data)))


def test_a_cell_list_of_another_version_is_refused() -> None:
    data = zlib.compress(json.dumps({"version": 2}).encode())
    with pytest.raises(WrongVersion, match="version 1 but got 2"):
        unpack_cells(data)


@pytest.mark.parametrize("length", [1, 20, 52, 70])
def test_a_chunk_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="must"):
        list(unpack_chunks(pack_chunk(a_cell())[:length]))


@given(st.integers(0, len(pack_chunk(a_cell())) - 1), st.integers(1, 255))
def test_a_changed_byte_never_passes_as_more_samples_than_fit(position: int, change: int) -> None:
    data = bytearray(pack_chunk(a_cell()))
    data[position] ^= change
    try:
        (cell,) = unpack_chunks(bytes(data))
    except ValueError:
        return
    assert len(cell.samples) == 6


def test_what_is_no_cell_list_is_refused() -> None:
    with pytest.raises(ValueError, match="must be zlib"):
        unpack_cells(b"cells")


def test_the_longest_cell_list_fits_where_a_planner_expects_it() -> None:
    cells = cells_like_a_long_video()
    packed = pack_cells(cells)
    assert len(packed) <= MAX_CELL_LIST_BYTES
    assert unpack_cells(packed) == cells


def test_a_video_without_cells_has_no_list() -> None:
    with pytest.raises(ValueError, match="1 to 4096 cells but got 0"):
        pack_cells([])


def test_the_byte_range_spans_samples_and_tail_but_not_what_is_missing() -> None:
    assert a_cell().byte_range == (1000, 2380)


def test_frames_counts_the_shown_ones_of_the_cell_alone() -> None:
    assert dict(a_cell().frames) == {0: 1, 512: 1, 1024: 1, 1536: 1, 2048: 1}


def test_the_decoder_configuration_is_plain_json() -> None:
    form = json.loads(json.dumps(a_config().to_json()))
    assert DecoderConfig.from_json(form) == a_config()


def test_columns_of_different_lengths_are_no_samples() -> None:
    samples = a_cell().samples
    with pytest.raises(ValueError, match="of one length"):
        Samples(samples.offsets[1:], samples.sizes, samples.dts, samples.pts, samples.flags, samples.descriptions)


@pytest.mark.parametrize("packaging", [None, TransportPackets(256, 188, 0), TransportPackets(8191, 192, 4)])
def test_the_packaging_of_samples_survives_json(packaging: TransportPackets | None) -> None:
    config = replace(a_config(), packaging=packaging)
    assert DecoderConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_decoder_configuration_from_before_packaging_has_samples_as_they_stand() -> None:
    stored = a_config().to_json()
    assert "packaging" not in stored
    assert DecoderConfig.from_json(stored).packaging is None


def test_samples_that_are_named_raw_are_as_they_stand() -> None:
    assert DecoderConfig.from_json(a_config().to_json() | {"packaging": {"kind": "raw"}}).packaging is None


def test_a_packaging_of_another_release_is_refused() -> None:
    with pytest.raises(WrongVersion, match="raw or mpegts but got laced"):
        DecoderConfig.from_json(a_config().to_json() | {"packaging": {"kind": "laced"}})


@pytest.mark.parametrize(
    ("pid", "packet_size", "sync_at"), [(8192, 188, 0), (256, 187, 0), (256, 192, 5), (-1, 188, 0)]
)
def test_transport_packets_that_cannot_be_are_refused(pid: int, packet_size: int, sync_at: int) -> None:
    with pytest.raises(ValueError, match="must"):
        TransportPackets(pid, packet_size, sync_at)
