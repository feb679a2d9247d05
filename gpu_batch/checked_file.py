"""A temporary file whose writer is asked now and then whether to go on."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

BUFFER_BYTES = 1 << 20


@contextmanager
def checked_file(check: Callable[[], None]) -> Iterator[IO[bytes]]:
    """An empty file that is gone afterwards; `check` is called for about every MiB written, and may raise to stop.

    Some formats write for minutes after the last frame was read, and a worker that does not check has stalled.
    """
    with tempfile.TemporaryDirectory() as folder:
        raw = _CheckedFile(Path(folder) / "export", check)
        try:
            file = io.BufferedRandom(raw, BUFFER_BYTES)
            yield file
            file.close()
        finally:
            # After an error there is nothing to flush to, and no reason to ask.
            raw.close()


class _CheckedFile(io.FileIO):
    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        super().__init__(path, "w+b")
        self._check = check

    def write(self, piece: io.ReadableBuffer) -> int:  # type: ignore[name-defined]
        self._check()
        return super().write(piece)
