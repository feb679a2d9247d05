"""The contract of seams: N segments give the bytes of one segment, which are those of a plain loop over all frames.

Every job starts without stored results (a tenant of its own), and says how many frames its workers really inferred.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flow.clips import make_turned
from tests.flow.measures import Measure
from tests.flow.reference import plain_loop, without_tracks
from tests.flow.tenant import Tenant, canonical

ONE_SEGMENT_SECONDS = 86_400
MANY_SEGMENTS_SECONDS = 0.5

IN_EVERY_TEST_RUN = {"hevc_open"}
"""Journey, damage and restart compare H.264 with closed GOPs. `.ci/run` runs two more; the rest takes minutes."""
CUT_INTO_SEGMENTS = [
    "h264_long_gop",
    "h264_edit_between_frames",
    "hevc_open",
    "h264_closed",
    "h264_faststart",
    "h264_gop_250",
    "h264_open",
    "h264_open_pyramid",
    "h264_mov",
    "h264_vfr",
    "h264_edit",
    "h264_vfr_edit",
    "h264_empty_edit",
    "h264_start_later",
    "h264_negative_cts",
    "hevc_closed",
    "hevc_open_edit",
    "hevc_10bit",
    "vp9",
    "av1",
    "h264_fragmented",
    "mpegts_short_gops",
    "mkv_open",
    "mjpeg_avi",
]
NOT_INDEXED = ["mpeg4", "mpeg_ps", "mkv_stripped"]


@pytest.fixture(scope="module")
def turned(bikes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("turned") / "turned.mp4"
    make_turned(bikes, path)
    return path


def named(names: list[str], fast: set[str]) -> list[object]:
    return [pytest.param(name, marks=[] if name in fast else [pytest.mark.slow]) for name in names]


def check_seams(path: Path, new_tenant: Callable[[], Tenant], measure: Measure) -> None:
    """The claim of this module, for one file."""
    one, many = new_tenant(), new_tenant()
    one_id = one.analyze(path, segment_seconds=ONE_SEGMENT_SECONDS)
    many_id = many.analyze(path, segment_seconds=MANY_SEGMENTS_SECONDS)
    loop = plain_loop(path)
    one_job, many_job = one.succeed(one_id), many.succeed(many_id)
    measure(f"{many_job['plan']['segments']} segments, {loop.frames} frames, {len(loop.items)} detections")
    assert one_job["plan"]["segments"] == 1
    assert many_job["plan"]["segments"] > 1
    assert "reason" not in many_job["plan"]
    assert {job["summary"]["frames_inferred"] for job in (one_job, many_job)} == {loop.frames}
    assert loop.items, "the clip must have something to compare"
    assert canonical(many.all_items(many_id)) == canonical(one.all_items(one_id))
    assert canonical(without_tracks(many.all_items(many_id))) == canonical(loop.items)


@pytest.mark.parametrize("name", named(CUT_INTO_SEGMENTS, IN_EVERY_TEST_RUN))
def test_many_segments_one_segment_and_a_plain_loop_give_the_same_bytes(
    new_tenant: Callable[[], Tenant], corpus: dict[str, Path], name: str, measure: Measure
) -> None:
    check_seams(corpus[name], new_tenant, measure)


@pytest.mark.slow
def test_so_do_those_of_the_demo_clip(new_tenant: Callable[[], Tenant], bikes: Path, measure: Measure) -> None:
    check_seams(bikes, new_tenant, measure)


@pytest.mark.slow
def test_so_do_those_of_a_clip_that_is_shown_turned(
    new_tenant: Callable[[], Tenant], turned: Path, measure: Measure
) -> None:
    check_seams(turned, new_tenant, measure)


def test_boxes_are_in_the_pixels_of_the_frame_as_shown(tenant: Tenant, turned: Path) -> None:
    job = tenant.succeed(tenant.analyze(turned, sampling={"kind": "per_second", "n": 2}))
    media = tenant.video(job["video_id"])["media"]
    boxes = [item["box"] for item in tenant.all_items(job["job_id"])]
    assert (media["width"], media["height"], media["rotation"]) == (640, 272, 90)
    # Coded frames are 272 pixels wide and 640 high.
    assert 272 < max(right for _, _, right, _ in boxes) <= 640
    assert max(bottom for _, _, _, bottom in boxes) <= 272


@pytest.mark.parametrize("name", named(NOT_INDEXED, {"mpeg4"}))
def test_a_video_that_cannot_be_cut_is_one_segment_and_says_so(
    tenant: Tenant, corpus: dict[str, Path], name: str
) -> None:
    job_id = tenant.analyze(corpus[name], segment_seconds=MANY_SEGMENTS_SECONDS)
    loop = plain_loop(corpus[name])
    job = tenant.succeed(job_id)
    assert job["plan"] == {"segments": 1, "cells": 1, "reason": "NOT_INDEXED"}
    assert job["summary"]["frames_inferred"] == loop.frames
    assert loop.items, "the clip must have something to compare"
    assert canonical(without_tracks(tenant.all_items(job_id))) == canonical(loop.items)
