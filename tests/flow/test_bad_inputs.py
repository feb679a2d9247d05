"""Every bad file ends with a code, a cause and a hint, in the video and in the job, soon, and never with a hang."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from infra.local.stack import LocalStack
from tests.flow.bad_files import (
    Maker,
    cut,
    damage_frames,
    from_bytes,
    make_audio_only,
    make_lying_header,
    make_pixel_bomb,
)
from tests.flow.measures import Measure
from tests.flow.reference import plain_loop, without_tracks
from tests.flow.tenant import FAST_MODEL, Json, Tenant, canonical

ENDED_WITHIN_SECONDS = 30
ONE_SEGMENT_SECONDS = 86_400
GOP_SECONDS = 0.96
GOP_FRAMES = 24

REJECTED: dict[str, tuple[Maker, str]] = {
    "empty": (from_bytes(b""), "EMPTY_FILE"),
    "text": (from_bytes(b"my holidays, part one\n" * 100), "FORMAT_NOT_ALLOWED"),
    "HLS playlist": (from_bytes(b"#EXTM3U\n#EXTINF:4,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"), "FORMAT_NOT_ALLOWED"),
    "concat script": (from_bytes(b"ffconcat version 1.0\nfile '/etc/passwd'\n"), "FORMAT_NOT_ALLOWED"),
    "no moov": (cut("h264_closed", 0.6), "MALFORMED"),
    "moov cut off": (cut("h264_closed", 0.99), "MALFORMED"),
    "moov and nothing else": (cut("h264_faststart", 0.05), "MALFORMED"),
    "sound only": (make_audio_only, "NO_VIDEO_STREAM"),
    "pixel bomb": (make_pixel_bomb, "RESOURCE_LIMIT"),
    "header of a bomb": (make_lying_header, "RESOURCE_LIMIT"),
}


@pytest.fixture(scope="module")
def rejected(stack: LocalStack, corpus: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    """By name: the answer to the upload of a bad file; all were sent before the first had ended."""
    tenant = Tenant(stack.base_url, stack.token("rejected"))
    created = {}
    for name, (make, _) in REJECTED.items():
        path = tmp_path_factory.mktemp("bad") / "video.mp4"
        make(corpus, path)
        created[name] = tenant.upload(path, analyze={"models": [FAST_MODEL]})
    return created


@pytest.mark.parametrize("name", REJECTED)
def test_a_bad_file_is_rejected_with_code_cause_and_hint(
    stack: LocalStack, rejected: dict[str, Json], name: str, measure: Measure
) -> None:
    tenant, created = Tenant(stack.base_url, stack.token("rejected")), rejected[name]
    job = tenant.wait(created["job"]["job_id"])
    video = tenant.video(created["video"]["video_id"])
    measure(f"{job['error']['code']} after {seconds_between(job['created_at'], job['finished_at']):.1f} s")
    assert (video["state"], job["state"], job["error"]["code"]) == ("REJECTED", "FAILED", REJECTED[name][1])
    assert job["error"] == video["error"]
    assert all(job["error"][part] for part in ("title", "detail", "hint"))
    assert seconds_between(job["created_at"], job["finished_at"]) < ENDED_WITHIN_SECONDS


def test_a_bad_file_was_tried_once(stack: LocalStack, rejected: dict[str, Json]) -> None:
    tenant = Tenant(stack.base_url, stack.token("rejected"))
    tenant.wait(rejected["text"]["job"]["job_id"])
    log = [line for line in stack.log_folder.glob("*.log") if rejected["text"]["video"]["video_id"] in line.read_text()]
    assert len(log) == 1


def test_a_job_on_a_rejected_video_is_refused_with_its_cause(stack: LocalStack, rejected: dict[str, Json]) -> None:
    tenant = Tenant(stack.base_url, stack.token("rejected"))
    tenant.wait(rejected["text"]["job"]["job_id"])
    video_id = rejected["text"]["video"]["video_id"]
    problem = tenant.post(f"/videos/{video_id}/jobs", {"models": [FAST_MODEL]}, expect=409)
    assert problem["code"] == "CONFLICT"
    assert tenant.video(video_id)["error"]["detail"] in problem["detail"]


# ---- damage in the middle -------------------------------------------------------------------------------------------


def check_damage(path: Path, sound: Path, missing: tuple[float, float], new_tenant: Callable[[], Tenant]) -> None:
    """One stated range is missing, whatever the cut; outside of it everything is as if the file were sound."""
    one, many = new_tenant(), new_tenant()
    one_id = one.analyze(path, segment_seconds=ONE_SEGMENT_SECONDS)
    many_id = many.analyze(path, segment_seconds=0.5)
    loop = plain_loop(sound)
    one_job, many_job = one.wait(one_id), many.wait(many_id)
    for job in (one_job, many_job):
        assert job["state"] == "PARTIAL"
        assert job["error"]["code"] == "DAMAGED_RANGES"
        [gap] = job["missing"]
        assert (gap["start_seconds"], gap["end_seconds"]) == pytest.approx(missing)
        assert (gap["error"]["code"], bool(gap["error"]["detail"])) == ("DAMAGED_RANGES", True)
        assert seconds_between(job["created_at"], job["finished_at"]) < ENDED_WITHIN_SECONDS
    assert one_job["plan"]["segments"] == 1 < many_job["plan"]["segments"]
    items = many.all_items(many_id)
    kept = [item for item in loop.items if not missing[0] <= item["time_seconds"] < missing[1]]
    assert 0 < len(kept) < len(loop.items)
    assert canonical(items) == canonical(one.all_items(one_id))
    assert canonical(without_tracks(items)) == canonical(kept)


def test_a_damaged_gop_is_left_out_whole_and_stated(
    new_tenant: Callable[[], Tenant], corpus: dict[str, Path], tmp_path: Path
) -> None:
    damage_frames(corpus["h264_closed"], tmp_path / "damaged.mp4", positions=range(GOP_FRAMES + 9, GOP_FRAMES + 12))
    check_damage(tmp_path / "damaged.mp4", corpus["h264_closed"], (GOP_SECONDS, 2 * GOP_SECONDS), new_tenant)


def test_a_video_that_is_cut_off_is_analysed_as_far_as_it_goes(
    new_tenant: Callable[[], Tenant], corpus: dict[str, Path], tmp_path: Path
) -> None:
    cut("h264_faststart", 0.6)(corpus, tmp_path / "cut.mp4")
    check_damage(tmp_path / "cut.mp4", corpus["h264_faststart"], (2 * GOP_SECONDS, 4 * GOP_SECONDS), new_tenant)


@pytest.mark.slow
def test_a_damaged_file_cannot_be_mended_by_a_retry(tenant: Tenant, corpus: dict[str, Path], tmp_path: Path) -> None:
    damage_frames(corpus["h264_closed"], tmp_path / "damaged.mp4", positions=range(GOP_FRAMES + 9, GOP_FRAMES + 12))
    job_id = tenant.analyze(tmp_path / "damaged.mp4")
    tenant.wait(job_id)
    problem = tenant.post(f"/jobs/{job_id}/retry", {}, expect=409)
    assert (problem["code"], bool(problem["hint"])) == ("CONFLICT", True)


def seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
