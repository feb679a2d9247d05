"""The outbox of jobs and whoever is told, as the use cases need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.events import JobEvent

if TYPE_CHECKING:
    from chalicelib.services.ports import Owner


class EventStore(Protocol):
    """EVENT items: the outbox of each job."""

    def append(self, event: JobEvent, *, expires_at: datetime | None) -> JobEvent | None:
        """Record the event under the next `seq` of its job, or find it recorded: one origin is one event.

        None for a state of the job of which a later one (a greater origin) is recorded: it would look like a step back.

        Raises:
            NotFound: the job is gone.
        """
        ...

    def list(self, owner: Owner, after: int, limit: int) -> Sequence[JobEvent]:
        """Events with a `seq` greater than `after`, in order."""
        ...

    def list_origins(self, owner: Owner, prefix: str) -> Sequence[str]:
        """Origins with this prefix that are recorded."""
        ...


class EventPublisher(Protocol):
    """Whoever tells subscribers."""

    def publish(self, event: JobEvent, fields: Mapping[str, object]) -> None:
        """Tell of a recorded event; `fields` are what subscribers see. It may be told twice.

        Raises:
            DependencyFailed: it was not told.
        """
        ...
