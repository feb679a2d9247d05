"""The viewer's files on the stack's port."""

from __future__ import annotations

import httpx
import pytest

from infra.local.stack import LocalStack


@pytest.fixture
def viewer_url(stack: LocalStack) -> str:
    return str(stack.describe()["viewer_url"])


def test_the_page_and_its_modules_have_the_types_that_browsers_ask_for(viewer_url: str) -> None:
    types = {name: httpx.get(viewer_url + name).headers["Content-Type"] for name in ("", "js/main.js", "css/base.css")}
    assert types == {
        "": "text/html; charset=utf-8",
        "js/main.js": "text/javascript; charset=utf-8",
        "css/base.css": "text/css; charset=utf-8",
    }


def test_config_json_names_this_stack(stack: LocalStack, viewer_url: str) -> None:
    config = httpx.get(f"{viewer_url}config.json").json()
    graphql_url = stack.describe()["graphql_url"]
    assert config == {
        "api_url": stack.base_url,
        "graphql_url": graphql_url,
        "realtime_url": graphql_url.replace("http://", "ws://"),
        "login": {"kind": "token"},
    }


def test_an_unchanged_file_is_not_sent_again(viewer_url: str) -> None:
    etag = httpx.get(viewer_url).headers["ETag"]
    again = httpx.get(viewer_url, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["js/none.js", "..%2f..%2fREADME.md", "%2e%2e/%2e%2e/app.py", "js", "..%2fdemo.py"])
def test_what_is_no_file_of_the_viewer_is_not_served(viewer_url: str, path: str) -> None:
    assert httpx.get(viewer_url + path).status_code == 404


def test_the_address_without_a_slash_leads_to_the_page(viewer_url: str) -> None:
    moved = httpx.get(viewer_url.rstrip("/"))
    assert (moved.status_code, moved.headers["Location"]) == (308, "/viewer/")


def test_it_is_only_read(viewer_url: str) -> None:
    assert httpx.post(viewer_url, content=b"x").status_code == 405
