"""What the demo says: numbered steps, a bar that moves, a table. Plain lines where there is no terminal.

Colour is left out when `NO_COLOR` is set (Source: https://no-color.org) or the output is no terminal.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import TextIO

BAR_CELLS = 28
RESET = "\x1b[0m"
BOLD, DIM, RED, GREEN, CYAN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[36m"
ERASE_LINE = "\r\x1b[2K"


class Terminal:
    """Writes to `stream`, in the manner that it can show."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty() and environment.get("TERM") != "dumb"
        self._has_colour = self._is_terminal and not environment.get("NO_COLOR")
        self._has_bar = False
        self._last_progress = ""

    def title(self, text: str) -> None:
        """The first line."""
        self.line(self._in(BOLD, text))

    def step(self, name: str, text: str) -> None:
        """One thing that was done."""
        self.line(f"{self._in(CYAN, name.ljust(9))} {text}")

    def note(self, text: str) -> None:
        """More about the step above."""
        self.line(f"{'':9} {text}")

    def line(self, text: str = "") -> None:
        """A line as it is; ends a bar that stands."""
        self._end_bar()
        print(text, file=self._stream, flush=True)

    def failure(self, what: str, cause: str, hint: str) -> None:
        """Something ended badly: what, why, and what to do."""
        self.line(self._in(RED, what))
        self.line(f"  cause: {cause}")
        self.line(f"  hint:  {hint}")

    def progress(self, name: str, done: int, total: int, text: str) -> None:
        """A bar at `done` of `total`, redrawn in place; without a terminal, a line each time the words change."""
        if self._is_terminal:
            filled = BAR_CELLS * done // total if total else 0
            bar = self._in(GREEN, "█" * filled) + self._in(DIM, "░" * (BAR_CELLS - filled))
            self._stream.write(f"{ERASE_LINE}{self._in(CYAN, name.ljust(9))} {bar} {self._fitting(text)}")
            self._stream.flush()
            self._has_bar = True
        elif text != self._last_progress:
            self.line(f"{name.ljust(9)} {text}")
        self._last_progress = text

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns as wide as their content: the first to the left, the others, being numbers, to the right."""
        widths = [max(len(cell) for cell in column) for column in zip(headings, *rows, strict=True)]

        def aligned(cells: Sequence[str]) -> str:
            first = cells[0].ljust(widths[0])
            return "  ".join([first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))])

        self.line(f"  {self._in(BOLD, aligned(headings))}")
        self.line(f"  {self._in(DIM, '  '.join('─' * width for width in widths))}")
        for row in rows:
            self.line(f"  {aligned(row)}")

    def _fitting(self, text: str) -> str:
        """A bar that wraps cannot be redrawn in place."""
        room = shutil.get_terminal_size().columns - BAR_CELLS - 12
        return text[: max(room, 0)]

    def _end_bar(self) -> None:
        if self._has_bar:
            self._stream.write("\n")
            self._has_bar = False

    def _in(self, style: str, text: str) -> str:
        return f"{style}{text}{RESET}" if self._has_colour else text
