"""Links, keys, regions, comparison and what else the page does with a job that is there."""

from __future__ import annotations

import pytest

from tests.browser.cdp import Page
from tests.browser.conftest import Analysed, Viewer

FRAME_SECONDS = 0.04


@pytest.fixture
def page(shared: Viewer, analysed: Analysed) -> Page:
    page = shared.open(analysed.place(query="&t=4.8"))
    page.wait("reelscan.view.results?.stage.drawn?.length")
    page.wait("!reelscan.view.results.stage.video.seeking")
    return page


def seconds(page: Page) -> float:
    return float(page.run("reelscan.view.results.seconds"))


# ---- links ----------------------------------------------------------------------------------------------------------


def test_a_link_shows_the_same_moment_with_the_same_filters(page: Page, shared: Viewer) -> None:
    page.run("reelscan.view.results.filter.set({ scoreMin: 0.62, labels: new Set(['person', 'bicycle']), track: 9 })")
    page.run("reelscan.view.results.search.ask('appearances where label = \"person\"')")
    page.run("reelscan.view.results.go(5.2)")
    page.wait("location.hash.includes('t=5.2') && location.hash.includes('q=')")
    link = page.run("location.hash")
    other = shared.open(link)
    other.wait("reelscan.view.results?.stage.drawn?.length && reelscan.view.results.search.found.length")
    filters = "(({ scoreMin, labels, track }) => [scoreMin, [...labels], track])(reelscan.view.results.filter)"
    assert other.run(filters) == [0.62, ["person", "bicycle"], 9]
    assert seconds(other) == pytest.approx(5.2, abs=0.0006)
    assert other.run("location.hash") == link
    assert "token" not in other.run("location.href")


def test_the_token_of_the_link_signs_in_and_leaves_the_address(shared: Viewer, stack_url: str) -> None:
    page = shared.chromium.open(f"{stack_url}/viewer/")
    page.wait("document.querySelector('#token')")
    page.run(f"document.querySelector('#token').value = {shared.stack.token('shared')!r}")
    page.run("document.querySelector('.sign-in form').requestSubmit()")
    page.wait("document.querySelector('.library')")
    page.reload()
    page.wait("document.querySelector('.library')")
    assert page.errors == []


