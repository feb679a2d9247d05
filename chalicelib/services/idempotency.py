"""`Idempotency-Key`: the same key with the same request gives the same answer for 24 hours.

With another request it is refused.
"""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.domain.errors import Conflict, DomainError, IdempotencyMismatch, InvalidRequest
from chalicelib.domain.ids import TenantId
from chalicelib.services.ports import Ports, StoredAnswer

MAX_KEY_LENGTH = 255


def answer_once(
    ports: Ports, tenant: TenantId, key: str, body_digest: str, work: Callable[[], StoredAnswer]
) -> StoredAnswer:
    """The stored answer to this key, or the answer of `work`, stored.

    A request that is refused stores nothing, so that it can be corrected and repeated with the same key.

    Raises:
        IdempotencyMismatch: the key was used with another request.
        Conflict: the first request with this key is still being worked on.
    """
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise InvalidRequest(f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} characters but got {len(key)}")
    stored = ports.idempotency.begin(tenant, key, body_digest, now=ports.clock.now())
    if stored is not None:
        if stored.body_digest != body_digest:
            raise IdempotencyMismatch("this Idempotency-Key was used with another request")
        if stored.status is None:
            raise Conflict("the first request with this Idempotency-Key is still running", hint="Repeat it in a second")
        return stored
    try:
        answer = work()
    except DomainError:
        ports.idempotency.forget(tenant, key)
        raise
    ports.idempotency.finish(tenant, key, answer, now=ports.clock.now())
    return answer
