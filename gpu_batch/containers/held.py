"""A source that remembers chosen ranges, so that a probe asks for no byte twice."""

from __future__ import annotations

from gpu_batch.video.source import Source


class HeldSource:
    """A `Source` with some of its bytes in memory: what is held already is no request any more."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._held: list[tuple[int, bytes]] = []

    @property
    def size_bytes(self) -> int:
        """The size of the whole."""
        return self._source.size_bytes

    def read(self, offset: int, size: int) -> bytes:
        """See `Source`; of a range whose beginning is held, only the rest is asked for."""
        size = max(0, min(size, self.size_bytes - offset))
        pieces: list[bytes] = []
        while size and (piece := self._piece(offset, size)):
            pieces.append(piece)
            offset, size = offset + len(piece), size - len(piece)
        if size:
            pieces.append(self._source.read(offset, size))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def hold(self, offset: int, size: int) -> bytes:
        """The same as `read`, and the bytes are held as long as the source is."""
        buffer, start = self.locate(offset, size)
        return buffer if start == 0 and len(buffer) == size else buffer[start : start + size]

    def locate(self, offset: int, size: int) -> tuple[bytes, int]:
        """A buffer that holds the range, and where in it the range starts: spares a copy of what is held already."""
        size = max(0, min(size, self.size_bytes - offset))
        for start, content in self._held:
            if start <= offset and offset + size <= start + len(content):
                return content, offset - start
        content = self.read(offset, size)
        self._held.append((offset, content))
        return content, 0

    def _piece(self, offset: int, size: int) -> bytes:
        for start, content in self._held:
            if start <= offset < start + len(content):
                return content[offset - start : offset - start + size]
        return b""
