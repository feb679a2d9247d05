"""Boxes of the ISO base media file format: found by their headers, never trusted past the bytes that are there.

Source: ISO/IEC 14496-12, section 4.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.media import MediaLimits
from gpu_batch.containers.held import HeldSource
from gpu_batch.errors import BadInput

HEAD_BYTES = 64 << 10
"""The first read of a file: holds the whole index of a short video that was made for streaming."""
TAIL_BYTES = 1 << 20
"""An end of a file that is read at once, whatever it is: less than a request costs in time."""
MAX_TOP_LEVEL_BOXES = 1000
"""A file that is no video of fragments has a handful."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box inside `buffer`: its content is buffer[start:end]."""

    kind: bytes
    """Four characters."""
    buffer: bytes
    start: int
    end: int

    def children(self, skip: int = 0) -> Iterator[Box]:
        """The boxes inside, after `skip` bytes of own fields, up to one whose size makes no sense."""
        position = self.start + skip
        while position + 8 <= self.end:
            size, kind = struct.unpack_from(">I4s", self.buffer, position)
            header = 8
            if size == 1 and position + 16 <= self.end:
                size, header = struct.unpack_from(">Q", self.buffer, position + 8)[0], 16
            elif size == 0:
                size = self.end - position
            if size < header:
                return
            yield Box(kind, self.buffer, position + header, min(position + size, self.end))
            position += size

    def find(self, *path: bytes) -> Box | None:
        """The first box at `path`, or None."""
        for child in self.children():
            if child.kind == path[0]:
                return child if len(path) == 1 else child.find(*path[1:])
        return None

    def need(self, *path: bytes) -> Box:
        """The first box at `path`.

        Raises:
            BadInput: there is none.
        """
        found = self.find(*path)
        if found is None:
            raise malformed(f"box {self.kind!r} must contain {b'/'.join(path)!r} but does not")
        return found

    def unpack(self, layout: str, at: int = 0) -> tuple[int, ...]:
        """Big-endian numbers at byte `at` of the content.

        Raises:
            BadInput: the box ends before them.
        """
        fields = struct.Struct(">" + layout)
        if self.start + at + fields.size > self.end:
            raise malformed(f"box {self.kind!r} ends after {self.end - self.start} bytes, in the middle of its fields")
        return fields.unpack_from(self.buffer, self.start + at)

    @property
    def content(self) -> bytes:
        """The bytes of the content."""
        return self.buffer[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Movie:
    """What a walk over the top-level boxes finds."""

    moov: Box
    end: int
    """Where the box after the movie box starts in the file."""
    is_fragmented: bool
    """Samples lie in movie fragments, of which `moov` knows nothing."""
    has_fragments_before: bool
    """Some of them lie before the movie box, where no reader expects them."""


def read_movie(source: HeldSource, limits: MediaLimits) -> Movie:
    """The movie box, read exactly once wherever it lies; the media data is stepped over by its headers.

    What is left of the file behind its media data is read as a whole where that is little: the index is all of it.

    Raises:
        BadInput: no movie box, one that is cut off, or one that is larger than `limits.max_index_bytes`.
    """
    source.hold(0, HEAD_BYTES)
    position, has_fragments = 0, False
    for _ in range(MAX_TOP_LEVEL_BOXES):
        left = source.size_bytes - position
        if left < 8:
            break
        if position >= HEAD_BYTES and left <= min(_affordable_tail(position), limits.max_index_bytes):
            source.hold(position, left)
        header = source.read(position, 16)
        size, kind, header_size = top_level_size(header, left)
        if kind == b"moov":
            moov = _read_moov(source, limits, position + header_size, size - header_size)
            is_fragmented = has_fragments or moov.find(b"mvex") is not None
            return Movie(moov, position + size, is_fragmented, has_fragments)
        has_fragments = has_fragments or kind == b"moof"
        position += size
    else:
        raise malformed(
            f"the file must have its movie index (moov box) among its first {MAX_TOP_LEVEL_BOXES} boxes but has not",
            hint="Export the file anew, with the index at its start (fast start)",
        )
    raise malformed(
        f"the file has no movie index (moov box) in its {source.size_bytes} bytes",
        hint="The recording or the upload was cut off before the index was written; export the file anew",
    )


def _affordable_tail(position: int) -> int:
    """How many bytes at the end of a file are worth one request, after `position` bytes that were not read."""
    return max(TAIL_BYTES, position // 16)


def top_level_size(header: bytes, left: int) -> tuple[int, bytes, int]:
    """Size, kind and header size of a box that starts with `header`, `left` bytes before the end of the file.

    Raises:
        BadInput: a size that is less than the header's.
    """
    size, kind = struct.unpack_from(">I4s", header)
    header_size = 8
    if size == 1 and len(header) >= 16:
        size, header_size = struct.unpack_from(">Q", header, 8)[0], 16
    elif size == 0:
        size = left
    if size < header_size:
        raise malformed(f"top-level box {kind!r} states a size of {size} bytes, less than its header")
    return size, kind, header_size


def _read_moov(source: HeldSource, limits: MediaLimits, start: int, size: int) -> Box:
    if size > limits.max_index_bytes:
        raise BadInput(
            f"the movie index (moov box) must be at most {limits.max_index_bytes} bytes but states {size}",
            code=ErrorCode.RESOURCE_LIMIT,
            hint="Split the video into shorter files, or have the limit of the deployment raised",
        )
    content, at = source.locate(start, size)
    if len(content) - at < size:
        raise malformed(
            f"the movie index (moov box) must have {size} bytes but the file ends after {len(content) - at} of them",
            hint="The upload or the recording was cut off; upload the complete file",
        )
    return Box(b"moov", content, at, at + size)


def malformed(detail: str, *, hint: str | None = None) -> BadInput:
    """A `BadInput` for a container that contradicts itself."""
    return BadInput(detail, hint=hint)
