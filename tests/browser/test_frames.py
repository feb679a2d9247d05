"""Videos whose times are odd: the frame on the page is the one whose PTS the API names, in every step."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import FAST_MODEL, Viewer
from tests.browser.pictures import decode, shown_frame
from tests.flow.clips import make_turned, remux

KEYFRAMES = {"models": [FAST_MODEL], "sampling": {"kind": "keyframes"}, "tracking": False}
STEPS = 7
ALL_FETCHED = """
(({ fetching, tiles, tileCount }) => !fetching.size && tiles.size >= tileCount)(reelscan.view.results.store)
"""


@pytest.mark.parametrize("name", ["h264_vfr", "h264_start_later", "h264_empty_edit", "h264_edit", "webm", "frag_dash"])
def test_steps_show_each_frame_once_forwards_and_back(viewer: Viewer, corpus: dict[str, Path], name: str) -> None:
    path = corpus[name]
    seconds, frames = decode(path)
    created = viewer.tenant.upload(path, analyze=KEYFRAMES)
    viewer.tenant.wait(created["job"]["job_id"])
    page = viewer.open(f"#/videos/{created['video']['video_id']}")
    page.wait("reelscan.view.results?.stage.player.isReady")
    forwards = [page.run("reelscan.view.results.seconds")]
    pictures = [shown_frame(page, frames)]
    for _ in range(STEPS):
        page.run("reelscan.view.results.stage.player.step(1)")
        forwards.append(page.run("reelscan.view.results.seconds"))
        pictures.append(shown_frame(page, frames))
    back = []
    for _ in range(STEPS):
        page.run("reelscan.view.results.stage.player.step(-1)")
        back.append(page.run("reelscan.view.results.seconds"))
    assert forwards == pytest.approx(seconds[: STEPS + 1], abs=0.0006)
    assert back == pytest.approx(forwards[-2::-1], abs=0.0006)
    assert pictures == list(range(STEPS + 1))


def test_boxes_of_a_turned_video_are_those_of_the_picture_as_shown(viewer: Viewer, bikes: Path, tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    make_turned(bikes, path)
    created = viewer.tenant.upload(path, analyze=KEYFRAMES)
    viewer.tenant.succeed(created["job"]["job_id"])
    page = viewer.open(f"#/videos/{created['video']['video_id']}")
    page.wait("reelscan.view.results?.stage.player.isReady")
    shape = page.run("[reelscan.view.results.stage.video.videoWidth, reelscan.view.results.stage.video.videoHeight]")
    media = viewer.tenant.video(created["video"]["video_id"])["media"]
    assert shape == [media["width"], media["height"]]
    page.run("reelscan.view.results.filter.set({ scoreMin: 0 })")
    drawn = page.wait(
        "reelscan.view.results.stage.drawn?.length && reelscan.view.results.stage.drawn.map((each) => each.box)"
    )
    assert all(0 <= x1 < x2 <= media["width"] and 0 <= y1 < y2 <= media["height"] for x1, y1, x2, y2 in drawn)


def test_boxes_between_sampled_frames_are_held_and_look_so(viewer: Viewer, bikes: Path) -> None:
    sampling = {"models": [FAST_MODEL], "sampling": {"kind": "per_second", "n": 2}}
    created = viewer.tenant.upload(bikes, analyze=sampling)
    viewer.tenant.succeed(created["job"]["job_id"])
    page = viewer.open(f"#/videos/{created['video']['video_id']}?t=4.5&score=0")
    page.wait("reelscan.view.results?.stage.drawn?.length")
    page.wait("Math.abs(reelscan.view.results.seconds - 4.48) < 0.03")
    sampled = {item["time_seconds"] for item in viewer.tenant.items(created["job"]["job_id"], score_min=0)}
    for _ in range(3):
        page.run("reelscan.view.results.stage.player.step(1)")
        shown = page.run("reelscan.view.results.seconds")
        is_sampled = any(abs(shown - seconds) < 0.0006 for seconds in sampled)
        held = page.run("reelscan.view.results.stage.drawn.map((each) => each.isHeld)")
        assert held
        assert set(held) == {not is_sampled}


def test_a_video_that_begins_later_is_shown_from_its_first_frame_to_its_last(
    viewer: Viewer, bikes: Path, tmp_path: Path
) -> None:
    path = tmp_path / "later.mp4"
    remux(bikes, path, later_seconds=7)
    seconds, _ = decode(path)
    assert seconds[0] == 7
    created = viewer.tenant.upload(path, analyze=KEYFRAMES)
    job_id = created["job"]["job_id"]
    viewer.tenant.succeed(job_id)
    page = viewer.open(f"#/videos/{created['video']['video_id']}?score=0")
    page.wait("reelscan.view.results?.stage.player.isReady")
    page.press("End")
    page.wait(f"Math.abs(reelscan.view.results.seconds - {seconds[-1]}) < 0.0006")
    page.press("Home")
    page.wait(f"Math.abs(reelscan.view.results.seconds - {seconds[0]}) < 0.0006")
    timeline = page.run("(({ start, end }) => [start, end])(reelscan.view.results.timeline)")
    assert timeline == [pytest.approx(seconds[0]), pytest.approx(seconds[-1] + 0.04)]
    page.wait(ALL_FETCHED)
    rows = "[...reelscan.view.results.store.tiles.values()].reduce((sum, tile) => sum + tile.rows, 0)"
    assert page.run(rows) == len(viewer.tenant.items(job_id, score_min=0)) > 0
