from __future__ import annotations

import pytest

from chalicelib.domain.errors import (
    TITLE_BY_CODE,
    Conflict,
    DomainError,
    ErrorCode,
    Failure,
    IdempotencyMismatch,
    NotFound,
)


def all_errors(kind: type[DomainError] = DomainError) -> list[type[DomainError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in all_errors(child))]


def test_every_code_has_a_title() -> None:
    assert set(TITLE_BY_CODE) == set(ErrorCode)


def test_no_title_ends_like_a_sentence() -> None:
    assert [title for title in TITLE_BY_CODE.values() if title.endswith(".") or not title[0].isupper()] == []


def test_a_code_is_its_own_wire_form() -> None:
    assert [code.value for code in ErrorCode] == [code.name for code in ErrorCode]


@pytest.mark.parametrize("kind", all_errors())
def test_every_error_tells_code_cause_and_hint(kind: type[DomainError]) -> None:
    failure = kind("it broke").failure
    assert failure == Failure(kind.code, "it broke", kind.default_hint)
    assert failure.hint != ""


def test_hint_and_code_can_be_said_more_precisely() -> None:
    error = NotFound("no such part", hint="look again", code=ErrorCode.SOURCE_GONE)
    assert error.failure == Failure(ErrorCode.SOURCE_GONE, "no such part", "look again")


def test_an_error_reads_as_its_cause() -> None:
    assert str(Conflict("video vid_1 was rejected")) == "video vid_1 was rejected"


def test_a_mismatched_key_is_a_conflict_with_a_code_of_its_own() -> None:
    assert (issubclass(IdempotencyMismatch, Conflict), IdempotencyMismatch.code) == (
        True,
        ErrorCode.IDEMPOTENCY_MISMATCH,
    )


def test_failures_of_one_code_have_one_title() -> None:
    titles = {Failure(ErrorCode.MALFORMED, detail, "hint").title for detail in ("no moov", "no ftyp")}
    assert titles == {"The container cannot be read"}
