"""Problems: one form for every error, whatever raised it, with its code, its cause and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.api import problems
from chalicelib.domain import errors
from chalicelib.domain.errors import TITLE_BY_CODE, DependencyFailed, DomainError, ErrorCode
from tests.api.routes import ROUTES, Route
from tests.api.seed import Seeded, seed_job
from tests.api.service import Service
from tests.fakes.records import FakeVideoStore

ERRORS_PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
PRIVATE = [route for route in ROUTES if not route.is_public]


class BrokenVideoStore(FakeVideoStore):
    """Raises whatever it is asked."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def list(self, *arguments: Any) -> Any:
        raise self._error


def broken(error: Exception) -> Service:
    """A service whose list of videos raises."""
    service = Service()
    object.__setattr__(service.ports, "videos", BrokenVideoStore(error))
    return service


@pytest.mark.parametrize("route", PRIVATE, ids=str)
def test_without_a_token_nothing_is_answered(route: Route) -> None:
    path = route.path.format(**Seeded("vid_1", "job_1").path_values)
    answer = Service().call(route.method, path, route.body, token=None)
    assert answer.json == {
        "type": "/docs/errors/UNAUTHENTICATED",
        "title": "A valid access token is required",
        "status": 401,
        "detail": "the request has no bearer token",
        "code": "UNAUTHENTICATED",
        "hint": "Send a current access token as `Authorization: Bearer <token>`",
        "instance": path,
    }
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("route", [route for route in ROUTES if route.is_public], ids=str)
def test_the_public_routes_are_answered_without_a_token(route: Route) -> None:
    path = route.path.format(code="NOT_FOUND")
    assert Service().call(route.method, path, token=None).status == 200


def test_health_needs_nothing_of_the_deployment() -> None:
    assert broken(RuntimeError("everything is down")).call("GET", "/health", token=None).json["status"] == "ok"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic acme", "acme", "Bearer acme extra"])
def test_a_header_that_is_no_bearer_token_is_refused(header: str) -> None:
    answer = Service().call("GET", "/videos", token=None, headers={"Authorization": header})
    assert answer.status == 401


@pytest.mark.parametrize("header", ["Bearer acme", "bearer acme", "BEARER  acme "])
def test_the_scheme_may_be_written_in_any_case(header: str) -> None:
    assert Service().call("GET", "/videos", token=None, headers={"Authorization": header}).status == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidRequest("why"), 400),
        (errors.Unauthenticated("why"), 401),
        (errors.Forbidden("why"), 403),
        (errors.NotFound("why"), 404),
        (errors.Conflict("why"), 409),
        (errors.IdempotencyMismatch("why"), 409),
        (errors.LimitExceeded("why"), 413),
        (errors.DependencyFailed("why"), 503),
        (errors.DomainError("why"), 500),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_error_has_its_status(error: DomainError, status: int) -> None:
    answer = broken(error).call("GET", "/videos")
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {
        "type": f"/docs/errors/{error.failure.code}",
        "title": error.failure.title,
        "status": status,
        "detail": "why",
        "code": error.failure.code,
        "hint": error.failure.hint,
        "instance": "/videos",
    }


def test_a_status_is_known_for_every_error_that_the_service_raises() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DomainError)]
    unknown = [kind.__name__ for kind in kinds if problems.status_of(kind("why")) == 500]
    assert unknown == ["DomainError"]


def test_trouble_with_aws_says_when_to_try_again() -> None:
    answer = broken(DependencyFailed("listing videos failed: ThrottlingException")).call("GET", "/videos")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def test_a_bug_shows_nothing_of_itself() -> None:
    answer = broken(RuntimeError("secret of the house")).call("GET", "/videos")
    assert (answer.status, answer.json["code"]) == (500, "INTERNAL")
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"secret" not in answer.body


def test_a_bug_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    broken(RuntimeError("secret of the house")).call("GET", "/videos")
    raised = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert raised == [RuntimeError]


def test_the_instance_is_the_path_that_was_asked_for() -> None:
    service = Service()
    path = f"/jobs/{seed_job(service).job_id}/detections"
    assert service.call("GET", path, query={"limit": 0}).json["instance"] == path


def test_a_path_that_does_not_exist_is_a_problem_too() -> None:
    answer = Service().call("GET", "/films")
    assert answer.status in (403, 404)
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_code_has_a_title() -> None:
    assert set(TITLE_BY_CODE) == set(ErrorCode)


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_a_section_in_the_docs(code: ErrorCode) -> None:
    _, found, rest = ERRORS_PAGE.partition(f"\n## {code}\n")
    assert found, f"docs/errors.md must have a section `## {code}`"
    section = rest.partition("\n## ")[0]
    assert TITLE_BY_CODE[code] in section
    assert [part for part in ("**Cause.**", "**What to do.**", "**Where.**") if part not in section] == []


def test_the_docs_have_no_section_of_a_code_that_does_not_exist() -> None:
    sections = {line.removeprefix("## ") for line in ERRORS_PAGE.splitlines() if line.startswith("## ")}
    assert {name for name in sections if name.isupper()} == {str(code) for code in ErrorCode}
