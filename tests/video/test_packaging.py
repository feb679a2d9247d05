"""What a worker takes out of a range of the source is the sample, whatever stands between its pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contracts.sample_table import TransportPackets
from gpu_batch.video.packaging import MAX_ODD_PACKETS, unpack_sample

PLAIN = TransportPackets(256, 188, 0)
M2TS = TransportPackets(256, 192, 4)


def transport_packet(payload: bytes, pid: int = 256, *, is_start: bool = False) -> bytes:
    """188 bytes with `payload` at their end, stuffed in front of it where it is shorter."""
    room = 184 - len(payload)
    stuffing = b"" if not room else bytes([room - 1]) + b"\0\xff"[: min(1, room - 1)].ljust(room - 1, b"\xff")
    control = 0x10 if not room else 0x30
    return bytes([0x47, is_start << 6 | pid >> 8, pid & 255, control]) + stuffing + payload


def pes(sample: bytes, *, stated: bool = False, options: bytes = b"\x21\0\1\0\1") -> bytes:
    size = 3 + len(options) + len(sample) if stated else 0
    return b"\0\0\1\xe0" + size.to_bytes(2) + b"\x80\x80" + bytes([len(options)]) + options + sample


def packets_of(content: bytes, piece_bytes: int = 184) -> list[bytes]:
    pieces = [content[start : start + piece_bytes] for start in range(0, len(content), piece_bytes)]
    return [transport_packet(piece, is_start=not index) for index, piece in enumerate(pieces)]


def test_a_raw_sample_is_its_range() -> None:
    assert unpack_sample(None, b"sample") == b"sample"


@given(
    st.binary(max_size=2000),
    st.integers(1, 184),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 184)), max_size=5),
)
def test_a_sample_comes_back_from_between_packets_of_other_streams(
    sample: bytes, piece_bytes: int, stated: bool, others: list[tuple[int, int]]
) -> None:
    packets = packets_of(pes(sample, stated=stated), piece_bytes)
    for place, size in others:
        packets.insert(1 + place % len(packets), transport_packet(bytes(size), pid=257))
    assert unpack_sample(PLAIN, b"".join(packets)) == sample
    assert unpack_sample(M2TS, b"".join(b"time" + packet for packet in packets)) == sample


def test_many_short_packets_give_the_sample_as_few_do() -> None:
    sample = bytes(range(256)) * 40
    packets = packets_of(pes(sample), 100)
    assert len(packets) > MAX_ODD_PACKETS
    assert unpack_sample(PLAIN, b"".join(packets)) == sample


def test_what_follows_the_stated_end_is_no_part_of_the_sample() -> None:
    assert unpack_sample(PLAIN, b"".join(packets_of(pes(b"sample", stated=True) + b"more"))) == b"sample"


def test_a_packet_that_is_cut_off_is_left_out() -> None:
    packets = packets_of(pes(bytes(400)))
    assert len(unpack_sample(PLAIN, b"".join(packets)[:-1])) < 400


@pytest.mark.parametrize(
    "content", [b"", bytes(187), bytes(1880), transport_packet(b"no PES"), transport_packet(pes(b"other"), pid=9)]
)
def test_a_range_without_a_sample_gives_nothing(content: bytes) -> None:
    assert unpack_sample(PLAIN, content) == b""
