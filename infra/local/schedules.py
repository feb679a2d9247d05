"""EventBridge schedules: a handler, started again and again with a "Scheduled Event"."""

from __future__ import annotations

import logging
import threading

from infra.local.events import ACCOUNT_ID, REGION, make_event
from infra.local.functions import Functions
from infra.wiring import Schedule

log = logging.getLogger(__name__)


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
        arn = f"arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{self._schedule.name}"
        while not self._stopping.wait(self._every_seconds):
            try:
                self._functions.invoke(self._schedule.handler, make_event("aws.events", "Scheduled Event", {}, [arn]))
            except Exception:  # The border of the function: the next run is the retry.
                log.exception("%s failed", self._schedule.handler)
