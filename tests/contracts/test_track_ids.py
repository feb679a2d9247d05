"""Track ids at rest: what is packed comes back, in whatever parts, and few bytes say it."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contracts.track_ids import LIST_LENGTH, BadTrackIds, IdColumn, TrackIds, pack_track_ids

GOLDEN = json.loads((Path(__file__).parent / "golden" / "track_ids_1.json").read_text())
"""Two blocks and the part that release 0.2 makes of them, in hex."""

frames = st.lists(st.integers(0, 12) | st.integers(0, 2**32 - 1), max_size=6)
columns = st.lists(frames, max_size=8).map(
    lambda rows: IdColumn([len(row) for row in rows], [track for row in rows for track in row])
)


def read(parts: list[bytes], blocks: list[IdColumn]) -> list[list[int]]:
    ids = TrackIds(parts)
    found = [ids.of_block(position, block.counts) for position, block in enumerate(blocks)]
    return [list(column) for column in found if column is not None]


@given(st.lists(columns, max_size=6), st.integers(1, 200))
def test_ids_come_back_in_whatever_parts(blocks: list[IdColumn], max_part_bytes: int) -> None:
    parts = pack_track_ids(blocks, max_part_bytes=max_part_bytes)
    assert read(parts, blocks) == [list(block.ids) for block in blocks]


@given(st.lists(columns, min_size=1, max_size=6), st.integers(1, 60))
def test_parts_are_as_small_as_asked_unless_a_block_alone_is_larger(blocks: list[IdColumn], most: int) -> None:
    parts = pack_track_ids(blocks, max_part_bytes=most)
    for part in parts:
        only = TrackIds([part])
        assert len(part) <= most or (only.reaches(0) and not only.reaches(1))


def test_more_tracks_than_the_list_holds_come_back() -> None:
    crowd = list(range(1, LIST_LENGTH + 60))
    block = IdColumn([len(crowd)] * 3, [*crowd, *reversed(crowd), *crowd])
    assert read(pack_track_ids([block]), [block]) == [list(block.ids)]


def test_a_block_beyond_the_last_part_has_no_ids() -> None:
    ids = TrackIds(pack_track_ids([IdColumn([1], [7])]))
    reached = [ids.reaches(0), ids.reaches(1)]
    ids.add(None)
    assert [*reached, ids.reaches(1), ids.of_block(1, [1])] == [True, False, True, None]


def test_walkers_who_overtake_each_other_cost_less_than_half_a_byte_a_row() -> None:
    # Rows of a frame come by score, so the order of five tracks changes all the time; three rows are clutter.
    ids = [track for frame in range(300) for track in [*(1 + (frame * 7 + k * k) % 5 for k in range(5)), 0, 0, 0]]
    packed = pack_track_ids([IdColumn([8] * 300, ids)])
    assert sum(map(len, packed)) < len(ids) / 2


def test_bytes_of_format_1_are_read_and_written_as_ever() -> None:
    blocks = [IdColumn(counts, ids) for counts, ids in GOLDEN["blocks"]]
    assert read([bytes.fromhex(GOLDEN["part"])], blocks) == [list(block.ids) for block in blocks]
    assert TrackIds(pack_track_ids(blocks))._blocks == TrackIds([bytes.fromhex(GOLDEN["part"])])._blocks


def test_bytes_of_another_format_are_refused() -> None:
    with pytest.raises(BadTrackIds, match="format 1"):
        TrackIds([zlib.compress(bytes([2, 0, 0]))])
