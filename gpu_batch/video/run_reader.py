"""The bytes of a run of cells: one ranged read, or several side by side, with no more than a few parts in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeAlias

from gpu_batch.errors import Passing
from gpu_batch.video.source import Source

PART_BYTES = 16 << 20
"""A span of up to this size is one request."""
PARTS_IN_MEMORY = 4
"""Parts read ahead side by side, and kept: bounds a run of any size to 64 MiB."""

Span: TypeAlias = tuple[int, int]
"""First byte of a source, and one past the last."""


def merge_spans(spans: Iterable[Span], gap_bytes: int) -> list[Span]:
    """Spans in order of place, those with at most `gap_bytes` between them joined."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start - merged[-1][1] <= gap_bytes:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def cut_parts(spans: Iterable[Span]) -> list[Span]:
    """The requests that read `spans`: none is larger than `PART_BYTES`."""
    return [(at, min(at + PART_BYTES, end)) for start, end in spans for at in range(start, end, PART_BYTES)]


class RunReader:
    """Gives pieces of the spans of a source, mostly in rising order; reads ahead in the background while it is open.

    A piece outside of the spans is read as well, with what follows it up to the next span.
    """

    def __init__(self, source: Source, spans: Sequence[Span]) -> None:
        """`spans` in rising order, without overlaps."""
        self._source = source
        self._parts = cut_parts(spans)
        self._contents: OrderedDict[Span, Future[bytes]] = OrderedDict()
        self._pool = ThreadPoolExecutor(PARTS_IN_MEMORY)

    def __enter__(self) -> RunReader:
        self._want(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes [offset, offset + size) of the source.

        Raises:
            Passing: the source gave fewer bytes than it has.
        """
        pieces = []
        at, end = offset, offset + size
        while at < end:
            index = self._part_at(at)
            self._want(index)
            part_start, part_end = self._parts[index]
            part = self._contents[self._parts[index]].result()
            pieces.append(part[at - part_start : end - part_start])
            at = part_end
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if len(content) != size:
            raise Passing(f"the source must give {size} bytes at {offset} but gave {len(content)}")
        return content

    def _part_at(self, offset: int) -> int:
        """Index of the part that holds byte `offset`; a new one when none does."""
        index = bisect_right(self._parts, offset, key=lambda part: part[0])
        if index and offset < self._parts[index - 1][1]:
            return index - 1
        limit = self._parts[index][0] if index < len(self._parts) else self._source.size_bytes
        self._parts.insert(index, (offset, max(offset + 1, min(offset + PART_BYTES, limit))))
        return index

    def _want(self, index: int) -> None:
        """Have part `index` on its way, and those after it as far as memory goes."""
        wanted = self._parts[index : index + PARTS_IN_MEMORY]
        for part in wanted:
            if part not in self._contents:
                self._contents[part] = self._pool.submit(self._source.read, part[0], part[1] - part[0])
        for part in reversed(wanted):
            self._contents.move_to_end(part)
        while len(self._contents) > PARTS_IN_MEMORY:
            self._contents.popitem(last=False)
