"""EVENT items in DynamoDB.

An event and the record of its origin are written together, each only where there is none: of two functions that tell of
one change, or that want the same `seq`, one wins, and the other sees whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.adapters.table import ConditionFailed, Table
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import item_to_wire
from chalicelib.contracts.items import event_from_item, event_to_item
from chalicelib.domain.errors import DependencyFailed, NotFound
from chalicelib.domain.events import STATE_PREFIX, JobEvent
from chalicelib.services.ports import Owner

TRIES = 20
"""Of finding a free `seq`: functions that append to one job at once are as many as shards that split, a few."""


class DynamoEventStore:
    """The port `EventStore`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def append(self, event: JobEvent, *, expires_at: datetime | None) -> JobEvent | None:
        pk = table_keys.partition(event.tenant, event.job_id)
        ends = int(expires_at.timestamp()) if expires_at else None
        for _ in range(TRIES):
            numbered = replace(event, seq=self._last_seq(pk) + 1)
            # After the number was read: whatever is recorded meanwhile takes it, and we look again.
            if event.state is not None and self._is_overtaken(event, pk):
                return None
            try:
                self._write(numbered, pk, ends)
            except ConditionFailed:
                origin = self._meta.get(pk, table_keys.event_origin(event.origin))
                if origin is not None:
                    return self._recorded(event, pk, origin["seq"])
                if self._meta.get(pk, table_keys.JOB) is None:
                    raise NotFound(f"job {event.job_id} is gone") from None
                # Somebody took the number for another event.
                continue
            return numbered
        raise DependencyFailed(f"no place for an event of job {event.job_id} was free in {TRIES} tries")

    def list(self, owner: Owner, after: int, limit: int) -> Sequence[JobEvent]:
        pk = table_keys.partition(owner.tenant, owner.name)
        items = self._meta.query(pk, table_keys.event(0)[:6], from_=table_keys.event(after + 1), limit=limit)
        return [event_from_item(item) for item in items]

    def list_origins(self, owner: Owner, prefix: str) -> Sequence[str]:
        pk = table_keys.partition(owner.tenant, owner.name)
        items = self._meta.query(pk, table_keys.event_origin(prefix))
        return [item["sk"].partition("#")[2] for item in items]

    def _write(self, event: JobEvent, pk: str, ends: int | None) -> None:
        origin = {
            "pk": pk,
            "sk": table_keys.event_origin(event.origin),
            "kind": "ORIGIN",
            "seq": event.seq,
            "expires_at": ends,
        }
        # Nobody took this number, and nobody told of this change.
        is_free = "attribute_not_exists(pk)"
        job_exists = {
            "ConditionCheck": {
                "TableName": self._meta.name,
                "Key": item_to_wire({"pk": pk, "sk": table_keys.JOB}),
                # What happened to a job that was deleted since must not outlive it.
                "ConditionExpression": "attribute_exists(pk)",
            }
        }
        puts = [self._meta.put_entry(event_to_item(event, ends), is_free), self._meta.put_entry(origin, is_free)]
        self._meta.transact([*puts, job_exists])

    def _is_overtaken(self, event: JobEvent, pk: str) -> bool:
        origins = self._meta.query(pk, table_keys.event_origin(STATE_PREFIX))
        return any(item["sk"] > table_keys.event_origin(event.origin) for item in origins)

    def _recorded(self, event: JobEvent, pk: str, seq: int) -> JobEvent:
        item = self._meta.get(pk, table_keys.event(seq))
        return event_from_item(item) if item else replace(event, seq=seq)

    def _last_seq(self, pk: str) -> int:
        newest = next(iter(self._meta.query(pk, table_keys.event(0)[:6], limit=1, backwards=True)), None)
        return newest["seq"] if newest else 0
