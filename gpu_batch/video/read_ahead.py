"""A source whose next ranges are already on their way."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future

from gpu_batch.video.run_reader import Span
from gpu_batch.video.source import Source


class ReadAhead:
    """Reads ranges of a source in the background; who then asks for exactly one of them gets it, once."""

    def __init__(self, source: Source, spans: Sequence[Span], pool: Executor) -> None:
        self._source = source
        self._waiting: dict[Span, Future[bytes]] = {
            span: pool.submit(source.read, span[0], span[1] - span[0]) for span in spans
        }

    @property
    def size_bytes(self) -> int:
        """The size of the whole."""
        return self._source.size_bytes

    def read(self, offset: int, size: int) -> bytes:
        """See `Source`."""
        waiting = self._waiting.pop((offset, offset + size), None)
        # One that never started would only wait for its turn behind others.
        if waiting is None or waiting.cancel():
            return self._source.read(offset, size)
        return waiting.result()
