"""What a newcomer does: drop a clip, watch it being analysed, see the boxes where they are."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.cdp import Page
from tests.browser.conftest import FAST_MODEL, Analysed, Viewer
from tests.browser.pictures import decode, shown_frame

PROMISED_SECONDS = 180.0

COLOR_ON_EDGE = """
(() => {
  const canvas = document.querySelector(".stage-frame .stage-boxes");
  const ratio = canvas.width / canvas.clientWidth;
  const { left, top, scale } = reelscan.view.results.stage.fit();
  const context = canvas.getContext("2d");
  const at = (x, y) => [...context.getImageData(
    Math.round((left + x * scale) * ratio) - 1, Math.round((top + y * scale) * ratio) - 1, 3, 3).data];
  return %s.map(([x, y]) => at(x, y));
})()
"""


ALL_FETCHED = """
(({ fetching, tiles, tileCount }) => !fetching.size && tiles.size >= tileCount)(reelscan.view.results.store)
"""


@pytest.fixture
def page(shared: Viewer, analysed: Analysed) -> Page:
    page = shared.open(analysed.place(query="&t=4.8"))
    page.wait("reelscan.view.results?.stage.drawn?.length")
    return page


def test_a_dropped_clip_becomes_boxes_within_the_time_that_is_promised(viewer: Viewer, bikes: Path) -> None:
    started = time.monotonic()
    page = viewer.open()
    page.reload()
    page.wait("document.querySelector('.drop.is-large .fields')")
    page.choose_files("#files", bikes)
    page.wait("document.querySelector('.progress-box progress')")
    states = _collect_states(page)
    page.wait("reelscan.view.job?.state === 'SUCCEEDED'", PROMISED_SECONDS)
    page.run("reelscan.view.results.go(4.8)")
    page.wait("reelscan.view.results.stage.drawn?.length && !document.querySelector('.progress-box')")
    assert time.monotonic() - started < PROMISED_SECONDS
    assert page.run(states)[-1] == "SUCCEEDED"
    assert page.run("reelscan.view.results.timeline.coverage.done.length") >= 1
    assert page.errors == []


def test_events_come_by_the_subscription_and_results_of_a_segment_before_the_end(viewer: Viewer, bikes: Path) -> None:
    page = viewer.open()
    created = viewer.tenant.upload(
        bikes, analyze={"models": [FAST_MODEL], "sampling": {"kind": "every_frame"}, "segment_seconds": 2}
    )
    page.run(f"location.hash = '#/videos/{created['video']['video_id']}'")
    page.wait("document.querySelector('.partial-note')", 60)
    rows = page.wait(
        "reelscan.view.results && [...reelscan.view.results.store.tiles.values()].some((tile) => tile.rows)"
    )
    assert (rows, page.run("reelscan.view.job.state")) == (True, "RUNNING")
    assert viewer.stack.graphql.subscriptions == 1
    page.wait("reelscan.view.job.state === 'SUCCEEDED'", 100)
    page.wait("reelscan.view.results.trackList.tracks.length")
    tracked = "[...reelscan.view.results.store.tiles.values()].every((tile) => tile.tracks.some((track) => track > 0))"
    page.wait(tracked)
    assert viewer.stack.graphql.subscriptions == 0
    assert page.errors == []


def test_without_a_subscription_the_job_is_polled(viewer: Viewer, bikes: Path) -> None:
    page = viewer.open()
    page.run("reelscan.app.config.realtime_url = null")
    created = viewer.tenant.upload(bikes, analyze={"models": [FAST_MODEL], "sampling": {"kind": "keyframes"}})
    page.run(f"location.hash = '#/videos/{created['video']['video_id']}'")
    page.wait("reelscan.view.job?.state === 'SUCCEEDED'", 60)
    page.wait("reelscan.view.results?.labelList.labels.length")
    assert page.errors == []


@pytest.mark.parametrize("index", [0, 30, 118, 120, 121, 249])
def test_the_frame_that_is_shown_is_the_frame_that_is_named(page: Page, bikes: Path, index: int) -> None:
    seconds, frames = decode(bikes)
    page.run(f"reelscan.view.results.go({seconds[index]})")
    page.wait(f"Math.abs(reelscan.view.results.seconds - {seconds[index]}) < 0.0006")
    assert abs(frames[index] - frames[max(index - 1, 1)]).mean() > 0 or index == 0
    assert shown_frame(page, frames) == index


def test_box_pixels_are_where_the_api_says(page: Page, shared: Viewer, analysed: Analysed) -> None:
    items = shared.tenant.items(analysed.jobs[0], **{"from": 4.79, "to": 4.81})
    assert items, "the frame must have boxes"
    expected = [{"label": item["label"], "score": item["score"], "box": item["box"]} for item in items]
    drawn = page.run("reelscan.view.results.stage.drawn.map(({ label, score, box }) => ({ label, score, box }))")
    assert by_box(drawn) == by_box(expected)
    best = max(items, key=lambda item: float(item["score"]))
    for item in items:
        x1, y1, x2, y2 = item["box"]
        middle_y, middle_x = (y1 + y2) / 2, (x1 + x2) / 2
        on_edges = [[x1, middle_y], [x2, middle_y], [middle_x, y2]]
        colors = colors_on(page, on_edges)
        wanted = page.run(f"reelscan.view.results.colors.bright({item['label']!r})")
        rgb = [int(wanted[at : at + 2], 16) for at in (1, 3, 5)]
        # Lines lie on whole pixels: the nearest one has their colour, unless a box with a better score lies on them.
        differences = np.abs(colors[:, :, :3] - rgb).max(axis=2).min(axis=1)
        assert (differences < 30).sum() >= (3 if item is best else 1), (item, colors)
        assert (colors[:, :, 3].max(axis=1) == 255).all()
        inside = colors_on(page, [[middle_x, middle_y]])
        assert (inside[:, :, 3] == 0).all() or len(items) > 1


def test_the_same_boxes_are_drawn_on_a_narrow_page_and_on_a_screen_with_morecolors_on(page: Page) -> None:
    page.resize(390, 844, 2)
    stage = "reelscan.view.results.stage"
    page.wait(f"(({{ clientWidth, width }}) => clientWidth < 390 && width === clientWidth * 2)({stage}.overlay)")
    page.wait("reelscan.view.results.stage.drawn.length")
    box = page.run("reelscan.view.results.stage.drawn[0].box")
    colors = colors_on(page, [[box[0], (box[1] + box[3]) / 2], [box[2], (box[1] + box[3]) / 2]])
    assert (colors[:, :, 3].max(axis=1) == 255).all()
    assert page.run("document.documentElement.scrollWidth") == 390


def test_the_score_slider_and_labels_need_no_request(page: Page) -> None:
    page.wait(ALL_FETCHED)
    asked = "performance.getEntriesByType('resource').filter((each) => each.name.includes('/jobs/')).length"
    before = page.run(asked)
    shown = [_set_score(page, score) for score in (0, 0.3, 0.6, 0.95)]
    page.run("reelscan.view.results.filter.set({ scoreMin: 0.3, labels: new Set() })")
    assert page.run("reelscan.view.results.stage.drawn.length") == 0
    assert shown == sorted(shown, reverse=True)
    assert shown[0] > shown[2] > shown[3]
    assert page.run(asked) == before


def test_the_counts_of_the_list_are_those_of_the_job(page: Page, shared: Viewer, analysed: Analysed) -> None:
    page.wait(ALL_FETCHED)
    page.run("reelscan.view.results.filter.set({ scoreMin: 0.5 })")
    shown = {each["label"]: each["count"] for each in page.run("reelscan.view.results.labelList.labels")}
    expected: dict[str, int] = {}
    for item in shared.tenant.items(analysed.jobs[0], score_min=0.5):
        expected[item["label"]] = expected.get(item["label"], 0) + 1
    assert {label: count for label, count in shown.items() if count} == expected


def colors_on(page: Page, points: list[list[float]]) -> np.ndarray:
    """Nine pixels of the boxes' canvas around each point of the frame: (N, 9, 4), RGBA."""
    return np.array(page.run(COLOR_ON_EDGE % points)).reshape(len(points), 9, 4)


def _collect_states(page: Page) -> str:
    page.run("window.states = []; setInterval(() => states.push(reelscan.view.job?.state), 50)")
    return "states"


def _set_score(page: Page, score: float) -> int:
    page.run(
        f"(() => {{ const input = document.querySelector('#score'); input.value = {score};"
        " input.dispatchEvent(new Event('input')) })()"
    )
    return int(page.run("reelscan.view.results.stage.drawn.length"))


def by_box(boxes: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted(
        (each["label"], round(each["score"], 3), *(round(value, 2) for value in each["box"])) for each in boxes
    )
