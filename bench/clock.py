"""What a variant costs: wall time and CPU time between two points, and the memory that the process reached."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

_STATUS = Path("/proc/self/status")


class Clock:
    """Measures its `with` block: set-up stands before it, so imports and loading of models are not in it."""

    def __init__(self) -> None:
        self.wall_seconds = 0.0
        self.cpu_seconds = 0.0

    def __enter__(self) -> Clock:
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wall_seconds += time.perf_counter() - self._wall
        self.cpu_seconds += _cpu_seconds() - self._cpu


@dataclass(frozen=True, slots=True)
class Done:
    """What a variant did."""

    units: int
    """Frames, mostly: what the costs are divided by."""
    facts: Mapping[str, Any] = field(default_factory=dict)


Variant: TypeAlias = Callable[..., Done]
"""Called with a `Clock` and, by name, what stands on the command line; all of that is text."""


def peak_rss_mib() -> float:
    """The most memory that this process had so far.

    Of Linux's own count for this program where there is one: getrusage counts the process that it was forked from as
    well. Source: proc(5), VmHWM.
    """
    if _STATUS.exists():
        [peak] = [line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(peak.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def _cpu_seconds() -> float:
    """User and system time of all threads, and of the children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
