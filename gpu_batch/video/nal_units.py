"""The NAL units of H.264 and HEVC samples, whether each says its length (MP4, Matroska, FLV) or starts with a mark.

Source: ISO/IEC 14496-15, section 5.3.4.2; ITU-T H.264 and H.265, annex B.
"""

from __future__ import annotations

from collections.abc import Iterator

START_CODE = b"\0\0\1"
MAX_UNITS = 1024
"""Units of a sample that are looked at: H.264 allows 288 parameter sets, few files have more than ten units."""


def nal_units(nal_length_size: int, sample: bytes) -> Iterator[bytes]:
    """The units without what parts them, the last one cut off where the bytes end; an empty one is no unit at all.

    After `MAX_UNITS` comes an empty one: so many are an attack on time.

    Args:
        nal_length_size: bytes of the length before each unit; 0 for start codes.
        sample: may be cut off at any byte.
    """
    return _behind_lengths(nal_length_size, sample) if nal_length_size else _behind_start_codes(sample)


def _behind_lengths(width: int, sample: bytes) -> Iterator[bytes]:
    position = 0
    for _ in range(MAX_UNITS):
        if position + width >= len(sample):
            return
        size = int.from_bytes(sample[position : position + width])
        position += width
        yield sample[position : position + size]
        position += size
    yield b""


def _behind_start_codes(sample: bytes) -> Iterator[bytes]:
    position = sample.find(START_CODE)
    for _ in range(MAX_UNITS):
        if position < 0 or position + len(START_CODE) >= len(sample):
            return
        position += len(START_CODE)
        following = sample.find(START_CODE, position)
        # Zeros in front of a start code belong to no unit, and no unit ends with one.
        yield sample[position : following if following >= 0 else len(sample)].rstrip(b"\0")
        position = following
    yield b""


def without_emulation(unit: bytes) -> bytes:
    """The unit without the bytes that keep start codes out of it."""
    return unit.replace(b"\0\0\3", b"\0\0")
