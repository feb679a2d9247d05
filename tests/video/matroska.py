"""A small Matroska writer, for the ways of storing frames that libav's own never takes.

Source: RFC 8794 (EBML) and RFC 9559 (Matroska).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path

import av


class Storage(Enum):
    """How a block holds its frames."""

    PLAIN = "plain"
    GROUPS = "groups"
    """In block groups, which say how long a frame lasts."""
    LACED = "laced"
    """Two frames in one block."""
    STRIPPED = "stripped"
    """The first byte, the same in all frames, is left out of each and stands in the header."""


def restore(storage: Storage) -> Callable[[Path, Path], None]:
    """Copy the H.264 track of a file into a Matroska file that stores frames that way."""

    def derive(source: Path, target: Path) -> None:
        with av.open(str(source)) as opened:
            stream = opened.streams.video[0]
            extradata = stream.codec_context.extradata or b""
            frames = [
                (int((packet.pts or 0) * stream.time_base * 1000), packet.is_keyframe, bytes(packet))
                for packet in opened.demux(stream)
                if packet.size
            ]
        target.write_bytes(_write(storage, extradata, stream.width, stream.height, frames))

    return derive


def _write(
    storage: Storage, extradata: bytes, width: int, height: int, frames: Sequence[tuple[int, bool, bytes]]
) -> bytes:
    track = [
        _element(0xD7, b"\1"),
        _element(0x73C5, b"\1"),
        _element(0x83, b"\1"),
        _element(0x86, b"V_MPEG4/ISO/AVC"),
        _element(0x63A2, extradata),
        _element(0xE0, _element(0xB0, width.to_bytes(2)), _element(0xBA, height.to_bytes(2))),
    ]
    if storage is Storage.STRIPPED:
        stripping = _element(0x5034, _element(0x4254, b"\3"), _element(0x4255, b"\0"))
        encoding = _element(
            0x6240, _element(0x5031, b"\0"), _element(0x5032, b"\1"), _element(0x5033, b"\0"), stripping
        )
        track.append(_element(0x6D80, encoding))
    info = _element(0x1549A966, _element(0x2AD7B1, (1_000_000).to_bytes(4)))
    tracks = _element(0x1654AE6B, _element(0xAE, *track))
    cluster = _element(0x1F43B675, _element(0xE7, b"\0"), *_blocks(storage, frames))
    head = _element(0x1A45DFA3, _element(0x4282, b"matroska"), _element(0x4287, b"\4"), _element(0x4285, b"\2"))
    return head + _element(0x18538067, info, tracks, cluster)


def _blocks(storage: Storage, frames: Sequence[tuple[int, bool, bytes]]) -> list[bytes]:
    if storage is Storage.LACED:
        pairs = [frames[start : start + 2] for start in range(0, len(frames), 2)]
        return [
            _element(0xA3, _block_head(pair[0], flags=2), b"\1", _xiph(len(pair[0][2])), pair[0][2], pair[1][2])
            for pair in pairs
        ]
    if storage is Storage.GROUPS:
        return [
            _element(
                0xA0,
                _element(0xA1, _block_head(frame, flags=0, is_simple=False), frame[2]),
                _element(0x9B, b"\x28"),
                b"" if frame[1] else _element(0xFB, b"\xff"),
            )
            for frame in frames
        ]
    first = 1 if storage is Storage.STRIPPED else 0
    return [_element(0xA3, _block_head(frame, flags=0), frame[2][first:]) for frame in frames]


def _block_head(frame: tuple[int, bool, bytes], *, flags: int, is_simple: bool = True) -> bytes:
    time, is_key, _ = frame
    return b"\x81" + time.to_bytes(2) + bytes([flags | 0x80 * (is_key and is_simple)])


def _xiph(size: int) -> bytes:
    return b"\xff" * (size // 255) + bytes([size % 255])


def _element(number: int, *content: bytes) -> bytes:
    body = b"".join(content)
    return number.to_bytes((number.bit_length() + 7) // 8) + (1 << 56 | len(body)).to_bytes(8) + body
