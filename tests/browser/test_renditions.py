"""Small pictures of a video, and a version of what the browser cannot play: made by workers, shown frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.browser.cdp import Page
from tests.browser.conftest import FAST_MODEL, Analysed, Viewer
from tests.browser.pictures import decode, shown_frame
from tests.browser.test_accessibility import violations
from tests.browser.test_journey import by_box, colors_on
from tests.flow.clips import remux

KEYFRAMES = {"models": [FAST_MODEL], "sampling": {"kind": "keyframes"}, "tracking": False}
OFFER = "Make a version that plays here"
PLAYS = "reelscan.view.results?.stage.player.isReady && document.querySelector('.stage-notice').hidden"
BUTTON = "document.querySelector('.stage-notice .button')"
IS_INSIDE = """
(({ bottom }) => bottom <= document.querySelector(".stage-frame").getBoundingClientRect().bottom)(
  document.querySelector(".stage-message").getBoundingClientRect())
"""
SEEN = "performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)"


def analysed_video(viewer: Viewer, path: Path, analyze: dict[str, Any]) -> tuple[str, str]:
    """The ids of a video and of its job, once that has succeeded."""
    created = viewer.tenant.upload(path, analyze=analyze)
    viewer.tenant.succeed(created["job"]["job_id"])
    return created["video"]["video_id"], created["job"]["job_id"]


def make_playable(page: Page) -> None:
    """Take the offer, and wait until the video is shown."""
    page.wait(BUTTON)
    assert page.run(f"{BUTTON}.textContent") == OFFER
    page.run(f"{BUTTON}.click()")
    page.wait(PLAYS, 60)


# ---- thumbnails -----------------------------------------------------------------------------------------------------


def test_the_picture_above_the_timeline_is_of_the_moment_below_the_mouse(
    shared: Viewer, analysed: Analysed, bikes: Path
) -> None:
    seconds, frames = decode(bikes)
    page = shared.open(analysed.place(query="&t=4.8"))
    page.wait("reelscan.view.results?.playback.hasSheet", 60)
    times = page.run("reelscan.view.results.playback.preview.thumbnails.times")
    area = page.run(
        "(({ left, top, width }) => ({ left, top, width }))"
        "(document.querySelector('.timeline-track').getBoundingClientRect())"
    )
    for share in (0.1, 0.55, 0.95):
        page.run("document.querySelector('.thumbnail canvas').classList.remove('is-ready')")
        page.move(area["left"] + area["width"] * share, area["top"] + 40)
        page.wait("document.querySelector('.thumbnail:not([hidden]) canvas.is-ready')")
        nearest = min(times, key=lambda time: abs(time - 10 * share))
        assert seconds[shown_frame(page, frames, ".thumbnail canvas")] == pytest.approx(nearest, abs=0.05)
    assert len(times) >= 10


def test_a_card_shows_a_tile_where_there_is_a_sheet_and_starts_no_work_where_there_is_none(
    viewer: Viewer, bikes: Path
) -> None:
    video_id, _ = analysed_video(viewer, bikes, KEYFRAMES)
    page = viewer.open()
    page.wait("document.querySelector('.card-canvas.is-ready')")
    assert viewer.tenant.get(f"/videos/{video_id}/renditions")["items"] == []
    page.run(f"location.hash = '#/videos/{video_id}'")
    page.wait("reelscan.view.results?.playback.hasSheet", 60)
    page.run("performance.clearResourceTimings()")
    page.run("location.hash = '#/'")
    page.wait("document.querySelector('.card-canvas.is-ready')")
    assert not [path for path in page.run(SEEN) if path.endswith("/source")]
    assert page.errors == []


# ---- a version that plays -------------------------------------------------------------------------------------------


def test_a_transport_stream_plays_once_a_version_of_it_is_made_with_its_boxes_on_their_frames(
    viewer: Viewer, bikes: Path, tmp_path: Path, axe: str
) -> None:
    path = tmp_path / "street.ts"
    remux(bikes, path, later_seconds=10)
    seconds, frames = decode(path)
    assert seconds[0] >= 10
    video_id, job_id = analysed_video(viewer, path, KEYFRAMES)
    best = max(viewer.tenant.items(job_id, score_min=0.3), key=lambda item: float(item["score"]))
    at = seconds.index(best["time_seconds"])
    assert 0 < at < len(seconds) - 1
    page = viewer.open(f"#/videos/{video_id}?t={seconds[at]}&score=0.3")
    page.wait(BUTTON)
    said = page.run("document.querySelector('.stage-notice').innerText")
    assert "h264" in said
    assert "mpegts" in said
    assert violations(page, axe) == []
    # The moment of the link is that of the page, even without a picture.
    assert page.run("reelscan.view.results.seconds") == pytest.approx(seconds[at])
    page.resize(390, 844, 2)
    page.wait(f"document.documentElement.scrollWidth === 390 && {IS_INSIDE}")
    page.resize(1280, 860)
    make_playable(page)
    page.wait(f"Math.abs(reelscan.view.results.seconds - {seconds[at]}) < 0.0006")
    assert shown_frame(page, frames) == at
    page.wait("reelscan.view.results.stage.drawn?.length")
    items = viewer.tenant.items(job_id, score_min=0.3, **{"from": seconds[at] - 0.01, "to": seconds[at] + 0.01})
    assert by_box(page.run("reelscan.view.results.stage.drawn")) == by_box(items)
    x1, y1, x2, y2 = best["box"]
    wanted = page.run(f"reelscan.view.results.colors.bright({best['label']!r})")
    rgb = [int(wanted[place : place + 2], 16) for place in (1, 3, 5)]
    edges = colors_on(page, [[x1, (y1 + y2) / 2], [x2, (y1 + y2) / 2]])
    assert (np.abs(edges[:, :, :3] - rgb).max(axis=2).min(axis=1) < 30).all()
    # Another page of the same link, or a reload: nothing is asked, and nothing made again.
    again = viewer.open(f"#/videos/{video_id}?t={seconds[at + 1]}")
    again.wait(PLAYS, 60)
    again.wait(f"Math.abs(reelscan.view.results.seconds - {seconds[at + 1]}) < 0.0006")
    assert shown_frame(again, frames) == at + 1
    kinds = [each["kind"] for each in viewer.tenant.get(f"/videos/{video_id}/renditions")["items"]]
    assert sorted(kinds) == ["proxy", "thumbnails"]


def test_steps_through_a_version_show_each_frame_of_the_video(viewer: Viewer, corpus: dict[str, Path]) -> None:
    path = corpus["mjpeg_avi"]
    seconds, frames = decode(path)
    video_id, _ = analysed_video(viewer, path, KEYFRAMES)
    page = viewer.open(f"#/videos/{video_id}")
    make_playable(page)
    shown = [page.run("reelscan.view.results.seconds")]
    pictures = [shown_frame(page, frames)]
    for _ in range(5):
        page.run("reelscan.view.results.stage.player.step(1)")
        shown.append(page.run("reelscan.view.results.seconds"))
        pictures.append(shown_frame(page, frames))
    assert shown == pytest.approx(seconds[:6], abs=0.0006)
    assert pictures == list(range(6))


def test_sound_without_a_picture_is_no_video_that_plays(
    viewer: Viewer, corpus: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "phone.mp4"
    with (
        av.open(str(corpus["hevc_open"])) as pictures,
        av.open(str(corpus["h264_closed"])) as sound,
        av.open(str(path), "w") as output,
    ):
        sources = [pictures.streams.video[0], sound.streams.audio[0]]
        streams = [output.add_stream_from_template(source) for source in sources]
        for opened, source, stream in zip((pictures, sound), sources, streams, strict=True):
            for packet in opened.demux(source):
                if packet.dts is not None:
                    packet.stream = stream
                    output.mux(packet)
    video_id, _ = analysed_video(viewer, path, KEYFRAMES)
    page = viewer.open(f"#/videos/{video_id}")
    if page.run("document.createElement('video').canPlayType('video/mp4; codecs=\"hvc1.1.6.L93.B0\"')"):
        pytest.skip("this Chromium decodes HEVC")
    make_playable(page)
    _, frames = decode(path)
    assert shown_frame(page, frames) == 0


def test_a_version_that_cannot_be_made_says_why_and_can_be_tried_again(viewer: Viewer, corpus: dict[str, Path]) -> None:
    video_id, _ = analysed_video(viewer, corpus["mjpeg_avi"], KEYFRAMES)
    page = viewer.open()
    page.run(ANSWER_RENDITIONS)
    page.run(f"location.hash = '#/videos/{video_id}'")
    page.wait(BUTTON)
    page.run(f"{BUTTON}.click()")
    assert "Waiting for a worker" in page.wait("document.querySelector('.stage-message')?.innerText")
    page.run("window.states = ['RUNNING']")
    page.wait("document.querySelector('.stage-message')?.innerText.includes('encoding')")
    page.run("window.states = ['FAILED']")
    said = page.wait("document.querySelector('.stage-notice .problem')?.innerText")
    assert "the encoder was killed" in said
    assert page.run(f"{BUTTON}.textContent") == "Try again"
    page.run(f"{BUTTON}.click()")
    page.wait("window.asked === 2")


ANSWER_RENDITIONS = """
(() => {
  const real = window.fetch;
  window.asked = 0;
  window.states = ["QUEUED"];
  const error = { code: "INTERNAL", title: "The worker failed", detail: "the encoder was killed", hint: "Try again" };
  const answer = () => {
    const [state] = window.states;
    return { rendition_id: "ren_1", kind: "proxy", state, ...(state === "FAILED" ? { error } : {}) };
  };
  window.fetch = async (url, init) => {
    const { pathname } = new URL(url);
    if (!pathname.includes("/renditions")) return real(url, init);
    const headers = { "Retry-After": "0.2" };
    if (init.method === "POST" && init.body.includes("thumbnails")) return Response.json({}, { status: 403 });
    if (init.method === "POST") {
      window.asked++;
      window.states = ["QUEUED"];
      return Response.json({ rendition: answer() }, { status: 202 });
    }
    if (pathname.endsWith("/renditions")) return Response.json({ items: [], next_cursor: null });
    return Response.json({ rendition: answer() }, { headers });
  };
})()
"""
