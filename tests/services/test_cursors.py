from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.ids import TenantId
from chalicelib.services.cursors import make_cursor, read_cursor

KEY = b"k" * 32
TENANT = TenantId("acme")
POSITIONS = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=4), max_leaves=8)


@given(position=POSITIONS, scope=st.text())
def test_what_was_written_is_what_is_read(position: Any, scope: str) -> None:
    assert read_cursor(KEY, TENANT, scope, make_cursor(KEY, TENANT, scope, position)) == position


def test_a_cursor_goes_into_a_url_as_it_is() -> None:
    cursor = make_cursor(KEY, TENANT, "scope", ["ÿ" * 40, -1])
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


@pytest.mark.parametrize(
    ("key", "tenant", "scope"), [(b"j" * 32, "acme", "scope"), (KEY, "other", "scope"), (KEY, "acme", "other")]
)
def test_a_cursor_of_another_key_tenant_or_list_is_refused(key: bytes, tenant: str, scope: str) -> None:
    cursor = make_cursor(KEY, TENANT, "scope", [1])
    with pytest.raises(InvalidRequest, match="must be one that this list gave out"):
        read_cursor(key, TenantId(tenant), scope, cursor)


def test_tenant_and_scope_cannot_be_moved_into_each_other() -> None:
    cursor = make_cursor(KEY, TenantId("ab"), "c", [1])
    with pytest.raises(InvalidRequest):
        read_cursor(KEY, TenantId("a"), "bc", cursor)


@given(position=st.integers(0, 10**6), other=st.integers(0, 10**6))
def test_a_position_cannot_be_put_under_another_signature(position: int, other: int) -> None:
    signature = make_cursor(KEY, TENANT, "scope", position).partition(".")[2]
    body = make_cursor(b"mine", TENANT, "scope", other).partition(".")[0]
    if position == other:
        return
    with pytest.raises(InvalidRequest):
        read_cursor(KEY, TENANT, "scope", f"{body}.{signature}")


@given(text=st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_cursor(KEY, TENANT, "scope", text)


@pytest.mark.parametrize("text", ["", ".", "é.é", "WzFd", "WzFd.", "WzFd.AAAA", json.dumps([1])])
def test_what_only_looks_like_a_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_cursor(KEY, TENANT, "scope", text)


def test_a_scope_that_is_no_text_is_refused_like_any_other() -> None:
    with pytest.raises(InvalidRequest):
        read_cursor(KEY, TENANT, "tracks|\ud800", make_cursor(KEY, TENANT, "tracks", [1]))
