"""The page that describes the API to people: every route, no script, nothing from elsewhere."""

from __future__ import annotations

import re

import pytest

from tests.api.routes import ROUTES, Route
from tests.api.service import Service

ANSWER = Service().call("GET", "/docs", token=None)
PAGE = ANSWER.body.decode()


def test_the_page_is_html() -> None:
    assert (ANSWER.status, ANSWER.headers["content-type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_route_is_on_the_page(route: Route) -> None:
    assert re.search(rf"{route.method}</\w+>\s*<code>{re.escape(route.path)}</code>", PAGE)


def test_the_page_loads_nothing() -> None:
    assert re.findall(r"<script|<img|<link|src=|@import|url\(", PAGE) == []


def test_every_link_of_the_page_leads_somewhere() -> None:
    ids = set(re.findall(r"id=\"?([\w-]+)", PAGE))
    links = set(re.findall(r"href=\"?([^\s\">]+)", PAGE))
    assert links - {f"#{name}" for name in ids} <= {"openapi.json"}


def test_the_description_is_json() -> None:
    answer = Service().call("GET", "/openapi.json", token=None)
    assert (answer.headers["content-type"], answer.json["openapi"]) == ("application/json", "3.1.0")
