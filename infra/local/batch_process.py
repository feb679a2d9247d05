"""One attempt of a Batch job: a process group with its log in a file, stopped as Batch stops a container."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

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


class ChildProcess:
    """A worker process and everything that it starts."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log_path: Path) -> None:
        """Start it; both its outputs are appended to the log."""
        self._log: IO[bytes] = log_path.open("ab")
        # A session of its own: Ctrl-C in the terminal is for the stack, which then ends its workers in order.
        self._process = subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def wait(self, timeout_seconds: float, stop: StopRequest) -> Ended:
        """Wait for its end. At the timeout, or when a stop is asked for: SIGTERM, and SIGKILL after the grace."""
        deadline = time.monotonic() + timeout_seconds
        while not stop.asked.is_set() and time.monotonic() < deadline:
            if self._process.poll() is not None:
                return self._ended(EXITED)
            stop.asked.wait(POLL_SECONDS)
        self._signal(signal.SIGTERM)
        terminated_at = time.monotonic()
        while self._process.poll() is None:
            if time.monotonic() > terminated_at + stop.grace_seconds:
                self._signal(signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        return self._ended(EXITED if stop.asked.is_set() else TIMED_OUT)

    def _ended(self, reason: str) -> Ended:
        # Whatever the worker itself started and left behind ends with it, as in a container.
        self._signal(signal.SIGKILL)
        self._log.close()
        code = self._process.returncode
        return Ended(128 - code if code < 0 else code, reason)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return
