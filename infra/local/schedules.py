"""EventBridge Scheduler: a handler, started again and again with a "Scheduled Event"."""

from __future__ import annotations

import logging
import threading
from typing import Any

from infra.local.events import ACCOUNT_ID, REGION, make_event
from infra.local.functions import Functions
from infra.wiring import Schedule

log = logging.getLogger(__name__)


def make_scheduled_event(schedule: Schedule) -> dict[str, Any]:
    """What Scheduler gives to a function when the schedule has no input of its own; its `detail` is a text."""
    arn = f"arn:aws:scheduler:{REGION}:{ACCOUNT_ID}:schedule/default/{schedule.name}"
    return make_event("aws.scheduler", "Scheduled Event", {}, [arn]) | {"detail": "{}"}


class ScheduleRunner:
    """One schedule, on a thread of its own. A run that takes longer than the interval delays the next one."""

    def __init__(self, schedule: Schedule, functions: Functions, every_seconds: float) -> None:
        """`every_seconds` stands in for the schedule's own interval, which is meant for AWS."""
        self._schedule = schedule
        self._functions = functions
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run_until_stopped, name=f"schedule-{schedule.name}", daemon=True)

    def start(self) -> None:
        """Begin; the first run is one interval away."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Start nothing more, and wait for a run that is under way."""
        self._stopping.set()
        self._thread.join(timeout_seconds)

    def _run_until_stopped(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            try:
                self._functions.invoke(self._schedule.handler, make_scheduled_event(self._schedule))
            except Exception:  # The border of the function: the next run is the retry.
                log.exception("%s failed", self._schedule.handler)
