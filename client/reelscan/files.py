"""A local file while it is sent: its identity, its digests, and its bytes as a request's body that is counted."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import anyio.to_thread
import httpx

from reelscan.errors import FileChanged

PIECE_BYTES = 256 << 10
"""What is read, sent and reported at a time."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file as it was when the upload began."""

    path: Path
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """The file as it is now."""
        stat = path.stat()
        return cls(path.resolve(), stat.st_size, stat.st_mtime_ns)

    @property
    def content_type(self) -> str | None:
        """As its name says."""
        return mimetypes.guess_type(self.path.name)[0]

    def sha256(self, offset: int = 0, size_bytes: int | None = None) -> str:
        """Hex digest of a range, or of all of it."""
        digest = hashlib.sha256()
        for piece in self.pieces(offset, self.size_bytes if size_bytes is None else size_bytes):
            digest.update(piece)
        return digest.hexdigest()

    def pieces(self, offset: int, size_bytes: int) -> Iterator[bytes]:
        """The bytes of a range.

        Raises:
            FileChanged: it ends too early.
        """
        left = size_bytes
        with self.path.open("rb") as file:
            file.seek(offset)
            while left:
                piece = file.read(min(PIECE_BYTES, left))
                if not piece:
                    raise changed(self)
                left -= len(piece)
                yield piece

    def check_unchanged(self) -> None:
        """Raises FileChanged when somebody wrote to it."""
        if LocalFile.of(self.path) != self:
            raise changed(self)


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A range of a file as the body of a request, in either world; `sent` hears of every piece."""

    def __init__(self, pieces: Iterator[bytes], sent: Callable[[int], None]) -> None:
        self._pieces = pieces
        self._sent = sent

    def __iter__(self) -> Iterator[bytes]:
        """For a blocking client."""
        for piece in self._pieces:
            yield piece
            self._sent(len(piece))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """For an asynchronous client, whose loop must not wait for a disk."""
        while (piece := await anyio.to_thread.run_sync(next, self._pieces, None)) is not None:
            yield piece
            self._sent(len(piece))


class CountedFile:
    """An open file for a form, which tells how much of it was read."""

    def __init__(self, file: BinaryIO, sent: Callable[[int], None]) -> None:
        self._file = file
        self._sent = sent

    def fileno(self) -> int:
        """By which its length is found."""
        return self._file.fileno()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        piece = self._file.read(size)
        self._sent(len(piece))
        return piece


def changed(file: LocalFile) -> FileChanged:
    """The error that says so."""
    return FileChanged(f"{file.path} changed while it was sent", "Upload it again when nobody writes to it any more")
