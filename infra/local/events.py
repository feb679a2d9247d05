"""EventBridge: events to the handlers of the rules they match, always asynchronously and at least once."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.local.functions import Functions
from infra.local.patterns import matches
from infra.wiring import EventRule

ACCOUNT_ID = "123456789012"
REGION = "us-east-1"
# Lambda retries an asynchronous invocation twice. Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
ATTEMPTS = 3
DELIVERY_THREADS = 4

log = logging.getLogger(__name__)


def make_event(
    source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str] = ()
) -> dict[str, Any]:
    """An event in EventBridge's envelope."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT_ID,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": list(resources),
        "detail": dict(detail),
    }


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one handler."""

    handler: str
    event: dict[str, Any]
    attempt: int = 1


class EventBus:
    """The default event bus."""

    def __init__(self, rules: Iterable[EventRule], functions: Functions, retry_seconds: float = 1.0) -> None:
        """`retry_seconds` is the pause before the second attempt; it doubles before each further one."""
        self._rules = tuple(rules)
        self._functions = functions
        self._retry_seconds = retry_seconds
        self._changed = threading.Condition()
        handlers = dict.fromkeys(rule.handler for rule in self._rules)
        self._waiting: dict[str, list[tuple[float, int, Delivery]]] = {handler: [] for handler in handlers}
        """By handler: as with Lambda, a function that takes long keeps no other one waiting."""
        self._in_flight: dict[int, Delivery] = {}
        self._dead_letters: list[Delivery] = []
        self._numbers = itertools.count()
        self._is_stopping = False
        self._threads = [
            threading.Thread(
                target=self._deliver_until_stopped, args=[handler], name=f"events-{handler}-{number}", daemon=True
            )
            for handler in handlers
            for number in range(DELIVERY_THREADS)
        ]

    def start(self) -> None:
        """Begin to deliver."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Deliver nothing more, and wait for the handlers that are running."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout_seconds)

    def put(self, event: dict[str, Any]) -> None:
        """Send an event to every rule that matches it; returns before any handler runs."""
        for rule in self._rules:
            if matches(rule.pattern, event):
                self._enqueue(Delivery(rule.handler, event), delay_seconds=0)

    def pending(self) -> list[Delivery]:
        """What no handler has finished yet, for the snapshot."""
        with self._changed:
            waiting = sorted(entry for entries in self._waiting.values() for entry in entries)
            return [*self._in_flight.values(), *(delivery for _, _, delivery in waiting)]

    def resume(self, deliveries: Iterable[Delivery]) -> None:
        """Take up what an earlier run left pending."""
        for delivery in deliveries:
            self._enqueue(delivery, delay_seconds=0)

    def dead_letters(self) -> list[Delivery]:
        """Deliveries that failed at every attempt."""
        with self._changed:
            return list(self._dead_letters)

    def _enqueue(self, delivery: Delivery, delay_seconds: float) -> None:
        with self._changed:
            # What an earlier run left may be for a handler that no rule has any more.
            waiting = self._waiting.get(delivery.handler, [])
            heapq.heappush(waiting, (time.monotonic() + delay_seconds, next(self._numbers), delivery))
            self._changed.notify_all()

    def _deliver_until_stopped(self, handler: str) -> None:
        while (taken := self._take(handler)) is not None:
            number, delivery = taken
            try:
                self._functions.invoke(delivery.handler, delivery.event)
            except Exception:  # The border of the function: report, retry, go on.
                log.exception("%s failed at attempt %d of %d", delivery.handler, delivery.attempt, ATTEMPTS)
                self._retry(delivery)
            finally:
                # Only now: a snapshot taken in between must hold the delivery, at worst twice.
                with self._changed:
                    del self._in_flight[number]

    def _take(self, handler: str) -> tuple[int, Delivery] | None:
        waiting = self._waiting[handler]
        with self._changed:
            while not self._is_stopping:
                now = time.monotonic()
                if waiting and waiting[0][0] <= now:
                    _, number, delivery = heapq.heappop(waiting)
                    self._in_flight[number] = delivery
                    return number, delivery
                self._changed.wait(waiting[0][0] - now if waiting else None)
        return None

    def _retry(self, delivery: Delivery) -> None:
        if delivery.attempt < ATTEMPTS:
            pause = self._retry_seconds * 2 ** (delivery.attempt - 1)
            self._enqueue(Delivery(delivery.handler, delivery.event, delivery.attempt + 1), pause)
        else:
            log.error("%s gave up event %s", delivery.handler, delivery.event["id"])
            with self._changed:
                self._dead_letters.append(delivery)
