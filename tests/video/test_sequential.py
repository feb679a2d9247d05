"""Reading ahead gives the bytes of the source, each once, and never more than a bound in memory."""

from __future__ import annotations

import random

import pytest

from gpu_batch.containers import sequential
from gpu_batch.containers.sequential import PIECE_BYTES, PIECES_AHEAD, SequentialSource
from gpu_batch.errors import Passing
from gpu_batch.video.source import BytesSource
from tests.video.reading import CountingSource

CONTENT = random.Random(3).randbytes(3 * PIECE_BYTES + 12345)


def test_reading_from_front_to_end_asks_for_every_byte_once() -> None:
    source = CountingSource(BytesSource(CONTENT))
    with SequentialSource(source) as ahead:
        read = b"".join(ahead.read(offset, 1 << 20) for offset in range(0, len(CONTENT), 1 << 20))
    assert read == CONTENT
    assert sorted(source.ranges) == [
        (start, min(PIECE_BYTES, len(CONTENT) - start)) for start in range(0, len(CONTENT), PIECE_BYTES)
    ]


@pytest.mark.parametrize(
    ("offset", "size"),
    [
        (0, 10),
        (PIECE_BYTES - 5, 10),
        (5, 2 * PIECE_BYTES),
        (len(CONTENT) - 5, 10),
        (len(CONTENT), 10),
        (len(CONTENT) + 5, 10),
        (7, 0),
    ],
)
def test_any_range_is_that_of_the_source(offset: int, size: int) -> None:
    with SequentialSource(BytesSource(CONTENT)) as ahead:
        assert ahead.read(offset, size) == CONTENT[offset : offset + size]


def test_a_jump_to_the_end_fetches_nothing_but_the_end() -> None:
    source = CountingSource(BytesSource(CONTENT))
    with SequentialSource(source) as ahead:
        ahead.read(len(CONTENT) - 100, 100)
    assert source.ranges == [(3 * PIECE_BYTES, 12345)]


class Endless:
    """A source of a petabyte of nothing."""

    size_bytes = 1 << 50

    def read(self, offset: int, size: int) -> bytes:
        return b"\0"


def test_what_was_read_long_ago_is_let_go() -> None:
    source = CountingSource(Endless())
    with SequentialSource(source) as ahead:
        for index in range(4 * sequential.PIECES_KEPT):
            ahead.read(index * PIECE_BYTES, 1)
        asked = len(source.ranges)
        ahead.read((4 * sequential.PIECES_KEPT - 2) * PIECE_BYTES, 1)
        assert len(source.ranges) == asked
        ahead.read(0, 1)
        assert len(source.ranges) > asked
    assert asked <= 4 * sequential.PIECES_KEPT + PIECES_AHEAD


class Failing:
    """A source whose network is down."""

    size_bytes = 100

    def read(self, offset: int, size: int) -> bytes:
        raise Passing("the network is down")


def test_what_the_source_raises_comes_out_of_the_read() -> None:
    with SequentialSource(Failing()) as ahead, pytest.raises(Passing, match="down"):
        ahead.read(0, 1)
