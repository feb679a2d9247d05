"""Where a file says that its movie fragments are: segment indexes (sidx) in front, random access boxes (mfra) behind.

Nothing here is proved; `walk_everywhere` finds out. Source: ISO/IEC 14496-12, sections 8.16.3 and 8.8.10 to 8.8.12.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from chalicelib.domain.media import MediaLimits
from gpu_batch.containers.boxes import Box, top_level_size
from gpu_batch.errors import BadInput
from gpu_batch.video.source import Source

MAX_BOXES_IN_FRONT = 16
"""Boxes between the movie box and the first fragment that are looked at for an index."""
MAX_DEPTH = 3
"""Indexes of indexes: a file has one or two levels."""
MAX_PLACES = 1 << 19
MFRO_BYTES = 16


@dataclass(frozen=True, slots=True)
class Places:
    """What the indexes name."""

    starts: tuple[int, ...]
    """Where fragments, or the boxes in front of them, are said to start."""
    end: int
    """Where the last one is said to end; 0 when no index says."""
    duration: Fraction
    """Seconds from time 0 to where the last one is said to end; 0 when no index says."""
    has_sidx: bool


def find_places(source: Source, start: int, limits: MediaLimits) -> Places:
    """Where fragments are said to be, by what lies right behind the movie box, which ends at `start`."""
    search = _Search(source, limits)
    search.look_in_front(start)
    if search.has_sidx:
        return Places(tuple(search.starts), search.end, search.duration, has_sidx=True)
    return Places(_places_of_mfra(source, limits), 0, Fraction(0), has_sidx=False)


class _Search:
    """Follows segment indexes."""

    def __init__(self, source: Source, limits: MediaLimits) -> None:
        self._source = source
        self._max_index_bytes = limits.max_index_bytes
        self.starts: set[int] = set()
        self.end = 0
        self.duration = Fraction(0)
        self.has_sidx = False

    def look_in_front(self, position: int) -> None:
        for _ in range(MAX_BOXES_IN_FRONT):
            header = self._source.read(position, 16)
            if len(header) < 8:
                return
            try:
                size, kind, header_size = top_level_size(header, self._source.size_bytes - position)
            except BadInput:
                return
            if kind in (b"moof", b"mdat"):
                return
            if kind == b"sidx":
                self._follow(position, size, header_size, MAX_DEPTH)
            position += size

    def _follow(self, position: int, size: int, header_size: int, depth: int) -> None:
        if size > self._max_index_bytes:
            return
        self.has_sidx = True
        self._max_index_bytes -= size
        content = self._source.read(position, size)
        box = Box(b"sidx", content, header_size, len(content))
        try:
            (version,) = box.unpack("B")
            layout, width = ("QQ", 16) if version else ("II", 8)
            timescale, time, first_offset = *box.unpack("I", 8), *box.unpack(layout, 12)
            (count,) = box.unpack("H", 14 + width)
            rows = box.unpack(f"{3 * count}I", 16 + width)
        except BadInput:
            return
        place = position + size + first_offset
        for row in range(0, 3 * count, 3):
            reference, duration = rows[row], rows[row + 1]
            length = reference & 0x7FFFFFFF
            if reference >> 31:
                self._follow_child(place, depth - 1)
            else:
                self.starts.add(place)
                self.end = max(self.end, place + length)
            place, time = place + length, time + duration
            if len(self.starts) > MAX_PLACES:
                return
        if timescale:
            self.duration = max(self.duration, Fraction(time, timescale))

    def _follow_child(self, position: int, depth: int) -> None:
        header = self._source.read(position, 16)
        if len(header) < 8 or depth <= 0:
            return
        try:
            size, kind, header_size = top_level_size(header, self._source.size_bytes - position)
        except BadInput:
            return
        if kind == b"sidx":
            self._follow(position, size, header_size, depth)


def _places_of_mfra(source: Source, limits: MediaLimits) -> tuple[int, ...]:
    tail = source.read(max(0, source.size_bytes - MFRO_BYTES), MFRO_BYTES)
    if len(tail) < MFRO_BYTES or tail[4:8] != b"mfro":
        return ()
    size = int.from_bytes(tail[12:])
    if not MFRO_BYTES < size <= min(source.size_bytes, limits.max_index_bytes):
        return ()
    content = source.read(source.size_bytes - size, size)
    places: set[int] = set()
    for tfra in Box(b"mfra", content, 8, len(content)).children():
        if tfra.kind == b"tfra":
            places.update(_places_of_tfra(tfra))
    return tuple(places)


def _places_of_tfra(box: Box) -> list[int]:
    try:
        version, lengths, count = *box.unpack("B"), *box.unpack("II", 8)
    except BadInput:
        return []
    wide = np.dtype([("time", ">u8" if version else ">u4"), ("place", ">u8" if version else ">u4")])
    numbers = sum((lengths >> shift & 3) + 1 for shift in (0, 2, 4))
    width = wide.itemsize + numbers
    if count > MAX_PLACES or 16 + count * width > box.end - box.start:
        return []
    rows = np.frombuffer(box.buffer, np.uint8, count * width, box.start + 16).reshape(count, width)
    entries = np.ascontiguousarray(rows[:, : wide.itemsize]).view(wide).reshape(-1)
    return [int(place) for place in entries["place"]]
