"""Where a video's bytes come from: anything that can give a range of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class Source(Protocol):
    """Bytes that do not change while they are read; `read` may be called from several threads."""

    @property
    def size_bytes(self) -> int:
        """The size of the whole."""

    def read(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes from `offset`; fewer only where the source ends.

        Raises:
            Passing: the bytes cannot be had now.
            BadInput: they cannot be had any more.
        """


class BytesSource:
    """Bytes in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size_bytes(self) -> int:
        """The size of the whole."""
        return len(self._content)

    def read(self, offset: int, size: int) -> bytes:
        """See `Source`."""
        return self._content[offset : offset + size]


class FileSource:
    """A local file; opened for each read, so that threads share nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size_bytes = path.stat().st_size

    @property
    def size_bytes(self) -> int:
        """The size when the source was made."""
        return self._size_bytes

    def read(self, offset: int, size: int) -> bytes:
        """See `Source`."""
        with self._path.open("rb") as file:
            file.seek(offset)
            return file.read(size)


class CheckedSource:
    """Another source; `check` is called before each read, from the thread that reads, and may raise to stop."""

    def __init__(self, source: Source, check: Callable[[], None]) -> None:
        self._source = source
        self._check = check

    @property
    def size_bytes(self) -> int:
        """The size of the whole."""
        return self._source.size_bytes

    def read(self, offset: int, size: int) -> bytes:
        """See `Source`."""
        self._check()
        return self._source.read(offset, size)
