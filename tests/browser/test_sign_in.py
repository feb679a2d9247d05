"""Signing in on Cognito's page: a code that only this tab can use, tokens that are renewed, and out again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.cdp import Chromium, Page
from tests.browser.hosted_ui import HostedUi

KEPT = "JSON.parse(sessionStorage.getItem('reelscan.session'))"
LIBRARY = "document.querySelector('.drop.is-large')"


@pytest.fixture
def hosted() -> Iterator[HostedUi]:
    with HostedUi() as hosted:
        yield hosted


@pytest.fixture
def page(chromium: Chromium, hosted: HostedUi) -> Iterator[Page]:
    page = chromium.open(hosted.page_url)
    yield page
    page.close()


def leave(page: Page) -> None:
    """To the sign-in page."""
    page.wait("document.querySelector('.sign-in .button')")
    page.run("document.querySelector('.sign-in .button').click()")


def sign_in(page: Page) -> None:
    leave(page)
    page.wait("document.querySelector('#in')")
    page.run("document.querySelector('#in').click()")
    page.wait(LIBRARY)


def said(page: Page) -> str:
    """What the page says about a sign-in that did not work."""
    return str(page.wait("document.querySelector('.sign-in .problem')?.innerText"))


def test_who_signs_in_comes_back_to_the_place_that_was_left(page: Page, hosted: HostedUi) -> None:
    page.run("location.hash = '#/videos/vid_7ZZZZZZZZZZZZZZZZZZZZZZZZZ?t=4.2'")
    leave(page)
    page.wait("document.querySelector('#in')")
    page.run("document.querySelector('#in').click()")
    page.wait("document.querySelector('.watch')")
    assert page.run("location.href") == f"{hosted.page_url}#/videos/vid_7ZZZZZZZZZZZZZZZZZZZZZZZZZ?t=4.2"
    assert hosted.grants == ["authorization_code"]


def test_a_reload_stays_signed_in(page: Page, hosted: HostedUi) -> None:
    sign_in(page)
    page.reload()
    page.wait(LIBRARY)
    assert hosted.grants == ["authorization_code"]
    assert page.errors == []


def test_a_code_that_this_tab_did_not_ask_for_signs_nobody_in(page: Page, hosted: HostedUi) -> None:
    page.go(f"{hosted.page_url}?code=code-of-somebody&state=theirs")
    assert "another question" in said(page)
    assert page.run("location.href") == f"{hosted.page_url}#/"
    assert (hosted.grants, page.run(KEPT)) == ([], None)


def test_what_the_sign_in_page_refuses_is_shown(page: Page, hosted: HostedUi) -> None:
    hosted.refuses_users = True
    leave(page)
    page.wait("document.querySelector('#in')")
    page.run("document.querySelector('#in').click()")
    assert "User is not confirmed" in said(page)
    hosted.refuses_users = False
    sign_in(page)


def test_a_token_that_runs_out_is_renewed_once_for_all_requests(page: Page, hosted: HostedUi) -> None:
    hosted.token_seconds = 30
    sign_in(page)
    hosted.token_seconds = 3600
    before = page.run(KEPT)
    page.run("Promise.all([1, 2, 3].map(() => reelscan.app.api.get('/videos')))")
    after = page.run(KEPT)
    assert after["refresh"] != before["refresh"]
    # The first page was asked with a token that had less than a minute left, too.
    assert hosted.grants.count("refresh_token") in (1, 2)
    granted = len(hosted.grants)
    page.run("reelscan.app.api.get('/videos')")
    assert (len(hosted.grants), page.run("Boolean(" + LIBRARY + ")")) == (granted, True)


def test_a_token_that_the_service_refuses_is_renewed_and_the_request_repeated(page: Page, hosted: HostedUi) -> None:
    sign_in(page)
    hosted.forget_access_tokens()
    answers = page.run("Promise.all([1, 2, 3].map(() => reelscan.app.api.get('/videos')))")
    assert [answer["items"] for answer in answers] == [[], [], []]
    assert hosted.grants == ["authorization_code", "refresh_token"]


def test_a_session_that_is_over_says_so_and_can_be_begun_anew(page: Page, hosted: HostedUi) -> None:
    sign_in(page)
    hosted.forget_access_tokens()
    hosted.forget_refresh_tokens()
    page.run("reelscan.app.api.get('/videos').catch(() => {})")
    assert "Your session is over" in said(page)
    assert page.run(KEPT) is None
    # Cognito still knows the user: nothing is typed.
    leave(page)
    page.wait(LIBRARY)


def test_a_network_that_is_away_signs_nobody_out(page: Page, hosted: HostedUi) -> None:
    sign_in(page)
    hosted.token_seconds = 1
    page.run("reelscan.app.session.renew()")
    page.call("Network.enable")
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.call("Network.emulateNetworkConditions", offline=True, **conditions)
    page.run("reelscan.app.session.freshToken()")
    assert page.run("Boolean(reelscan.app.session.token)")
    page.call("Network.emulateNetworkConditions", offline=False, **conditions)
    assert page.run("reelscan.app.api.get('/videos')") == {"items": [], "next_cursor": None}


def test_signing_out_ends_the_session_there_too_and_the_token_is_worthless(page: Page, hosted: HostedUi) -> None:
    sign_in(page)
    refresh = page.run(KEPT)["refresh"]
    page.run("document.querySelector('.top-tools .menu button').click()")
    page.run("[...document.querySelectorAll('.menu-item')].at(-1).click()")
    page.wait(f"location.href.startsWith({hosted.page_url!r}) && document.querySelector('.sign-in .button')")
    page.wait("sessionStorage.getItem('reelscan.session') === null")
    assert hosted.revoked == [refresh]
    # The next one to use this browser is asked who they are.
    leave(page)
    assert page.wait("document.querySelector('#in')")
