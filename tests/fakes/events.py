"""Events of jobs in memory, and a publisher that notes what it was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.errors import DependencyFailed, NotFound
from chalicelib.domain.events import JobEvent
from chalicelib.services.ports import Owner
from tests.fakes.memory import Memory


class FakeEventStore:
    """The port `EventStore`; nothing expires."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def append(self, event: JobEvent, *, expires_at: datetime | None) -> JobEvent | None:
        owner = Owner(event.tenant, event.job_id)
        if owner not in self._memory.jobs:
            raise NotFound(f"job {event.job_id} is gone")
        events = self._memory.events.setdefault(owner, [])
        if event.state is not None and any(recorded.state and recorded.origin > event.origin for recorded in events):
            return None
        for recorded in events:
            if recorded.origin == event.origin:
                return recorded
        events.append(replace(event, seq=len(events) + 1))
        return events[-1]

    def list(self, owner: Owner, after: int, limit: int) -> Sequence[JobEvent]:
        return [event for event in self._memory.events.get(owner, []) if event.seq > after][:limit]

    def list_origins(self, owner: Owner, prefix: str) -> Sequence[str]:
        origins = (event.origin for event in self._memory.events.get(owner, []))
        return sorted(origin for origin in origins if origin.startswith(prefix))


class FakePublisher:
    """The port `EventPublisher`."""

    def __init__(self) -> None:
        self.published: list[tuple[JobEvent, dict[str, object]]] = []
        self.failures_left = 0

    def publish(self, event: JobEvent, fields: Mapping[str, object]) -> None:
        if self.failures_left:
            self.failures_left -= 1
            raise DependencyFailed("told to fail")
        self.published.append((event, dict(fields)))
