"""Measures what work takes while it is done: CPU seconds of threads and of the process, frames, bytes.

Two clocks are read for a turn of the decoder and for a model's run, which take milliseconds: that costs microseconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

from chalicelib.domain.usage import ModelUsage, Usage


class Process:
    """CPU seconds of this process, each told to one unit only."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._told = 0.0
        self._start: float | None = None
        self._shared = Usage()

    def begin(self) -> None:
        """The first unit of this process was claimed: all before was its start."""
        with self._lock:
            if self._start is None:
                self._start = time.process_time()

    @contextmanager
    def loading(self, sha256: str) -> Iterator[None]:
        """Time the opening of a model, which the units of a child share."""
        before = time.thread_time()
        yield
        spent = Usage(load={sha256: ModelUsage(time.thread_time() - before, 1)})
        with self._lock:
            self._shared += spent

    def take(self) -> Usage:
        """What the process spent since this was asked last; with its start, the first time."""
        with self._lock:
            now = time.process_time()
            spent, self._told = now - self._told, now
            start, self._start = self._start or 0.0, 0.0
            shared, self._shared = self._shared, Usage()
            return shared + Usage(cpu=spent, start=start, children=int(start > 0.0))


PROCESS = Process()
"""This one."""


class Meter:
    """What one unit of work takes; its threads add to it."""

    def __init__(self, process: Process = PROCESS) -> None:
        self._process = process
        self._lock = Lock()
        self._usage = Usage()
        self._began = time.monotonic()
        process.begin()

    def add(self, usage: Usage) -> None:
        """Count it in."""
        with self._lock:
            self._usage += usage

    def take(self) -> Usage:
        """All that was added since the unit was begun or this was asked last, with what the process spent."""
        with self._lock:
            now = time.monotonic()
            taken = self._usage + self._process.take() + Usage(wall=now - self._began)
            self._usage, self._began = Usage(), now
            return taken

    def spent_on(self, unit: Mapping[str, Any]) -> dict[str, Any]:
        """As `take`, with what earlier attempts at this unit (its item as of the claim) left: its attribute `usage`."""
        return (Usage.from_json(unit.get("usage")) + self.take()).to_json()


class StageClock:
    """What each stage takes of some frames, in one thread."""

    def __init__(self) -> None:
        self._decode = self._prepare = 0.0
        self._infer: dict[str, ModelUsage] = {}
        self._at = time.thread_time()

    def decoded(self) -> None:
        """Since the last call something was decoded."""
        self._decode += self._lap()

    def prepared(self) -> None:
        """Since the last call something was brought to a model's size."""
        self._prepare += self._lap()

    def inferred(self, sha256: str, pixels: int, frames: int) -> None:
        """Since the last call a model ran on so many frames."""
        name = f"{sha256}:{pixels}"
        self._infer[name] = self._infer.get(name, ModelUsage()) + ModelUsage(self._lap(), frames)

    def usage(self, *, frames: int = 0) -> Usage:
        """All of it; `frames` are those that the models saw."""
        return Usage(decode=self._decode, prepare=self._prepare, infer=self._infer, frames=frames)

    def _lap(self) -> float:
        before, self._at = self._at, time.thread_time()
        return self._at - before
