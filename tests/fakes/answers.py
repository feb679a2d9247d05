"""Answers by idempotency key, in memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.adapters.idempotency_store import BUSY_SECONDS, KEEP_SECONDS
from chalicelib.domain.ids import TenantId
from chalicelib.services.ports import StoredAnswer


@dataclass
class _Entry:
    answer: StoredAnswer
    free_after: datetime


class FakeIdempotencyStore:
    """The port `IdempotencyStore`."""

    def __init__(self) -> None:
        self._entries: dict[tuple[TenantId, str], _Entry] = {}

    def begin(self, tenant: TenantId, key: str, body_digest: str, *, now: datetime) -> StoredAnswer | None:
        entry = self._entries.get((tenant, key))
        if entry is not None and now <= entry.free_after:
            return entry.answer
        busy = StoredAnswer(body_digest, None, "")
        self._entries[tenant, key] = _Entry(busy, now + timedelta(seconds=BUSY_SECONDS))
        return None

    def finish(self, tenant: TenantId, key: str, answer: StoredAnswer, *, now: datetime) -> None:
        self._entries[tenant, key] = _Entry(answer, now + timedelta(seconds=KEEP_SECONDS))

    def forget(self, tenant: TenantId, key: str) -> None:
        self._entries.pop((tenant, key), None)
