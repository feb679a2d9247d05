"""Cursors of lists that go by id."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.api.typed import Call
from chalicelib.services.cursors import make_cursor, read_cursor


def listed_after(call: Call, scope: str, cursor: str | None) -> str | None:
    """The id that a cursor of this list says to go on after."""
    return None if cursor is None else str(read_cursor(call.ports.limits.cursor_key, call.claims.tenant, scope, cursor))


def next_cursor(call: Call, scope: str, ids: Sequence[str], limit: int) -> str | None:
    """The cursor of the next page; None when this one was not full."""
    return cursor_after(call, scope, None if len(ids) < limit else ids[-1])


def cursor_after(call: Call, scope: str, last: str | None) -> str | None:
    """The cursor that goes on after this id; None when there is nothing to go on to."""
    return None if last is None else make_cursor(call.ports.limits.cursor_key, call.claims.tenant, scope, last)
