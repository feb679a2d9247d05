"""One attempt of a Batch job: a process group with its log in a file, stopped as Batch stops a container."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

# Source: https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html
KILL_AFTER_SECONDS = 30.0
POLL_SECONDS = 0.05

EXITED = "Essential container in task exited"
TIMED_OUT = "Job attempt duration exceeded timeout"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code, 128 plus the signal's number when a signal did it, and Batch's reason."""

    exit_code: int
    status_reason: str


class StopRequest:
    """Asks a process to end, from another thread."""

    def __init__(self, grace_seconds: float) -> None:
        """`grace_seconds` lie between SIGTERM and SIGKILL, also when the process ran into its timeout."""
        self.asked = threading.Event()
        self.grace_seconds = grace_seconds

    def ask(self, grace_seconds: float | None = None) -> None:
        """End it; a shorter grace counts even if it was asked before."""
        if grace_seconds is not None:
            self.grace_seconds = min(self.grace_seconds, grace_seconds)
        self.asked.set()


class Process(Protocol):
    """A process that was started, the leader of a group of its own."""

    def poll(self) -> int | None:
        """Its exit code, or the number of the signal that ended it, negative; None while it runs."""

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to it and to whatever it started; what has ended needs none."""


StartProcess = Callable[[Sequence[str], Mapping[str, str], IO[bytes]], Process]
"""Starts a command with an environment, both its outputs into a file; an OSError when that cannot be done."""


def start_fresh(command: Sequence[str], environment: Mapping[str, str], output: IO[bytes]) -> Process:
    """Start a process that is nothing but the command."""
    return _Fresh(command, environment, output)


class ChildProcess:
    """A worker process and everything that it starts."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log_path: Path, start: StartProcess = start_fresh
    ) -> None:
        """Start it; both its outputs are appended to the log."""
        with log_path.open("ab") as log:
            self._process = start(command, environment, log)

    def wait(self, timeout_seconds: float, stop: StopRequest) -> Ended:
        """Wait for its end. At the timeout, or when a stop is asked for: SIGTERM, and SIGKILL after the grace."""
        deadline = time.monotonic() + timeout_seconds
        while not stop.asked.is_set() and time.monotonic() < deadline:
            if (code := self._process.poll()) is not None:
                return self._ended(code, EXITED)
            stop.asked.wait(POLL_SECONDS)
        self._process.signal_group(signal.SIGTERM)
        terminated_at = time.monotonic()
        while (code := self._process.poll()) is None:
            if time.monotonic() > terminated_at + stop.grace_seconds:
                self._process.signal_group(signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        return self._ended(code, EXITED if stop.asked.is_set() else TIMED_OUT)

    def _ended(self, code: int, reason: str) -> Ended:
        # Whatever the worker itself started and left behind ends with it, as in a container.
        self._process.signal_group(signal.SIGKILL)
        return Ended(128 - code if code < 0 else code, reason)


class _Fresh:
    """A child of this process."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], output: IO[bytes]) -> None:
        # A session of its own: Ctrl-C in the terminal is for the stack, which then ends its workers in order.
        self._process = subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def poll(self) -> int | None:
        return self._process.poll()

    def signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
