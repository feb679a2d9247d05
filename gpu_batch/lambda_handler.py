"""The worker as the function of the fast lane: `python -m awslambdaric gpu_batch.lambda_handler.handle`.

What a worker needs is imported once for each container; every invocation is then a fork of this process, and is a
worker like any other from there on: `gpu_batch.main`, an environment, an exit code. So nothing of one order is left for
the next, a model that hangs or breaks the process takes nothing along, and SIGTERM means here what it means in Batch.
No library that is imported here starts a thread, as `infra/local/warm_parent.py` needs it too.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn, Protocol

from chalicelib.contracts.invocations import Invocation, environment_of
from chalicelib.domain.lanes import FAST_DRAIN_SECONDS
from gpu_batch import main

KILL_SECONDS = 5.0
"""Before the timeout whatever still runs is killed: an answer that comes too late is none."""

POLL_SECONDS = 0.02


class Context(Protocol):
    """What Lambda's runtime tells of an invocation."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the timeout."""


def handle(event: Mapping[str, Any], context: Context) -> dict[str, int]:
    """Do what the order says that the event names, before the function's time is over; the worker's exit code."""
    environment = environment_of(Invocation.from_json(event), context.aws_request_id)
    return {"exit_code": run_in_fork(environment, context.get_remaining_time_in_millis() / 1000)}


def run_in_fork(environment: Mapping[str, str], seconds: float, work: Callable[[], NoReturn] = main.run) -> int:
    """Run the worker with these variables added to its environment; 128 plus the signal's number when one ended it.

    It has so many `seconds`: a minute before their end it is told to give back what it holds, and shortly before it is
    killed.
    """
    # The parent's garbage is no worker's: it need not be copied.
    gc.freeze()
    pid = os.fork()
    if pid == 0:
        _become_worker(environment, work)
    end = time.monotonic() + seconds
    status = _wait(pid, end - FAST_DRAIN_SECONDS)
    if status is None:
        _signal(pid, signal.SIGTERM)
        status = _wait(pid, end - KILL_SECONDS)
    if status is None:
        _signal(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    # Whatever the worker itself started and left behind ends with it, as in a container.
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _become_worker(environment: Mapping[str, str], work: Callable[[], NoReturn]) -> NoReturn:
    try:
        os.setsid()
        os.environ.update(environment)
        work()
    finally:
        # Never back into the runtime, of which there must be one.
        sys.stdout.flush()
        os._exit(1)


def _wait(pid: int, deadline: float) -> int | None:
    """How the process ended; None when it runs at the deadline."""
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        if time.monotonic() >= deadline:
            return None
        time.sleep(POLL_SECONDS)


def _signal(pid: int, number: signal.Signals) -> None:
    """Signal a worker that was not waited for, and its group, which it makes first of all."""
    os.kill(pid, number)
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
