"""Sorting more than fits in memory, by way of a temporary file."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

CACHE_KIB = 16 * 1024
"""What SQLite may keep in memory; what is more goes to its temporary files."""


class SortedSpool:
    """Takes texts with a key of three numbers, and gives them back in the order of keys, then in that of taking."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._file = sqlite3.connect(Path(self._folder.name) / "spool", isolation_level=None)
        for pragma in (f"cache_size = -{CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF", "temp_store = FILE"):
            self._file.execute(f"PRAGMA {pragma}")
        self._file.execute(
            "CREATE TABLE spool (number INTEGER PRIMARY KEY, a INTEGER, b INTEGER, c INTEGER, text TEXT)"
        )
        self._file.execute("BEGIN")

    def __enter__(self) -> Self:
        """Texts may be added."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drop the file."""
        self._file.close()
        self._folder.cleanup()

    def add(self, key: tuple[int, int, int], text: str) -> None:
        """Take one."""
        self._file.execute("INSERT INTO spool (a, b, c, text) VALUES (?, ?, ?, ?)", (*key, text))

    def read(self) -> Iterator[tuple[tuple[int, int, int], str]]:
        """All of them, in order."""
        # The temporary files of a sort lie beside the spool, wherever the system has its own.
        for a, b, c, text in self._file.execute("SELECT a, b, c, text FROM spool ORDER BY a, b, c, number"):
            yield (a, b, c), text
