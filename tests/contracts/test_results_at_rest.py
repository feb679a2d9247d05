"""Cells, the job's index and tracks: what is stored comes back, and bytes of today stay readable."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contracts.attribute_values import item_from_wire, item_to_wire
from chalicelib.contracts.blocks import BlockRef, make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult, DamagedRange
from chalicelib.contracts.job_index import BadIndexEntry, IndexEntry
from chalicelib.contracts.tracks import TrackRow, pack_tracks, unpack_tracks
from tests.contracts.block_makers import a_block

GOLDEN_INDEX_BODIES = [
    (Path(__file__).parent / "golden" / f"index_body_{version}.bin").read_bytes() for version in (1, 2)
]
"""The body of `an_entry()` in every format."""

numbers = st.integers(-(2**60), 2**60)
texts = st.text(max_size=12)
refs = st.builds(
    BlockRef,
    sk=texts,
    sha256=texts,
    first_pts=numbers,
    last_pts=numbers,
    frames=numbers,
    rows=numbers,
    labels=st.dictionaries(texts, st.tuples(numbers, numbers), max_size=3),
)
results = st.builds(
    CellResult,
    cell=numbers,
    frames_shown=numbers,
    frames_analyzed=numbers,
    damage=st.lists(st.builds(DamagedRange, numbers, numbers, texts), max_size=2).map(tuple),
    blocks=st.lists(refs, max_size=2).map(tuple),
)
entries = st.builds(
    IndexEntry,
    segment=st.integers(0, 99_999),
    start_pts=numbers,
    end_pts=numbers,
    frames_shown=numbers,
    cells_by_model=st.lists(st.lists(results, max_size=2).map(tuple), max_size=2).map(tuple),
)
tracks = st.builds(
    TrackRow,
    track_id=numbers,
    model=texts,
    label=texts,
    first_pts=numbers,
    last_pts=numbers,
    frames=numbers,
    score_max=numbers,
)


def a_cell(number: int = 0) -> CellResult:
    ref = BlockRef(f"analysis#{number:06d}", "ab" * 32, 0, 1024, 3, 2, {"person": (2, 9100)})
    return CellResult(number, 3, 3, (DamagedRange(512, 1024, "a frame could not be decoded"),), (ref,))


def an_entry() -> IndexEntry:
    return IndexEntry(4, 0, 1536, 6, ((a_cell(0), a_cell(1)), (a_cell(0), a_cell(1))))


@given(results)
def test_a_cell_survives_the_table(result: CellResult) -> None:
    assert CellResult.from_json(item_from_wire(item_to_wire(result.to_json()))) == result


def test_a_cell_is_read_from_its_item_whatever_else_the_item_holds() -> None:
    others = {"pk": "acme#digest", "sk": "a#000000", "kind": "BLOCK", "request_id": "1", "body": b""}
    assert CellResult.from_json(others | a_cell().to_json()) == a_cell()


def test_a_head_comes_back_with_the_reference_to_its_own_block() -> None:
    body = pack_block(a_block())
    first = make_ref(a_block(), body, "a#000007")
    result = CellResult(7, 3, 3, (), (first, a_cell().blocks[0]))
    item = {"pk": "acme#digest", "sk": first.sk, "body": body, **result.to_item()}
    assert CellResult.from_item(item_from_wire(item_to_wire(item))) == result


@pytest.mark.parametrize("blocks", [(), a_cell().blocks], ids=["none", "one"])
def test_a_head_without_further_blocks_refers_to_none(blocks: tuple[BlockRef, ...]) -> None:
    assert "refs" not in CellResult(7, 3, 3, (), blocks).to_item()


@given(entries)
def test_an_index_entry_survives_the_table(entry: IndexEntry) -> None:
    item = item_from_wire(item_to_wire(entry.to_item("acme", "job_1")))
    assert IndexEntry.from_item(item) == entry


def test_an_index_entry_lies_with_its_job_in_order_of_segments() -> None:
    item = an_entry().to_item("acme", "job_1")
    assert (item["pk"], item["sk"], item["kind"]) == ("acme#job_1", "INDEX#00004", "INDEX")


def test_an_index_entry_is_written_as_it_always_was() -> None:
    body = an_entry().to_item("acme", "job_1")["body"]
    assert zlib.decompress(body) == zlib.decompress(GOLDEN_INDEX_BODIES[-1])


@pytest.mark.parametrize("body", GOLDEN_INDEX_BODIES, ids=["format 1", "format 2"])
def test_an_index_entry_that_exists_is_read(body: bytes) -> None:
    item = {"segment": 4, "start_pts": 0, "end_pts": 1536, "frames_shown": 6, "body": body}
    assert IndexEntry.from_item(item) == an_entry()


def test_an_index_entry_of_a_later_format_is_refused() -> None:
    item = {"segment": 4, "start_pts": 0, "end_pts": 1536, "frames_shown": 6, "body": zlib.compress(b"[3,[]]\0")}
    with pytest.raises(BadIndexEntry, match="newer reelscan"):
        IndexEntry.from_item(item)


def test_the_index_entry_of_a_usual_segment_takes_one_write_unit() -> None:
    labels = {f"label {number:02d}": (120 + number, 9000 + number) for number in range(8)}
    cells = []
    for cell in range(3):
        digests = [hashlib.sha256(f"{cell}{number}".encode()).hexdigest() for number in range(4)]
        keys = [f"{'a' * 32}#{cell:06d}", *(f"{'a' * 32}#{cell:06d}#{digest[:32]}" for digest in digests[1:])]
        starts = [cell * 270_000 + number * 67_000 for number in range(4)]
        refs = (
            BlockRef(key, digest, start, start + 66_000, 130, sum(count for count, _ in labels.values()), labels)
            for key, digest, start in zip(keys, digests, starts, strict=True)
        )
        cells.append(CellResult(cell, 520, 520, (), tuple(refs)))
    item = IndexEntry(0, 0, 810_000, 1560, (tuple(cells),)).to_item("acme", "job_1")
    assert len(item["body"]) < 800


def test_the_largest_index_entry_fits_into_one_item() -> None:
    # 64 cells is the most that a segment has; eight models the most of a job; four parts is a crowded cell.
    labels = {f"label {number:02d}": (120, 9000 + number) for number in range(12)}
    blocks = tuple(BlockRef(f"{'a' * 32}#000001#{'b' * 32}", f"{n:064x}", 0, 1, 30, 900, labels) for n in range(4))
    cells = tuple(CellResult(number, 120, 120, (), blocks) for number in range(64))
    item = IndexEntry(0, 0, 1, 1, (cells,) * 8).to_item("acme", "job_1")
    assert len(item["body"]) < 400_000


@given(st.lists(tracks, max_size=5))
def test_tracks_come_back(rows: list[TrackRow]) -> None:
    assert unpack_tracks(pack_tracks(rows)) == rows


def test_a_track_is_stored_as_a_list_of_its_fields_in_order() -> None:
    row = TrackRow(7, "nanodet-g", "person", 0, 5120, 10, 9100)
    assert json.loads(zlib.decompress(pack_tracks([row]))) == [[7, "nanodet-g", "person", 0, 5120, 10, 9100]]


@pytest.mark.parametrize("count", [1, 500])
def test_a_chunk_of_tracks_fits_into_one_item(count: int) -> None:
    rows = [
        TrackRow(n, "ssdlite-mobilenet-v2", "traffic light", n * 7919, n * 7919 + 51_200, 100 + n, 9000)
        for n in range(count)
    ]
    assert len(pack_tracks(rows)) < 64_000
