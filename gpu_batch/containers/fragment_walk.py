"""Finding the movie fragments of a file: from box to box, at many places at a time where an index says where they are.

No index is believed: the boxes between two places that it names must fill the gap to the byte, so that what is found
is what a walk over the whole file finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.media import MediaLimits
from gpu_batch.containers.boxes import Box, top_level_size
from gpu_batch.errors import BadInput
from gpu_batch.video.source import Source

MAX_FRAGMENTS = 1 << 19
"""Nearly five hours of one fragment for each frame at 30 frames a second."""
MAX_BOXES = 4 * MAX_FRAGMENTS
FIRST_LOOK_BYTES = 4 << 10
"""Holds a fragment's index of some hundred samples."""
NEAR_BYTES = 64 << 10
"""Fragments closer than this are read with all that lies between them: a request costs more time."""
BLOCK_BYTES = 4 << 20
"""What is read at once then, at most."""
PARALLEL_SPANS = 16

T = TypeVar("T", bound=Callable[[Box, int], None])
"""Takes each movie fragment box, and where it starts in the file."""


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk came upon."""

    end: int
    """Where the last whole box ends, or the box that reaches beyond the end of the file starts."""
    is_cut_off: bool
    """What comes then is a part of a fragment's index, or no box at all."""


class Budget:
    """What all walks over one file may spend."""

    def __init__(self, limits: MediaLimits) -> None:
        self._limits = limits
        self.index_bytes = 0
        self.boxes = 0
        self.fragments = 0

    def spend(self, kind: bytes, size: int) -> None:
        """Count a box.

        Raises:
            BadInput: RESOURCE_LIMIT.
        """
        self.boxes += 1
        if kind == b"moof":
            self.fragments += 1
            self.index_bytes += size
        if self.index_bytes > self._limits.max_index_bytes:
            raise _too_much(f"fragment indexes of at most {self._limits.max_index_bytes} bytes")
        if self.fragments > MAX_FRAGMENTS or self.boxes > MAX_BOXES:
            raise _too_much(f"at most {MAX_FRAGMENTS} fragments")


def _too_much(what: str) -> BadInput:
    return BadInput(
        f"a fragmented file must have {what} but has more",
        code=ErrorCode.RESOURCE_LIMIT,
        hint="Export the video as an ordinary MP4 (not fragmented), or split it, then upload that",
    )


def walk_everywhere(
    source: Source, start: int, places: Iterable[int], limits: MediaLimits, make_take: Callable[[], T]
) -> tuple[list[T], Walked]:
    """Walk source[start:], beginning at all `places` at a time; gives what took each part, in order of the file.

    Places that turn out wrong cost a second walk, from box to box.

    Raises:
        BadInput: RESOURCE_LIMIT, or whatever what takes them raises.
    """
    bounds = _spread([start, *sorted({place for place in places if start < place < source.size_bytes})])
    budget = Budget(limits)

    def walk(span: tuple[int, int]) -> tuple[T, Walked]:
        take = make_take()
        return take, walk_span(source, *span, budget, take)

    if len(bounds) > 1:
        spans = list(pairwise([*bounds, source.size_bytes]))
        try:
            with ThreadPoolExecutor(min(PARALLEL_SPANS, len(spans))) as pool:
                walks = list(pool.map(walk, spans))
        except BadInput as error:
            if error.failure.code is ErrorCode.RESOURCE_LIMIT:
                raise
        else:
            if all(walked.end == end for (_, walked), (_, end) in zip(walks[:-1], spans[:-1], strict=True)):
                return [take for take, _ in walks], walks[-1][1]
        budget = Budget(limits)
    take, walked = walk((start, source.size_bytes))
    return [take], walked


def _spread(places: list[int]) -> list[int]:
    """Places of which none is nearer to the next than is worth a request; far fewer where all are near."""
    is_near = places[-1] - places[0] < NEAR_BYTES * (len(places) - 1)
    distance = BLOCK_BYTES if is_near else NEAR_BYTES
    kept = places[:1]
    for place in places[1:]:
        if place - kept[-1] >= distance:
            kept.append(place)
    return kept


def walk_span(source: Source, start: int, end: int, budget: Budget, take: Callable[[Box, int], None]) -> Walked:
    """Walk from box to box through source[start:end].

    Raises:
        BadInput: RESOURCE_LIMIT, or whatever `take` raises.
    """
    position, last_fragment = start, start
    block_start, block, look = start, b"", FIRST_LOOK_BYTES

    def read(offset: int, size: int) -> bytes:
        nonlocal block_start, block
        if offset < block_start or offset + size > block_start + len(block):
            wanted = min(max(size, look), source.size_bytes - offset)
            block_start, block = offset, source.read(offset, wanted)
        return block[offset - block_start : offset - block_start + size]

    while end - position >= 8:
        header = read(position, min(16, source.size_bytes - position))
        try:
            size, kind, header_size = top_level_size(header, source.size_bytes - position)
        except BadInput:
            return Walked(position, is_cut_off=True)
        budget.spend(kind, size)
        if position + size > source.size_bytes and kind == b"moof":
            return Walked(position, is_cut_off=True)
        if kind == b"moof":
            hop, last_fragment = position - last_fragment, position
            # The header of the box behind comes with the fragment's index.
            content = read(position, min(size + 16, source.size_bytes - position))
            take(Box(b"moof", content, header_size, size), position)
            is_near = 0 < hop < NEAR_BYTES
            look = min(2 * look, BLOCK_BYTES) if is_near else min(max(FIRST_LOOK_BYTES, 2 * size), BLOCK_BYTES)
        position += size
    return Walked(min(position, source.size_bytes), is_cut_off=position < end == source.size_bytes)
