"""An hour of video with a million boxes stays smooth, and only what is looked at is fetched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.cdp import Chromium, Page
from tests.browser.hour import RATE, THINGS, Hour, box_of, make_video

FRAME_MS = 1000 / 60
DRAW_MEDIAN_MS = 5.0
"""Of a frame at 60 Hz, what drawing may take; the rest is the browser's."""

SCRIPT = """
(async () => {
  const { stage, timeline, filter } = reelscan.view.results;
  const [times, rest] = [[], []];
  let last = performance.now();
  for (let frame = 0; frame < 60; frame++) {
    await new Promise(requestAnimationFrame);
    rest.push(performance.now() - last);
    last = performance.now();
  }
  stage.drawTimes.length = timeline.drawTimes.length = 0;
  stage.player.play(1);
  for (let frame = 0; frame < 240; frame++) {
    await new Promise(requestAnimationFrame);
    times.push(performance.now() - last);
    last = performance.now();
    const phase = frame / 240;
    if (frame < 80) timeline.zoom(0.94, 1800);
    else if (frame < 160) timeline.setView(timeline.start + 2, timeline.end + 2);
    else timeline.zoom(1.07, 1800);
    if (frame % 10 === 0) filter.set({ scoreMin: 0.2 + 0.6 * phase });
  }
  stage.player.pause();
  return { rest, frames: times, stage: [...stage.drawTimes], timeline: [...timeline.drawTimes] };
})()
"""


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hour]:
    path = tmp_path_factory.mktemp("hour") / "hour.mp4"
    make_video(path)
    with Hour(path) as hour:
        yield hour


@pytest.fixture
def page(chromium: Chromium, hour: Hour) -> Page:
    hour.asked.clear()
    page = chromium.open(f"{hour.url}/viewer/#token=anybody", 1280, 860)
    page.wait("window.reelscan?.app")
    page.run("location.hash = '#/videos/vid_hour?t=1800'")
    page.wait("reelscan.view.results?.stage.drawn?.length", 60)
    return page


def test_playing_zooming_and_filtering_leave_most_of_a_frame_to_the_browser(page: Page) -> None:
    page.run("document.querySelectorAll('.lane-toggle').forEach((lane, at) => at < 2 && lane.click())")
    page.wait("reelscan.view.results.tracks.length >= 5000", 60)
    times = page.run(SCRIPT)
    said = {name: [_quantile(values, share) for share in (0.5, 0.9, 0.95)] for name, values in times.items()}
    print(f"ms a frame, median, p90 and p95: {said}")
    # A machine that is shared stops the page now and then for longer than any frame: the median does not see that, and
    # frames are compared with those of the same page at rest.
    for name in ("stage", "timeline"):
        assert said[name][0] < DRAW_MEDIAN_MS, said
    assert said["frames"][0] < said["rest"][0] + FRAME_MS, said


def test_only_what_is_looked_at_is_fetched(page: Page, hour: Hour) -> None:
    page.wait("!reelscan.view.results.store.fetching.size")
    fetched = {start for start, _ in hour.asked}
    tiles = page.run("reelscan.view.results.store.tileCount")
    assert tiles >= 200
    assert 1 <= len(fetched) <= 30
    assert page.run("reelscan.view.results.timeline.labels.length") == 7


def test_boxes_in_the_middle_are_those_of_the_frame(page: Page) -> None:
    page.run("reelscan.view.results.filter.set({ scoreMin: 0 })")
    page.run("reelscan.view.results.go(1834.5)")
    page.wait(
        "Math.abs(reelscan.view.results.seconds - 1834.5) < 0.0006 && reelscan.view.results.stage.drawn?.length === 28",
        60,
    )
    drawn = page.run("reelscan.view.results.stage.drawn.map(({ box, track }) => [track, ...box])")
    expected = [box_of(round(1834.5 * RATE), thing) for thing in range(THINGS)]
    assert sorted(drawn) == [
        pytest.approx([each["track_id"], *each["box"]], abs=0.01) for each in sorted(expected, key=_track)
    ]


def test_what_was_not_looked_at_for_long_is_forgotten_but_for_its_counts(page: Page) -> None:
    page.run("(() => { const { store } = reelscan.view.results; store.bytesMax = 150_000 })()")
    for seconds in (100, 900, 2500, 3300):
        page.run(f"reelscan.view.results.go({seconds})")
        page.wait(f"reelscan.view.results.store.peek({seconds})", 60)
        page.wait("!reelscan.view.results.store.fetching.size", 60)
    held = page.run("[...reelscan.view.results.store.tiles.values()].reduce((sum, tile) => sum + tile.bytes, 0)")
    assert held == page.run("reelscan.view.results.store.bytes")
    assert held <= 150_000
    assert page.run(
        "reelscan.view.results.store.histogram.byTile.filter(Boolean).length > reelscan.view.results.store.tiles.size"
    )


def _quantile(values: list[float], share: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 2)


def _track(item: dict[str, int]) -> int:
    return item["track_id"]
