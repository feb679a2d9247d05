"""IDEMPOTENCY items in DynamoDB. The key is hashed: it is the client's text and may be long or secret."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import datetime

from chalicelib.adapters.table import ConditionFailed, Table
from chalicelib.contracts import table_keys
from chalicelib.domain.ids import TenantId
from chalicelib.services.ports import StoredAnswer

KEEP_SECONDS = 24 * 3600
BUSY_SECONDS = 60
"""A first request that has not ended after this long has died: functions behind API Gateway live 30 s at most."""


class DynamoIdempotencyStore:
    """The port `IdempotencyStore`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def begin(self, tenant: TenantId, key: str, body_digest: str, *, now: datetime) -> StoredAnswer | None:
        seconds = int(now.timestamp())
        reservation = {
            "pk": _pk(tenant, key),
            "sk": table_keys.IDEMPOTENCY,
            "kind": "IDEMPOTENCY",
            "body_digest": body_digest,
            "busy_until": seconds + BUSY_SECONDS,
            "expires_at": seconds + KEEP_SECONDS,
            "request_id": uuid.uuid4().hex,
        }
        # Free, or kept long enough (TTL deletes late), or its first request died half-way; or it is our own write,
        # whose answer was lost.
        is_free = "attribute_not_exists(pk) OR expires_at < :now OR busy_until < :now OR request_id = :mine"
        try:
            self._meta.put(reservation, is_free, {":now": seconds, ":mine": reservation["request_id"]})
        except ConditionFailed as error:
            stored = error.item or self._meta.get(_pk(tenant, key), table_keys.IDEMPOTENCY)
            if stored is None:
                return self.begin(tenant, key, body_digest, now=now)
            headers = json.loads(stored.get("headers", "{}"))
            return StoredAnswer(stored["body_digest"], stored.get("status"), stored.get("body", ""), headers)
        return None

    def finish(self, tenant: TenantId, key: str, answer: StoredAnswer, *, now: datetime) -> None:
        item = {
            "pk": _pk(tenant, key),
            "sk": table_keys.IDEMPOTENCY,
            "kind": "IDEMPOTENCY",
            "body_digest": answer.body_digest,
            "status": answer.status,
            "body": answer.body,
            "headers": json.dumps(answer.headers),
            "expires_at": int(now.timestamp()) + KEEP_SECONDS,
        }
        self._meta.put(item)

    def forget(self, tenant: TenantId, key: str) -> None:
        self._meta.delete(_pk(tenant, key), table_keys.IDEMPOTENCY)


def _pk(tenant: TenantId, key: str) -> str:
    return table_keys.partition(tenant, hashlib.sha256(key.encode()).hexdigest())
