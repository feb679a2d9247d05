"""The pages for people: every route with or without scripts, every code, and nothing from elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from chalicelib.api import docs_page, error_pages
from chalicelib.domain.errors import TITLE_BY_CODE, ErrorCode
from infra.wiring import UNKNOWN_ROUTE_PROBLEM
from tests.api.routes import ROUTES, Route
from tests.api.service import Service

ANSWER = Service().call("GET", "/docs", token=None)
PAGE = ANSWER.body.decode()
ERRORS = Path(__file__).parents[2] / "docs" / "errors.md"


def test_the_page_is_html() -> None:
    assert (ANSWER.status, ANSWER.headers["content-type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_route_is_on_the_page_where_no_script_runs(route: Route) -> None:
    [plain] = re.findall(r"<noscript>(?!<style>)(.*?)</noscript>", PAGE, flags=re.DOTALL)
    assert re.search(rf"{route.method}</\w+>\s*<code>{re.escape(route.path)}</code>", plain)


def test_the_page_loads_its_viewer_and_the_description_and_nothing_else() -> None:
    assert re.findall(r"(?:src|spec-url)=\"?([^\s\">]+)", PAGE) == ["openapi.json", docs_page.VIEWER_PATH]
    assert re.findall(r"<img|<link|@import|url\(|//", PAGE) == []


def test_the_viewer_is_there_and_loads_no_fonts() -> None:
    answer = Service().call("GET", f"/{docs_page.VIEWER_PATH}", token=None)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert b"rapi-doc" in answer.body
    assert b"sourceMappingURL" not in answer.body
    assert "load-fonts=false" in PAGE
    assert "MIT License" in docs_page.VIEWER.with_name("rapidoc.LICENSE.txt").read_text(encoding="utf-8")


def test_every_link_of_the_page_leads_somewhere() -> None:
    ids = set(re.findall(r"id=\"?([\w-]+)", PAGE))
    links = set(re.findall(r"href=\"?([^\s\">]+)", PAGE))
    assert links - {f"#{name}" for name in ids} <= {"openapi.json"}


def test_the_description_is_json() -> None:
    answer = Service().call("GET", "/openapi.json", token=None)
    assert (answer.headers["content-type"], answer.json["openapi"]) == ("application/json", "3.1.0")


# --- error codes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_a_page_with_its_cause_and_what_to_do(code: ErrorCode) -> None:
    answer = Service().call("GET", f"/docs/errors/{code}", token=None)
    page = answer.body.decode()
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"<h1>{code}</h1>" in page
    assert TITLE_BY_CODE[code] in page
    assert re.findall("<dt>(.*?)</dt>", page) == ["Cause", "What to do", "Where"]
    assert re.findall(r"\*\*|`|\]\(", page) == []
    assert re.findall(r"<script|<img|<link|src=|@import|url\(", page) == []


@pytest.mark.parametrize("code", ["NO_SUCH_CODE", "not_found", "<b>", "..", "%2e%2e"])
def test_a_code_that_is_none_has_no_page(code: str) -> None:
    answer = Service().call("GET", f"/docs/errors/{code}", token=None)
    assert answer.status == 404
    assert b"<b>" not in answer.body or answer.headers["content-type"] == "application/problem+json"


def test_the_type_of_a_problem_leads_to_the_page_of_its_code() -> None:
    service = Service()
    problem = service.call("GET", "/videos/vid_1").json
    for found in (problem["type"], str(UNKNOWN_ROUTE_PROBLEM["type"])):
        assert service.call("GET", found, token=None).status == 200


def test_the_pages_are_what_the_document_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = json.loads(error_pages.PAGES.read_text(encoding="utf-8"))
    assert stored == error_pages.parse_page(ERRORS.read_text(encoding="utf-8")), "run `make openapi`"
    assert error_pages.main(["--check", str(ERRORS)]) == 0
    changed = tmp_path / "errors.md"
    changed.write_text(ERRORS.read_text(encoding="utf-8").replace("**Cause.** A", "**Cause.** B", 1), encoding="utf-8")
    assert error_pages.main(["--check", str(changed)]) == 1
    assert "run `make openapi`" in capsys.readouterr().err