def test_a_video_that_is_not_there_says_so(shared: Viewer) -> None:
    page = shared.open("#/videos/vid_7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
    assert "NOT_FOUND" in page.wait("document.querySelector('.problem')?.innerText")


# ---- keys -----------------------------------------------------------------------------------------------------------


def test_arrows_step_one_frame(page: Page) -> None:
    for key, expected in (("ArrowRight", 4.84), ("ArrowRight", 4.88), ("ArrowLeft", 4.84), ("ArrowLeft", 4.8)):
        page.press(key)
        page.wait(f"Math.abs(reelscan.view.results.seconds - {expected}) < 0.0006")


def test_space_and_jkl_play_stop_and_run_backwards(page: Page) -> None:
    page.press(" ")
    page.wait("reelscan.view.results.stage.player.isPlaying && reelscan.view.results.seconds > 5")
    page.press(" ")
    page.wait("!reelscan.view.results.stage.player.isPlaying")
    page.press("l")
    page.press("l")
    page.wait("reelscan.view.results.stage.video.playbackRate === 2")
    page.press("k")
    page.wait("!reelscan.view.results.stage.player.isPlaying")
    before = seconds(page)
    page.press("j")
    page.wait(f"reelscan.view.results.seconds < {before} - 0.3")
    page.press("k")
    page.wait("!reelscan.view.results.stage.player.reverse")


def test_keys_that_are_typed_into_a_field_are_text(page: Page) -> None:
    page.press("/")
    page.wait("document.activeElement.id === 'query'")
    before = seconds(page)
    for key in "jk l":
        page.press(key)
    assert page.run("document.activeElement.value") == "jk l"
    assert seconds(page) == before


def test_home_end_and_brackets_go_to_the_ends_and_to_what_is_there(page: Page) -> None:
    page.press("End")
    page.wait("Math.abs(reelscan.view.results.seconds - 9.96) < 0.0006")
    page.press("Home")
    page.wait("reelscan.view.results.seconds === 0")
    page.press("]")
    page.wait("reelscan.view.results.seconds > 0 && reelscan.view.results.stage.drawn.length")


# ---- timeline -------------------------------------------------------------------------------------------------------


def test_a_click_in_the_timeline_goes_there_and_hover_shows_a_picture(page: Page) -> None:
    area = page.run(
        "(({ left, top, width }) => ({ left, top, width }))"
        "(document.querySelector('.timeline-track').getBoundingClientRect())"
    )
    page.move(area["left"] + area["width"] * 0.7, area["top"] + 40)
    page.wait("!document.querySelector('.thumbnail').hidden && document.querySelector('.thumbnail canvas.is-ready')")
    page.click(area["left"] + area["width"] * 0.25, area["top"] + 40)
    page.wait("Math.abs(reelscan.view.results.seconds - 2.48) < 0.05")


def test_a_lane_opens_to_a_row_for_each_track_and_a_track_can_be_chosen(
    page: Page, analysed: Analysed, shared: Viewer
) -> None:
    page.wait("reelscan.view.results.tracks.length")
    page.run("document.querySelector('[data-lane=person]').click()")
    page.wait("reelscan.view.results.timeline.trackRows.length")
    rows = page.run("reelscan.view.results.timeline.trackRows.flatMap((row) => row.tracks.map(({ id }) => id))")
    expected = sorted(
        track["track_id"] for track in shared.tenant.pages(f"/jobs/{analysed.jobs[0]}/tracks", label="person")
    )
    assert sorted(rows) == expected
    page.run("document.querySelectorAll('[role=tab]')[1].click()")
    page.run("document.querySelector('.track-button').click()")
    chosen = page.wait("reelscan.view.results.filter.track")
    page.wait(
        "(({ stage, filter }) => stage.drawn?.some((box) => box.track === filter.track && !box.isFaint))"
        "(reelscan.view.results)"
    )
    assert chosen == page.run(
        "reelscan.view.results.trackList.tracks.find((each) => reelscan.view.results.filter.shows(each.label)).id"
    )


def test_zoom_keeps_the_moment_in_place(page: Page) -> None:
    where = "reelscan.view.results.timeline.xOf(reelscan.view.results.seconds)"
    before = page.run(where)
    page.press("+")
    page.press("+")
    page.wait("reelscan.view.results.timeline.end - reelscan.view.results.timeline.start < 5")
    assert page.run(where) == pytest.approx(before, abs=1)
    page.press("0")
    page.wait("reelscan.view.results.timeline.end === 10")


def test_labels_change_their_colours_with_the_page_wherever_they_are(page: Page) -> None:
    page.wait("document.querySelector('.label-row .dot') && document.querySelector('.lane-toggle .dot')")
    dots = "['.label-row', '.lane-toggle'].map((place) => document.querySelector(`${place} .dot`).style.background)"
    light = page.run(dots)
    page.emulate("dark")
    page.wait(f"(([list, lane]) => list === lane && list !== {light[0]!r})({dots})")
    assert light[0] == light[1]


# ---- regions --------------------------------------------------------------------------------------------------------


def test_a_region_drawn_with_the_mouse_is_asked_in_pixels_of_the_frame(
    page: Page, shared: Viewer, analysed: Analysed
) -> None:
    page.press("r")
    page.wait("document.querySelector('.stage-regions.is-drawing')")
    for x, y in ((300, 20), (600, 20), (600, 262), (300, 262), (300, 20)):
        page.click(*_on_screen(page, x, y))
    page.wait("reelscan.view.results.search.found.length")
    q = page.run("reelscan.view.results.search.q")
    assert q.startswith("detections where inside polygon((300")
    asked = shared.tenant.get(f"/jobs/{analysed.jobs[0]}/query", q=q, limit=200)
    assert page.run("reelscan.view.results.search.found.length") >= len(asked["items"]) > 0
    page.wait("document.querySelectorAll('.found-item').length")
    page.run("document.querySelector('.found-item').click()")
    page.wait("Math.abs(reelscan.view.results.seconds - reelscan.view.results.search.found[0].start) < 0.0006")
    assert page.run("reelscan.view.results.timeline.extraLanes[0].spans.length") > 0


def test_a_line_asks_who_crosses_it(page: Page) -> None:
    page.run("document.querySelector('.stage-tools button:nth-child(2)').click()")
    page.wait("document.querySelector('.stage-regions.is-drawing')")
    page.click(*_on_screen(page, 320, 10))
    page.click(*_on_screen(page, 320, 260))
    q = page.wait("reelscan.view.results.search.q")
    assert q.startswith("tracks where crosses line((320")
    page.wait("document.querySelector('.results [role=status]')?.textContent.match(/found/i)")
    assert page.run("document.querySelector('.results .problem')") is None


# ---- comparison -----------------------------------------------------------------------------------------------------


def test_two_jobs_are_beside_each_other_with_what_the_service_counts(shared: Viewer, analysed: Analysed) -> None:
    a, b = analysed.jobs
    page = shared.open(analysed.place(query=f"&with={b}&score=0.5"))
    page.wait("document.querySelectorAll('.sum strong').length === 4")
    page.wait("reelscan.view.results.comparison.panel.querySelector('.spinner') === null")
    diff = shared.tenant.get(f"/jobs/{a}/diff/{b}", score_min=0.5)
    total = diff["total"]
    shown = page.run(
        "[...document.querySelectorAll('.sum strong')].map((each) => Number(each.textContent.replace(',', '')))"
    )
    assert shown == [total["matched"] - total["moved"], total["moved"], total["removed"], total["added"]]
    changes = list(shared.tenant.pages(f"/jobs/{a}/diff/{b}/changes", score_min=0.5))
    moment = next(change["time_seconds"] for change in changes)
    page.run(f"reelscan.view.results.go({moment})")
    page.wait(f"Math.abs(reelscan.view.results.seconds - {moment}) < 0.0006")
    counts = page.wait("(({ comparison, stage }) => comparison.at(stage.player.shown)?.counts)(reelscan.view.results)")
    here = [change["kind"] for change in changes if change["time_seconds"] == moment]
    assert {kind: counts[kind] for kind in ("added", "removed", "moved")} == {
        kind: here.count(kind) for kind in ("added", "removed", "moved")
    }
    grey = page.run("[...document.querySelector('.pane-picture').getContext('2d').getImageData(200, 100, 1, 1).data]")
    assert grey[3] == 255


# ---- exports, again, cancel -----------------------------------------------------------------------------------------


def test_an_export_of_what_is_shown_is_downloaded(page: Page) -> None:
    page.run("reelscan.view.results.filter.set({ scoreMin: 0.5, labels: new Set(['person']) })")
    page.run(
        "[...document.querySelectorAll('.watch-actions button')].find((each) => each.textContent === 'Export').click()"
    )
    page.run("[...document.querySelectorAll('.menu-item')].find((each) => each.textContent.startsWith('CSV')).click()")
    url = page.wait("document.querySelector('.export-message a')?.href", 60)
    text = page.run(f"fetch({url!r}).then((answer) => answer.text())")
    rows = [row for row in text.splitlines()[1:] if row]
    assert rows
    assert all(",person," in row for row in rows)


@pytest.fixture
def stack_url(shared: Viewer) -> str:
    return shared.stack.base_url


def _on_screen(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the frame is in the window."""
    area = page.run(
        "(({ left, top }) => ({ left, top }))(document.querySelector('.stage-regions').getBoundingClientRect())"
    )
    fit = page.run("reelscan.view.results.stage.fit()")
    return area["left"] + fit["left"] + x * fit["scale"], area["top"] + fit["top"] + y * fit["scale"]
