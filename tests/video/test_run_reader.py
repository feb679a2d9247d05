"""Reading the bytes of a run: one request when it is small, bounded memory when it is not."""

from __future__ import annotations

import pytest

from gpu_batch.errors import Passing
from gpu_batch.video.run_reader import PART_BYTES, RunReader
from gpu_batch.video.source import BytesSource
from tests.video.reading import CountingSource

MIB = 1 << 20


class Pattern:
    """A large source without its memory: each byte is the number of the MiB that it lies in."""

    size_bytes = 200 * MIB

    def read(self, offset: int, size: int) -> bytes:
        end = min(offset + size, self.size_bytes)
        pieces = []
        while offset < end:
            stop = min(end, (offset // MIB + 1) * MIB)
            pieces.append(bytes([offset // MIB]) * (stop - offset))
            offset = stop
        return b"".join(pieces)


def test_a_run_up_to_one_part_is_one_request() -> None:
    source = CountingSource(Pattern())
    with RunReader(source, [(5, 5 + PART_BYTES)]) as reader:
        assert reader.read(5, 10) == bytes(10)
        assert reader.read(PART_BYTES - 5, 10) == bytes([15]) * 5 + bytes([16]) * 5
    assert source.ranges == [(5, PART_BYTES)]


def test_a_large_run_reads_every_byte_once() -> None:
    source = CountingSource(Pattern())
    with RunReader(source, [(0, 150 * MIB)]) as reader:
        for start in range(150):
            assert reader.read(start * MIB + 7, MIB - 7) == bytes([start]) * (MIB - 7)
    assert source.bytes_read == 150 * MIB
    assert len(source.ranges) == -(-150 * MIB // PART_BYTES)


def test_a_piece_over_the_border_of_two_parts_is_whole() -> None:
    with RunReader(Pattern(), [(0, 100 * MIB)]) as reader:
        assert reader.read(PART_BYTES - 2, 4) == bytes([15, 15, 16, 16])


def test_what_was_forgotten_is_read_again() -> None:
    with RunReader(Pattern(), [(0, 150 * MIB)]) as reader:
        assert reader.read(140 * MIB, 3) == bytes([140] * 3)
        assert reader.read(3, 3) == bytes(3)


def test_no_bytes_are_no_request() -> None:
    source = CountingSource(BytesSource(b""))
    with RunReader(source, []):
        pass
    assert source.ranges == []


def test_fewer_bytes_than_the_source_should_have_is_passing() -> None:
    with RunReader(BytesSource(b"short"), [(0, 10)]) as reader, pytest.raises(Passing, match="must give 10 bytes at 0"):
        reader.read(0, 10)
