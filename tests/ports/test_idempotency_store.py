"""The contract of the port `IdempotencyStore`."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.domain.ids import TenantId
from chalicelib.services.ports import Ports, StoredAnswer
from tests.fakes.makers import NOW

BUSY = StoredAnswer("digest", None, "")
ANSWER = StoredAnswer("digest", 201, '{"video_id": "ü"}', {"Location": "/videos/1"})


def test_the_first_to_come_has_the_key(ports: Ports, tenant: TenantId) -> None:
    assert ports.idempotency.begin(tenant, "key", "digest", now=NOW) is None


def test_the_second_is_told_that_the_first_is_at_it(ports: Ports, tenant: TenantId) -> None:
    ports.idempotency.begin(tenant, "key", "digest", now=NOW)
    assert ports.idempotency.begin(tenant, "key", "other", now=NOW + timedelta(seconds=60)) == BUSY


def test_a_first_request_that_never_ended_gives_the_key_up_after_a_minute(ports: Ports, tenant: TenantId) -> None:
    ports.idempotency.begin(tenant, "key", "digest", now=NOW)
    assert ports.idempotency.begin(tenant, "key", "other", now=NOW + timedelta(seconds=61)) is None


def test_the_stored_answer_comes_back_whole(ports: Ports, tenant: TenantId) -> None:
    ports.idempotency.begin(tenant, "key", "digest", now=NOW)
    ports.idempotency.finish(tenant, "key", ANSWER, now=NOW)
    assert ports.idempotency.begin(tenant, "key", "other", now=NOW + timedelta(hours=24)) == ANSWER


def test_an_answer_is_forgotten_after_a_day_though_it_is_still_stored(ports: Ports, tenant: TenantId) -> None:
    ports.idempotency.finish(tenant, "key", ANSWER, now=NOW)
    assert ports.idempotency.begin(tenant, "key", "other", now=NOW + timedelta(hours=24, seconds=1)) is None


def test_a_key_that_was_freed_can_be_had_again(ports: Ports, tenant: TenantId) -> None:
    ports.idempotency.begin(tenant, "key", "digest", now=NOW)
    ports.idempotency.forget(tenant, "key")
    assert ports.idempotency.begin(tenant, "key", "digest", now=NOW) is None


def test_the_same_key_of_another_tenant_is_another_key(ports: Ports, tenant: TenantId) -> None:
    ports.idempotency.begin(tenant, "key", "digest", now=NOW)
    assert ports.idempotency.begin(TenantId(f"{tenant}x"), "key", "digest", now=NOW) is None


def test_a_key_may_be_any_text(ports: Ports, tenant: TenantId) -> None:
    keys = ["#", "a#b", "ключ", "x" * 255]
    reserved = [ports.idempotency.begin(tenant, key, "digest", now=NOW) for key in keys]
    assert reserved == [None] * 4
