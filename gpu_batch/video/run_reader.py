"""The bytes of a run of cells: one ranged read, or several side by side, with no more than a few parts in memory."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from gpu_batch.errors import Passing
from gpu_batch.video.source import Source

PART_BYTES = 16 << 20
"""A run of up to this size is one request."""
PARTS_IN_MEMORY = 4
"""Parts read ahead side by side, and kept: bounds a run of any size to 64 MiB."""


class RunReader:
    """Gives pieces of source[start:end], mostly in rising order; reads ahead in the background while it is open."""

    def __init__(self, source: Source, start: int, end: int) -> None:
        self._source = source
        self._start = start
        self._end = end
        self._parts: OrderedDict[int, Future[bytes]] = OrderedDict()
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
        first, last = ((at - self._start) // PART_BYTES for at in (offset, offset + max(size, 1) - 1))
        pieces = []
        for index in range(first, last + 1):
            self._want(index)
            part_start = self._start + index * PART_BYTES
            part = self._parts[index].result()
            pieces.append(part[max(0, offset - part_start) : offset + size - part_start])
        content = b"".join(pieces)
        if len(content) != size:
            raise Passing(f"the source must give {size} bytes at {offset} but gave {len(content)}")
        return content

    def _want(self, index: int) -> None:
        """Have part `index` on its way, and those after it as far as memory goes."""
        part_count = -(-(self._end - self._start) // PART_BYTES)
        for ahead in range(index, min(index + PARTS_IN_MEMORY, part_count)):
            if ahead not in self._parts:
                start = self._start + ahead * PART_BYTES
                self._parts[ahead] = self._pool.submit(self._source.read, start, min(PART_BYTES, self._end - start))
        for wanted in range(min(index + PARTS_IN_MEMORY, part_count) - 1, index - 1, -1):
            self._parts.move_to_end(wanted)
        while len(self._parts) > PARTS_IN_MEMORY:
            self._parts.popitem(last=False)
