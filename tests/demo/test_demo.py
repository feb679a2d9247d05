"""The whole demo, against a service that answers as a test tells it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.demo.clips import FRAME_TICKS, make_clip
from tests.sdk.fake_service import TOKEN, FakeService, Json, make_detection, make_job, make_summary
from tools.demo import demo

ERROR: Json = {"code": "MALFORMED", "title": "Cannot be read", "detail": "no moov box", "hint": "Record it again"}


def run_demo(fake: FakeService, folder: Path, *more: str) -> int:
    clip = make_clip(folder / "clip.mp4")
    fake.exported = fake.exported or make_clip(folder / "drawn.mp4").read_bytes()
    arguments = ["--base-url", fake.base_url, "--token", TOKEN, "--video", str(clip), "--out", str(folder / "out")]
    return demo.main([*arguments, *more])


def test_a_good_run_ends_with_zero(fake: FakeService, tmp_path: Path) -> None:
    assert run_demo(fake, tmp_path) == 0


def test_the_bytes_of_the_file_go_to_s3(fake: FakeService, tmp_path: Path) -> None:
    run_demo(fake, tmp_path)

    assert (tmp_path / "clip.mp4").read_bytes() in fake.sent("POST", "/s3/bucket")[0].body


def test_the_analysis_is_asked_for_with_the_upload(fake: FakeService, tmp_path: Path) -> None:
    run_demo(fake, tmp_path, "--model", "ssdlite-mobilenet-v2")

    sent = fake.sent("POST", "/videos")[0].json()
    assert sent["size_bytes"] == (tmp_path / "clip.mp4").stat().st_size
    assert sent["analyze"] == {
        "models": ["ssdlite-mobilenet-v2"],
        "sampling": {"kind": "every_frame"},
        "segment_seconds": 2,
    }


def test_progress_is_told_segment_by_segment(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [make_job("PROBING", 0, 0), *(make_job("RUNNING", done) for done in (0, 1, 1, 2))]
    fake.jobs = [*steps, make_job(summary=make_summary())]

    run_demo(fake, tmp_path)

    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Analyze")]
    assert told == [
        "Analyze   PROBING",
        "Analyze   RUNNING, 0 of 3 segments",
        "Analyze   RUNNING, 1 of 3 segments",
        "Analyze   RUNNING, 2 of 3 segments",
        "Analyze   SUCCEEDED, 3 of 3 segments",
    ]


def test_the_table_shows_what_was_found(fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_demo(fake, tmp_path)

    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  person")]
    assert rows == [["person", "3", "1", "0.20", "s", "0.80", "s", "0.87"]]


def test_the_query_is_shown_as_curl_would_send_it(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_demo(fake, tmp_path)

    asked = fake.sent("GET", "/jobs/job_1/detections")[0].query
    told = next(line for line in capsys.readouterr().out.splitlines() if "curl" in line)
    assert set(asked) == {"label", "from", "to", "score_min", "limit"}
    assert all(f"{name}={value}" in told for name, value in asked.items())


def test_the_token_is_not_shown(fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_demo(fake, tmp_path)

    assert TOKEN not in capsys.readouterr().out


def test_the_files_that_it_names_are_there(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.detection_pages = [[make_detection(FRAME_TICKS), make_detection(20 * FRAME_TICKS)]]

    run_demo(fake, tmp_path)

    names = ["clip-annotated.mp4", "clip-at-00.040s.png", "clip-at-00.800s.png"]
    told = capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_file()) == names
    assert [name for name in names if str(tmp_path / "out" / name) not in told] == []


def test_the_video_is_what_the_service_has_drawn(fake: FakeService, tmp_path: Path) -> None:
    fake.exports = [{"state": "QUEUED"}, {"state": "RUNNING"}, {}]
    run_demo(fake, tmp_path)

    assert fake.sent("POST", "/jobs/job_1/exports")[0].json() == {"format": "mp4", "options": {}}
    assert (tmp_path / "out" / "clip-annotated.mp4").read_bytes() == fake.exported
    assert "authorization" not in fake.sent("GET", "/s3/export")[0].headers


def test_a_download_that_is_not_the_export_is_told(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.exports = [{"sha256": "0" * 64}]

    assert run_demo(fake, tmp_path) == 1

    assert "expected SHA-256 000" in capsys.readouterr().out


def test_an_export_that_failed_tells_code_cause_and_hint(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.exports = [{"state": "RUNNING"}, {"state": "FAILED", "error": ERROR}]

    assert run_demo(fake, tmp_path) == 1

    told = capsys.readouterr().out
    assert [word for word in ERROR.values() if word not in told] == []


def test_a_video_with_nothing_in_it_is_a_good_run(fake: FakeService, tmp_path: Path) -> None:
    fake.jobs = [make_job(summary={"detections": 0, "tracks": 0, "frames_analyzed": 25, "labels": []})]

    assert run_demo(fake, tmp_path) == 0


def test_a_failed_job_tells_code_cause_and_hint(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.jobs = [make_job("FAILED", 0, 0, error=ERROR)]

    assert run_demo(fake, tmp_path) == 1

    told = capsys.readouterr().out
    assert [word for word in ERROR.values() if word not in told] == []


def test_a_partial_job_tells_what_is_missing_and_draws_the_rest(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gap = {"start_seconds": 0.4, "end_seconds": 0.6, "error": ERROR}
    fake.jobs = [make_job("PARTIAL", summary=make_summary(), missing=[gap])]

    assert run_demo(fake, tmp_path) == 0

    assert "Missing 0.40 to 0.60 s: MALFORMED" in capsys.readouterr().out


def test_why_there_is_one_segment_only_is_told(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = {"segments": 1, "cells": 1, "reason": "NOT_INDEXED"}
    fake.jobs = [make_job(done=1, total=1, summary=make_summary(), plan=plan)]

    run_demo(fake, tmp_path)

    assert "one segment only: NOT_INDEXED" in capsys.readouterr().out


def test_a_refused_request_tells_its_problem(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.problem = {"status": 400, **ERROR}

    assert run_demo(fake, tmp_path) == 1

    assert "Record it again" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_named(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_demo(fake, tmp_path, "--video", "no-such.mp4") == 1

    assert "no-such.mp4" in capsys.readouterr().out


def test_without_a_service_it_says_how_to_start_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--video", str(make_clip(tmp_path / "clip.mp4")), "--local", str(tmp_path / "local.json")]

    assert demo.main(arguments) == 1

    assert "make local" in capsys.readouterr().out


def test_address_and_token_are_read_from_what_the_local_stack_wrote(fake: FakeService, tmp_path: Path) -> None:
    local = tmp_path / "local.json"
    local.write_text(json.dumps({"base_url": fake.base_url, "token": TOKEN}))
    clip = make_clip(tmp_path / "clip.mp4")
    fake.exported = clip.read_bytes()

    assert demo.main(["--video", str(clip), "--out", str(tmp_path / "out"), "--local", str(local)]) == 0


def test_what_the_run_would_have_cost_is_said_in_one_line(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {"workers_usd": 0.0001, "functions_usd": 0.00002, "tables_usd": 0.0003, "objects_usd": 0.00004}
    cost = {
        "quote_usd": 0.0005,
        "actual_usd": 0.00046,
        "parts": parts,
        "cpu_seconds": {"quote": 14.2, "actual": 13.06},
        "currency": "USD",
        "prices_dated": "2026-11-01",
    }
    fake.jobs = [make_job(summary=make_summary(), cost=cost)]

    run_demo(fake, tmp_path)

    [told] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("On AWS")]
    assert "about $0.000460: 13.1 CPU seconds of workers $0.000100, tables $0.000300" in told
