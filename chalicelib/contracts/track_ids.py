"""TRACKIDS: the track of every row of one model in one segment, for one version of the job's tracks.

One item for a segment and model; when that would pass 64 KB, several parts, each with whole blocks in order. Byte
layout of a part (format 1): a zlib stream of

    B                       format = 1
    varint                  position of the first block, among the model's blocks in the segment
    varint                  number of blocks B
    B × (varint, varint)    bytes of the block's codes, bytes of its extras
    all codes, block by block, then all extras

A varint has seven bits a byte, the low ones first; the high bit says that more come. A block is coded by itself, from
no state. Its reader has the block at hand, and so the number of rows of every frame. There is one code for each row:

    0        no track
    1        a track that is not in the list; its id is the next varint of the extras, less the one named so before, in
             zigzag (0, -1, 1, -2, 2 are 0, 1, 2, 3, 4)
    2 + n    the track at place n of the list

The list holds the tracks of the frames before: those of the last frame first, in the order of its rows, then those
that were not in it, in the order that they had. A track leaves the list when its row comes, so that the same tracks in
the same order are a run of the code 2. After each frame the list is cut to 254.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

FORMAT = 1
MAX_PART_BYTES = 64 * 1024
LIST_LENGTH = 254
PARTS_KEPT = 8
"""Unpacked, in one process: a byte a row, some 200 KB where a segment is full."""
BLOCKS_KEPT = 32
"""Decoded, in one process, as many as blocks themselves: four bytes a row."""
_NONE, _NAMED, _LISTED = 0, 1, 2


class BadTrackIds(ValueError):
    """The bytes are not track ids of a format that this reader knows."""


class IdColumn(NamedTuple):
    """The track ids of one block's rows."""

    counts: Sequence[int]
    """Rows of each frame."""
    ids: Sequence[int]
    """Of each row; 0 = no track."""


class TrackIds:
    """The ids of one segment and model, as far as its parts were read."""

    def __init__(self, parts: Sequence[bytes] = ()) -> None:
        """Raises BadTrackIds for bytes of another format."""
        self.parts = 0
        """How many were added."""
        self._blocks: list[tuple[bytes, bytes]] = []
        self._is_whole = False
        for part in parts:
            self.add(part)

    def add(self, part: bytes | None) -> None:
        """Take the next part; None: there is no further one."""
        if part is None:
            self._is_whole = True
            return
        self.parts += 1
        self._blocks += _unpack_part(part)

    def reaches(self, position: int) -> bool:
        """Whether no further part has to be read for the block at this position."""
        return self._is_whole or position < len(self._blocks)

    def of_block(self, position: int, counts: Sequence[int]) -> array[int] | None:
        """The ids of the rows of a block of these `counts`, by its position in the segment; None when not known.

        They are shared with other readers, so nobody may change them.
        """
        if position >= len(self._blocks):
            return None
        return _decode(*self._blocks[position], tuple(counts))


def pack_track_ids(columns: Sequence[IdColumn], *, max_part_bytes: int = MAX_PART_BYTES) -> list[bytes]:
    """The parts of one segment and model; `columns` are those of its blocks in order."""
    return _pack_parts([_encode(column) for column in columns], 0, max_part_bytes)


def forget_decoded() -> None:
    """Decode all anew: for benchmarks."""
    _unpack_part.cache_clear()
    _decode.cache_clear()


def _pack_parts(blocks: Sequence[tuple[bytes, bytes]], first: int, max_bytes: int) -> list[bytes]:
    head = bytearray([FORMAT])
    head += _varint(first) + _varint(len(blocks))
    for codes, extras in blocks:
        head += _varint(len(codes)) + _varint(len(extras))
    body = b"".join([bytes(head), *(codes for codes, _ in blocks), *(extras for _, extras in blocks)])
    packed = zlib.compress(body, 9)
    if len(packed) <= max_bytes or len(blocks) <= 1:
        return [packed]
    half = len(blocks) // 2
    return [*_pack_parts(blocks[:half], first, max_bytes), *_pack_parts(blocks[half:], first + half, max_bytes)]


@lru_cache(maxsize=PARTS_KEPT)
def _unpack_part(packed: bytes) -> list[tuple[bytes, bytes]]:
    """Codes and extras of each block; pages that follow each other often share a part."""
    body = zlib.decompress(packed)
    if not body or body[0] != FORMAT:
        raise BadTrackIds(f"track ids must be of format {FORMAT} but got {body[:1]!r}")
    numbers = _varints(body, 1)
    next(numbers)  # the position of the first block is for people who look
    blocks, at = next(numbers)
    sizes: list[int] = []
    for _ in range(2 * blocks):
        size, at = next(numbers)
        sizes.append(size)
    extras_at = at + sum(sizes[::2])
    found = []
    for codes_size, extras_size in zip(sizes[::2], sizes[1::2], strict=True):
        found.append((body[at : at + codes_size], body[extras_at : extras_at + extras_size]))
        at, extras_at = at + codes_size, extras_at + extras_size
    return found


def _encode(column: IdColumn) -> tuple[bytes, bytes]:
    """Codes and extras of one block."""
    codes, extras = bytearray(), bytearray()
    listed: list[int] = []
    named_before, at = 0, 0
    for count in column.counts:
        now: list[int] = []
        for track in column.ids[at : at + count]:
            if not track:
                codes.append(_NONE)
                continue
            now.append(track)
            if track in listed:
                place = listed.index(track)
                del listed[place]
                codes.append(_LISTED + place)
            else:
                codes.append(_NAMED)
                extras += _varint(_zigzag(track - named_before))
                named_before = track
        at += count
        listed = [*now, *listed][:LIST_LENGTH]
    return bytes(codes), bytes(extras)


@lru_cache(maxsize=BLOCKS_KEPT)
def _decode(codes: bytes, extras: bytes, counts: tuple[int, ...]) -> array[int]:
    """The ids of the rows of one block."""
    ids: list[int] = []
    names = _varints(extras, 0)
    listed: list[int] = []
    take = listed.pop
    named_before, at = 0, 0
    for count in counts:
        of_frame = codes[at : at + count]
        at += count
        if min(of_frame, default=_NONE) > _NAMED:
            # Most frames of a crowd: every row is of a track that was seen before.
            now = [take(code - _LISTED) for code in of_frame]
            ids += now
        else:
            now = []
            for code in of_frame:
                if code == _NONE:
                    ids.append(0)
                    continue
                if code == _NAMED:
                    named_before += _unzigzag(next(names)[0])
                now.append(named_before if code == _NAMED else take(code - _LISTED))
                ids.append(now[-1])
        if now:
            listed[:0] = now
            del listed[LIST_LENGTH:]
    return array("I", ids)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _varints(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Number and where the next one starts, for each of the numbers from `at` on."""
    while at < len(data):
        number = shift = 0
        while data[at] & 0x80:
            number |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
        number |= data[at] << shift
        at += 1
        yield number, at


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _unzigzag(number: int) -> int:
    return number >> 1 if not number & 1 else -(number >> 1) - 1
