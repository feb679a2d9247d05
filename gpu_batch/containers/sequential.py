"""Reading a whole source from front to end at the speed of several requests side by side."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from gpu_batch.video.source import Source

PIECE_BYTES = 4 << 20
"""One request: long enough that its answer, not its start, takes the time."""
PIECES_AHEAD = 4
"""Asked for before they are needed, while reading goes on from piece to piece."""
PIECES_KEPT = 12
"""Bounds the memory to 48 MiB; what was read last can be had again."""


class SequentialSource:
    """A `Source` that fetches large pieces of another one ahead; to be used in one thread, as a context manager."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pieces: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._pool = ThreadPoolExecutor(PIECES_AHEAD)

    def __enter__(self) -> SequentialSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def size_bytes(self) -> int:
        """The size of the whole."""
        return self._source.size_bytes

    def read(self, offset: int, size: int) -> bytes:
        """See `Source`."""
        end = min(offset + size, self.size_bytes)
        if offset >= end:
            return b""
        first, last = offset // PIECE_BYTES, (end - 1) // PIECE_BYTES
        parts = []
        for index in range(first, last + 1):
            start = index * PIECE_BYTES
            parts.append(self._piece(index)[max(0, offset - start) : end - start])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _piece(self, index: int) -> bytes:
        # A jump to the end, where some containers keep their index, must not make the rest be fetched in vain.
        is_going_on = index == 0 or index - 1 in self._pieces
        for wanted in range(index, index + (PIECES_AHEAD if is_going_on else 0) + 1):
            start = wanted * PIECE_BYTES
            if wanted not in self._pieces and start < self.size_bytes:
                size = min(PIECE_BYTES, self.size_bytes - start)
                self._pieces[wanted] = self._pool.submit(self._source.read, start, size)
        self._pieces.move_to_end(index)
        while len(self._pieces) > PIECES_KEPT:
            self._pieces.popitem(last=False)
        return self._pieces[index].result()
