"""Errors as RFC 9457 problems: the one translation from what the rules raise to HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from chalicelib.domain.errors import (
    Conflict,
    DependencyFailed,
    DomainError,
    ErrorCode,
    Failure,
    Forbidden,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    Unauthenticated,
)

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "/docs/errors/"
"""Below the root of the API: the page of each code (api/error_pages.py)."""
STATUS_BY_ERROR: dict[type[DomainError], int] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    LimitExceeded: 413,
    DependencyFailed: 503,
}
INTERNAL = Failure(
    ErrorCode.INTERNAL,
    "the request could not be answered",
    "Try again; if it happens again, report it with the x-amzn-requestid of the answer",
)


def status_of(error: DomainError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in STATUS_BY_ERROR.items() if isinstance(error, kind)), 500)


def problem(failure: Failure, status: int, instance: str, root: str = "") -> dict[str, Any]:
    """The body of a problem; `instance` is the path of the request, `root` the path of the API, as `/api`."""
    return {
        "type": root + TYPE_PREFIX + failure.code,
        "title": failure.title,
        "status": status,
        "detail": failure.detail,
        "code": failure.code,
        "hint": failure.hint,
        "instance": instance,
    }


def invalid(error: ValidationError, rename: Callable[[str], str] = str) -> InvalidRequest:
    """What a client must correct, every mistake at once; what it sent is not repeated.

    `rename` gives a field the name that the client knows it by.
    """
    mistakes = [
        f"{'.'.join(rename(str(step)) for step in mistake['loc']) or 'the body'}: {mistake['msg']}"
        for mistake in error.errors()
    ]
    return InvalidRequest("; ".join(mistakes))
