from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.domain.errors import Conflict, IdempotencyMismatch, InvalidRequest
from chalicelib.domain.ids import TenantId
from chalicelib.services.idempotency import answer_once
from chalicelib.services.ports import StoredAnswer
from tests.fakes.make import make_fakes
from tests.fakes.makers import TENANT


def counting_work() -> Callable[[], StoredAnswer]:
    """Work that answers with how often it was done."""
    done: list[None] = []

    def work() -> StoredAnswer:
        done.append(None)
        return StoredAnswer("digest", 201, str(len(done)))

    return work


def test_the_same_request_is_done_once_and_answered_alike() -> None:
    ports, work = make_fakes().ports, counting_work()
    answers = [answer_once(ports, TENANT, "key", "digest", work) for _ in range(3)]
    assert [answer.body for answer in answers] == ["1", "1", "1"]


def test_another_key_is_another_request() -> None:
    ports, work = make_fakes().ports, counting_work()
    answers = [answer_once(ports, TENANT, key, "digest", work) for key in ("a", "b")]
    assert [answer.body for answer in answers] == ["1", "2"]


def test_another_tenants_key_is_another_request() -> None:
    ports, work = make_fakes().ports, counting_work()
    answers = [answer_once(ports, TenantId(name), "key", "digest", work) for name in ("a", "b")]
    assert [answer.body for answer in answers] == ["1", "2"]


def test_a_day_later_the_key_is_free() -> None:
    fakes, work = make_fakes(), counting_work()
    answer_once(fakes.ports, TENANT, "key", "digest", work)
    fakes.clock.advance(24 * 3600 + 1)
    assert answer_once(fakes.ports, TENANT, "key", "digest", work).body == "2"


def test_the_key_of_another_request_is_refused() -> None:
    ports, work = make_fakes().ports, counting_work()
    answer_once(ports, TENANT, "key", "digest", work)
    with pytest.raises(IdempotencyMismatch):
        answer_once(ports, TENANT, "key", "other", work)


def test_a_request_that_comes_while_the_first_is_at_work_is_refused() -> None:
    ports, work = make_fakes().ports, counting_work()

    def work_that_is_asked_again() -> StoredAnswer:
        with pytest.raises(Conflict, match="still running"):
            answer_once(ports, TENANT, "key", "digest", work)
        return work()

    assert answer_once(ports, TENANT, "key", "digest", work_that_is_asked_again).body == "1"


def test_a_refused_request_can_be_corrected_under_the_same_key() -> None:
    ports, work = make_fakes().ports, counting_work()

    def refuse() -> StoredAnswer:
        raise InvalidRequest("no such model")

    with pytest.raises(InvalidRequest):
        answer_once(ports, TENANT, "key", "wrong", refuse)
    assert answer_once(ports, TENANT, "key", "right", work).body == "1"


def test_a_request_whose_function_died_can_be_repeated_after_a_minute() -> None:
    fakes, work = make_fakes(), counting_work()
    fakes.ports.idempotency.begin(TENANT, "key", "digest", now=fakes.clock.now())
    fakes.clock.advance(61)
    assert answer_once(fakes.ports, TENANT, "key", "digest", work).body == "1"


@pytest.mark.parametrize("length", [0, 256])
def test_a_key_that_is_empty_or_too_long_is_refused(length: int) -> None:
    with pytest.raises(InvalidRequest, match="1 to 255 characters"):
        answer_once(make_fakes().ports, TENANT, "k" * length, "digest", counting_work())
