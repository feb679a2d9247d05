"""Checking that a webhook is from the service.

Source: Standard Webhooks, specification 1.0: headers, what is signed, the form of secrets, five minutes of tolerance.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from reelscan.errors import ReelscanError, WebhookRejected

TOLERANCE_SECONDS = 300.0
SECRET_PREFIX = "whsec_"  # noqa: S105 - how secrets begin


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """What a webhook of the service has brought."""

    webhook_id: str
    """The same when it is sent again: take each once."""
    sent_at: datetime
    body: Any
    """The JSON that was sent."""


def verify_webhook(
    body: bytes,
    headers: Mapping[str, str],
    secrets: str | Iterable[str],
    *,
    now: Callable[[], float] = time.time,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> WebhookMessage:
    """The webhook, if one of `secrets` (`whsec_…`) has signed these very bytes, and lately.

    Two secrets are good at once while one takes the place of the other. `body` must be the bytes as they came: JSON
    that was read and written again has another signature.

    Raises:
        WebhookRejected: a header is missing, the time is off, or no signature is right.
        ReelscanError: a secret has not the form of one.
    """
    values = {name.lower(): value for name, value in headers.items()}
    try:
        webhook_id, sent, signatures = (values[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise WebhookRejected(f"the header {error} is missing", "Is this a webhook of the service?") from None
    if not sent.isascii() or not sent.isdigit():
        raise WebhookRejected(f"webhook-timestamp must be whole seconds but got {sent[:40]!r}")
    off_seconds = now() - int(sent)
    if abs(off_seconds) > tolerance_seconds:
        raise WebhookRejected(
            f"the webhook is {off_seconds:.0f} s old, and {tolerance_seconds:.0f} s are allowed", "Check the clocks"
        )
    keys = [_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    signed = b".".join((webhook_id.encode(), sent.encode(), body))
    expected = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    offered = [
        value.encode() for version, _, value in (part.partition(",") for part in signatures.split()) if version == "v1"
    ]
    if not any(hmac.compare_digest(right, given) for right in expected for given in offered):
        raise WebhookRejected(
            "no signature of the webhook is right", "Check the secret, and that the body is as it came"
        )
    return WebhookMessage(webhook_id, datetime.fromtimestamp(int(sent), UTC), json.loads(body))


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ReelscanError(f"a webhook's secret must be {SECRET_PREFIX} and base64") from None
