"""Opaque cursors: signed, bound to a tenant and to what they walk, and without an end of life.

A cursor is base64url of JSON `position`, a dot, and the first 16 bytes of an HMAC-SHA256 over tenant, scope and
position.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.ids import TenantId

SIGNATURE_BYTES = 16


def make_cursor(key: bytes, tenant: TenantId, scope: str, position: Any) -> str:
    """A cursor that continues `scope` (what is listed, with its filters) after `position` (any JSON)."""
    text = json.dumps(position, separators=(",", ":")).encode()
    return f"{_encode(text)}.{_encode(_sign(key, tenant, scope, text))}"


def read_cursor(key: bytes, tenant: TenantId, scope: str, cursor: str) -> Any:
    """The position that a cursor holds.

    Raises:
        InvalidRequest: not a cursor of ours, or one of another tenant, list or filter.
    """
    body, _, signature = cursor.partition(".")
    try:
        text, signed = _decode(body), _decode(signature)
    except (binascii.Error, ValueError):
        text, signed = b"", b""
    if not hmac.compare_digest(signed, _sign(key, tenant, scope, text)):
        raise InvalidRequest(
            "cursor must be one that this list gave out, with the same filters",
            hint="Start again without a cursor; change nothing but the cursor from page to page",
        )
    return json.loads(text)


def _sign(key: bytes, tenant: TenantId, scope: str, text: bytes) -> bytes:
    message = b"\0".join((tenant.encode(), scope.encode(errors="backslashreplace"), text))
    return hmac.new(key, message, hashlib.sha256).digest()[:SIGNATURE_BYTES]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
