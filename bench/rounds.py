"""Runs variants in turn, each in a fresh process, round after round; costs are compared within a round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from bench.paths import ROOT
from bench.range_server import Counts
from bench.variant import RESULT_PREFIX
from infra.wiring import IMAGE_ENVIRONMENT

VARIANT_SECONDS = 900.0
"""A variant that takes longer hangs."""


@dataclass(frozen=True, slots=True)
class Call:
    """A variant with its arguments, and the Python that runs it."""

    name: str
    arguments: Mapping[str, object]
    python: Path = Path(sys.executable)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a variant cost."""

    units: int
    wall_seconds: float
    cpu_seconds: float
    import_seconds: float
    rss_mib: float
    facts: Mapping[str, Any]
    requests: int = 0
    """That the range server answered meanwhile."""
    bytes_sent: int = 0
    """Bodies that the range server sent meanwhile."""

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per unit."""
        return self.cpu_seconds * 1000 / self.units

    @property
    def per_second(self) -> float:
        """Units per second of wall time."""
        return self.units / self.wall_seconds


Value: TypeAlias = Callable[[Mapping[str, Run]], float]
"""A number from the runs of one round, by their keys."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """The runs of a group of variants, round by round."""

    runs: tuple[Mapping[str, Run], ...]
    failure_by_key: Mapping[str, str] = field(default_factory=dict)
    """Variants that did not run, and why; they are in no round."""

    def has(self, key: str) -> bool:
        """Whether the variant ran."""
        return bool(self.runs) and key in self.runs[0]

    def values(self, value: Value) -> tuple[float, ...]:
        """The value of every round; none when a variant that it needs did not run."""
        try:
            return tuple(value(runs) for runs in self.runs)
        except KeyError:
            return ()


def run_rounds(calls: Mapping[str, Call], rounds: int, counts: Counts | None = None) -> Rounds:
    """Run all calls, one after the other, `rounds` times; a call that fails is left out from there on."""
    found: list[dict[str, Run]] = []
    failures: dict[str, str] = {}
    for _ in range(rounds):
        runs: dict[str, Run] = {}
        for key, call in calls.items():
            if key in failures:
                continue
            try:
                runs[key] = run_once(call, counts)
            except VariantFailed as failure:
                failures[key] = str(failure)
                print(f"  {call.name} failed: {failure}", flush=True)
        found.append(runs)
    sound = [{key: run for key, run in runs.items() if key not in failures} for runs in found]
    return Rounds(tuple(sound), failures)


class VariantFailed(Exception):
    """A variant gave no result."""


def run_once(call: Call, counts: Counts | None = None) -> Run:
    """Run a variant in a process of its own.

    Raises:
        VariantFailed: it ended without a result, or not at all; with the last line that it wrote.
    """
    if not call.python.exists():
        raise VariantFailed("its environment is not installed")
    words = [f"{name}={value}" for name, value in call.arguments.items()]
    command = [str(call.python), "-m", "bench.variant", call.name, *words]
    if counts:
        counts.reset()
    try:
        # Peers and limits have what the worker's image has: the same memory for all.
        environment = {**os.environ, **IMAGE_ENVIRONMENT}
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=VARIANT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise VariantFailed(f"no end after {VARIANT_SECONDS:g} s") from error
    lines = [line for line in ended.stdout.splitlines() if line.startswith(RESULT_PREFIX)]
    if not lines:
        raise VariantFailed((ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1])
    result = json.loads(lines[-1].removeprefix(RESULT_PREFIX))
    if counts:
        result |= {"requests": counts.requests, "bytes_sent": counts.bytes_sent}
    return Run(**result)
