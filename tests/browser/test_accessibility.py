"""WCAG 2.2 AA as far as axe can tell, in both colours and on a narrow page; and keys and motion, which it cannot."""

from __future__ import annotations

import json

import pytest

from tests.browser.cdp import Page
from tests.browser.conftest import Analysed, Viewer

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SIZES = {"wide": (1280, 860), "narrow": (390, 844)}


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(shared: Viewer, analysed: Analysed, axe: str, scheme: str, size: str) -> None:
    page = shared.open("", *SIZES[size], scheme=scheme)
    page.wait("document.querySelector('.card-canvas.is-ready')")
    found = {"library": violations(page, axe)}
    page.run(f"location.hash = {analysed.place(query='&t=4.8&track=9')!r}")
    page.wait("reelscan.view.results?.stage.drawn?.length && reelscan.view.results.tracks.length")
    page.run("document.querySelector('[data-lane=person]').click()")
    for at, name in enumerate(("labels", "tracks", "search")):
        page.run(f"document.querySelectorAll('[role=tab]')[{at}].click()")
        found[name] = violations(page, axe)
    page.run("reelscan.view.results.search.ask('appearances')")
    page.wait("document.querySelector('.found-item')")
    found["found"] = violations(page, axe)
    page.run("reelscan.view.results.search.ask('appearances wher')")
    page.wait("document.querySelector('.results .problem')")
    found["problem"] = violations(page, axe)
    page.run(
        "[...document.querySelectorAll('.watch-actions button')].find((each) => each.textContent === 'Export').click()"
    )
    found["menu"] = violations(page, axe)
    page.press("Escape")
    page.press("?")
    page.wait("document.querySelector('dialog[open]')")
    found["dialog"] = violations(page, axe)
    page.press("Escape")
    page.run(f"location.hash = {analysed.place(query=f'&with={analysed.jobs[1]}')!r}")
    page.wait("document.querySelector('.diff-labels')")
    found["compare"] = violations(page, axe)
    assert {name: violations for name, violations in found.items() if violations} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_before_signing_in_and_while_there_is_nothing(viewer: Viewer, axe: str, scheme: str) -> None:
    page = viewer.open("", scheme=scheme)
    page.wait("document.querySelector('.drop.is-large .fields')")
    empty = violations(page, axe)
    page.run("reelscan.app.session.signOut()")
    page.wait("document.querySelector('#token')")
    assert (empty, violations(page, axe)) == ([], [])


def test_every_control_is_reached_by_tab_with_a_ring_around_it(shared: Viewer, analysed: Analysed) -> None:
    page = shared.open(analysed.place(query="&t=4.8"))
    page.wait("reelscan.view.results?.stage.drawn?.length")
    reached, rings = [], []
    for _ in range(40):
        page.press("Tab")
        name, ring = page.run(
            "(({ ariaLabel, textContent, id }, { outlineStyle }) =>"
            " [ariaLabel || textContent.trim().slice(0, 30) || id, outlineStyle])"
            "(document.activeElement, getComputedStyle(document.activeElement))"
        )
        reached.append(name)
        rings.append(ring)
    for name in ("Skip to the content", "Analysis", "Export", "Play", "Time in the video", "score", "Labels"):
        assert name in reached, reached
    assert set(rings[: reached.index("Labels")]) <= {"solid", "auto"}


def test_nothing_moves_for_who_does_not_want_it(shared: Viewer) -> None:
    page = shared.open()
    page.emulate("light", motion="reduce")
    page.run("document.body.append(Object.assign(document.createElement('span'), { className: 'spinner' }))")
    assert page.run("getComputedStyle(document.querySelector('body > .spinner')).animationIterationCount") == "1"


def violations(page: Page, axe: str) -> list[str]:
    page.run(f"window.axe ? 0 : ({json.dumps(axe)} && 0)")
    if not page.run("Boolean(window.axe)"):
        page.run(axe + "; 0")
    asked = json.dumps({"runOnly": TAGS, "resultTypes": ["violations"]})
    return list(
        page.run(
            f"axe.run(document, {asked}).then(({{ violations }}) => violations.flatMap((each) =>"
            " each.nodes.map((node) => `${each.id}: ${node.html.slice(0, 160)} ${node.failureSummary}`)))"
        )
    )
