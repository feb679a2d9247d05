"""What is on its way to the functions: delivered one at a time, in order, by whoever asks for the next.

EventBridge's events and the records of the table's stream, each counted, so that a plan can name the one that is lost,
comes twice, or comes again when everything is over.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from infra.local import moto_patches
from infra.local.events import ATTEMPTS
from infra.local.functions import Functions
from infra.local.patterns import matches
from infra.local.schedules import make_scheduled_event
from infra.wiring import WIRING
from tests.faults.wire import Died, Fault, Wire

STREAM_TABLE = WIRING.meta.name
MANY_RECORDS = 10_000


class EventFault(StrEnum):
    """What can happen to one event."""

    LOST = "lost"
    TWICE = "delivered twice"
    LATE = "delivered again when all is over"


@dataclass(frozen=True)
class EventPlan:
    """Which event meets which fault."""

    number: int
    fault: EventFault

    def __str__(self) -> str:
        return f"event {self.number} {self.fault}"


@dataclass(frozen=True)
class Delivery:
    """An invocation that is owed."""

    handler: str
    event: dict[str, Any]
    attempts_left: int


class Deliveries:
    """The bus and the stream, on one thread."""

    def __init__(self, functions: Functions, wire: Wire, plan: EventPlan | None, *, are_lost: bool) -> None:
        self.seen: list[str] = []
        """Every event so far, in words."""
        self.images: list[dict[str, Any]] = []
        """The new image of every record of the stream so far."""
        self.has_struck = False
        self.is_deaf = False
        """While set, whatever is emitted is lost: what a process that dies unheard would have caused."""
        self._functions = functions
        self._wire = wire
        self._plan = plan
        self._are_lost = are_lost
        self._waiting: deque[Delivery] = deque()
        self._late: list[Delivery] = []

    def put(self, event: dict[str, Any]) -> None:
        """An event for whichever rules match it."""
        for rule in WIRING.event_rules:
            if matches(rule.pattern, event):
                words = f"{event['detail-type']} {event['detail'].get('status', '')}".strip()
                self._take(Delivery(rule.handler, event, ATTEMPTS), words)

    def deliver_next(self) -> bool:
        """Invoke a function for the oldest event; False when there is none."""
        self._read_stream()
        if not self._waiting:
            return False
        delivery = self._waiting.popleft()
        if not self._invoke(delivery.handler, delivery.event) and delivery.attempts_left > 1:
            self._waiting.append(Delivery(delivery.handler, delivery.event, delivery.attempts_left - 1))
        return True

    def tick(self) -> None:
        """The schedules; an invocation that fails is made up for by the next one."""
        for schedule in WIRING.schedules:
            self._invoke(schedule.handler, make_scheduled_event(schedule))

    def deliver_late(self) -> None:
        """What comes again when all is over."""
        for delivery in self._late:
            self._invoke(delivery.handler, delivery.event)
        self._late = []

    def _invoke(self, handler: str, event: dict[str, Any]) -> bool:
        """Whether nobody need try again."""
        try:
            with self._wire.process(handler):
                self._functions.invoke(handler, event)
        except Died:
            return self._wire.fault is Fault.DIED_UNHEARD
        except Exception:  # noqa: BLE001  The border of the function, as Lambda has it.
            return False
        return True

    def _read_stream(self) -> None:
        batch = moto_patches.read_stream(STREAM_TABLE, MANY_RECORDS)
        moto_patches.drop_stream_records(STREAM_TABLE, len(batch.records))
        for record in batch.records:
            image = record["dynamodb"].get("NewImage")
            if image is not None:
                self.images.append(image)
            for mapping in WIRING.streams:
                if any(matches(pattern, record) for pattern in mapping.filters):
                    delivery = Delivery(mapping.handler, {"Records": [record]}, mapping.max_retries + 1)
                    self._take(delivery, f"record of {record['dynamodb']['Keys']['sk']['S']}")

    def _take(self, delivery: Delivery, words: str) -> None:
        number = len(self.seen)
        self.seen.append(words)
        if self._are_lost or self.is_deaf:
            return
        fault = self._plan.fault if self._plan and self._plan.number == number else None
        self.has_struck |= fault is not None
        if fault is not EventFault.LOST:
            self._waiting.append(delivery)
        if fault is EventFault.TWICE:
            self._waiting.append(delivery)
        if fault is EventFault.LATE:
            self._late.append(delivery)
