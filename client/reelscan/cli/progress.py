"""Bars: of an upload, part by part, and of a job, segment by segment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from reelscan.cli.tables import MEGABYTE, clock, state

if TYPE_CHECKING:
    from reelscan import Client, UploadProgress
    from reelscan.records import Job, Segment

BAR_CELLS = 30
EIGHTHS = " ▏▎▍▌▋▊▉█"
SHOWN_PARTS = 6
SEGMENT_MARKS = {"DONE": ("█", "green"), "FAILED": ("✗", "red"), "CANCELLED": ("·", "dim")}
WAITING = "OPEN"


def bar(share: float, style: str = "cyan", cells: int = BAR_CELLS) -> Text:
    """A bar that is full at 1, in eighths of a cell."""
    eighths = round(max(0.0, min(share, 1.0)) * cells * 8)
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (EIGHTHS[rest] if rest else "")
    return Text.assemble((drawn, style), ("░" * (cells - len(drawn)), "bright_black"))


class UploadBars:
    """What is sent of a file, and of each part that is under way."""

    def __init__(self, name: str, now: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._now = now
        self._started = self._moved = now()
        """When bytes moved last: the wait for what comes after them is not their speed."""
        self._first_bytes: int | None = None
        self._last: UploadProgress | None = None
        self._parts: dict[int, UploadProgress] = {}
        self._lock = threading.Lock()

    def update(self, progress: UploadProgress) -> None:
        """Something moved."""
        with self._lock:
            if self._first_bytes is None:
                self._first_bytes = progress.resumed_bytes
            is_part_done = self._last is not None and progress.parts_done > self._last.parts_done
            if self._last is None or progress.sent_bytes != self._last.sent_bytes:
                self._moved = self._now()
            self._last = progress
            if is_part_done:
                self._parts.pop(progress.part_number, None)
            elif progress.part_number:
                self._parts[progress.part_number] = progress

    def __rich__(self) -> Group:
        """As it is now."""
        with self._lock:
            progress, parts = self._last, sorted(self._parts.items())
        if progress is None:
            return Group(Text(f" {self._name}  reading", style="dim"))
        seconds = max(self._moved - self._started, 1e-3)
        speed = (progress.sent_bytes - (self._first_bytes or 0)) / seconds
        left_seconds = (progress.size_bytes - progress.sent_bytes) / speed if speed > 0 else 0.0
        share = progress.sent_bytes / progress.size_bytes if progress.size_bytes else 1.0
        style = "green" if share >= 1 else "cyan"
        lines = [
            Text.assemble(
                " Upload   ",
                bar(share, style),
                f" {share:4.0%}  {progress.sent_bytes / MEGABYTE:,.1f} of {progress.size_bytes / MEGABYTE:,.1f} MB",
                (f"  {speed / MEGABYTE:,.1f} MB/s", "dim"),
                (f"  {clock(left_seconds)} left" if share < 1 and speed > 0 else "", "dim"),
            )
        ]
        if progress.part_count:
            done = f" {progress.parts_done} of {progress.part_count} parts are there"
            resumed = (
                f", {progress.resumed_bytes / MEGABYTE:,.1f} MB from an earlier run" if progress.resumed_bytes else ""
            )
            lines.append(Text(f"         {done}{resumed}", style="dim"))
        for number, part in parts[:SHOWN_PARTS]:
            share = part.part_sent_bytes / part.part_size_bytes if part.part_size_bytes else 0.0
            lines.append(Text.assemble((f"  {number:>6}  ", "dim"), bar(share, "blue"), (f" {share:4.0%}", "dim")))
        return Group(*lines)


class JobBars:
    """How far a job is, and what each of its segments does."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._started = now()
        self.job: Job | None = None
        self.segments: Sequence[Segment] = ()

    def __rich__(self) -> Group:
        """As it is now."""
        job = self.job
        if job is None:
            return Group()
        progress = job.progress
        ended, total = progress.segments_done + progress.segments_failed, progress.segments_total
        style = "red" if progress.segments_failed else "green" if total and ended == total else "cyan"
        lines = [
            Text.assemble(
                " Analyze  ",
                bar(ended / total if total else 0.0, style),
                f" {ended}/{total} " if total else "  ",
                state(job.state),
                (f"  {clock(self._now() - self._started)}", "dim"),
            )
        ]
        if len(self.segments) > 1:
            lines.append(Text.assemble(("          ", ""), strip(self.segments), (" by segment", "dim")))
        return Group(*lines)


def strip(segments: Sequence[Segment], cells: int = BAR_CELLS) -> Text:
    """The segments in order of time, as wide as a bar; where several share a cell, the least advanced is seen."""
    drawn = Text()
    for cell in range(cells):
        first = cell * len(segments) // cells
        drawn.append(*_mark(segments[first : max(first + 1, (cell + 1) * len(segments) // cells)]))
    return drawn


def _mark(segments: Sequence[Segment]) -> tuple[str, str]:
    states = {segment.state for segment in segments}
    if "FAILED" in states:
        return SEGMENT_MARKS["FAILED"]
    if len(states) == 1 and (mark := SEGMENT_MARKS.get(next(iter(states)))):
        return mark
    if states == {WAITING}:
        return "░", "bright_black"
    return "▒", "cyan"


@contextmanager
def shown(view: UploadBars | JobBars, console: Console, *, is_shown: bool) -> Iterator[None]:
    """Keep `view` on the terminal, drawn again ten times a second; nothing where there is no terminal."""
    if not is_shown or not console.is_terminal:
        yield
        return
    with Live(view, console=console, refresh_per_second=10, transient=False):
        yield


def watch_job(
    client: Client, job: Job | str, console: Console, *, is_shown: bool, timeout_seconds: float | None = None
) -> Job:
    """The job, once it has ended; meanwhile its bars, or a line for each change where there is no terminal."""
    view = JobBars()
    said = ""

    def moved(job: Job) -> None:
        nonlocal said
        if not is_shown:
            return
        if console.is_terminal and job.progress.segments_total > 1:
            # Before `job`: the bar must not be ahead of its marks.
            view.segments = client.jobs.segments(job).all()
        view.job = job
        line = f"{job.state} {job.progress.segments_done} of {job.progress.segments_total} segments"
        if not console.is_terminal and line != said:
            console.print(line)
            said = line

    with shown(view, console, is_shown=is_shown):
        return client.jobs.wait(job, timeout_seconds=timeout_seconds, on_progress=moved, poll_seconds=0.5)
