"""What commands answer and how they end, beside a fake service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reelscan.cli import exit_codes
from tests.cli.terminal import Shell
from tests.sdk.fake_service import TOKEN, FakeService, Json, make_detection, make_job, make_summary

ERROR: Json = {"code": "MALFORMED", "title": "Cannot be read", "detail": "no moov box", "hint": "Record it again"}
FOUND = [make_detection(512 * n) for n in range(1, 8)]


def clip(folder: Path) -> str:
    path = folder / "clip.mp4"
    path.write_bytes(b"not really a video")
    return str(path)


# ---- run ------------------------------------------------------------------------------------------------------------


def test_run_sends_a_file_and_shows_what_was_found(ready: Shell, fake: FakeService, tmp_path: Path) -> None:
    ended = ready.run(
        "run", clip(tmp_path), "--model", "toy", "--sampling", "2/s", "--label", "person", "--max-cost", "1"
    )
    assert ended.exit_code == 0
    asked = fake.sent("POST", "/videos")[0].json()["analyze"]
    sampling = {"kind": "per_second", "n": 2.0}
    assert asked == {"models": ["toy"], "sampling": sampling, "labels": ["person"], "max_cost_usd": 1.0}
    assert "SUCCEEDED" in ended.out
    assert [line.split() for line in ended.out.splitlines() if "person" in line] == [
        ["person", "3", "1", "0:00.20", "0:00.80", "0.87"]
    ]


def test_run_without_a_terminal_says_each_change_once(ready: Shell, fake: FakeService, tmp_path: Path) -> None:
    states = [make_job("PENDING", 0, 0), make_job("RUNNING", 1), make_job("RUNNING", 1)]
    fake.jobs = [*states, make_job(summary=make_summary())]
    ended = ready.run("run", clip(tmp_path))
    told = [line for line in ended.notes.splitlines() if "segments" in line]
    assert told == ["PENDING 0 of 0 segments", "RUNNING 1 of 3 segments", "SUCCEEDED 3 of 3 segments"]


def test_a_job_that_failed_ends_run_with_its_code_and_says_why(ready: Shell, fake: FakeService, tmp_path: Path) -> None:
    fake.jobs = [make_job("FAILED", error=ERROR)]
    ended = ready.run("run", clip(tmp_path))
    assert ended.exit_code == exit_codes.BY_CODE["MALFORMED"]
    assert [word for word in ERROR.values() if word not in ended.out] == []


def test_quiet_is_the_id_alone(ready: Shell, tmp_path: Path) -> None:
    ended = ready.run("run", clip(tmp_path), "--quiet")
    assert (ended.out, ended.notes) == ("job_1\n", "")


def test_json_is_what_the_api_says_and_nothing_else(ready: Shell, tmp_path: Path) -> None:
    ended = ready.run("run", clip(tmp_path), "--json")
    assert (ended.json["job_id"], ended.json["state"], ended.notes) == ("job_1", "SUCCEEDED", "")
    assert ended.json["created_at"] == "2026-11-01T00:00:00+00:00"


@pytest.mark.parametrize(
    "words", [("--sampling", "sometimes"), ("--model", "a", "--pipeline", "b"), ("--score-min", "2"), ("--colour",)]
)
def test_a_mistake_in_the_command_ends_with_two_and_sends_nothing(
    ready: Shell, fake: FakeService, tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert ready.run("run", clip(tmp_path), *words).exit_code == 2
    assert fake.requests == []


# ---- errors ---------------------------------------------------------------------------------------------------------


def test_a_refusal_tells_cause_and_hint_and_ends_with_its_code(ready: Shell, fake: FakeService) -> None:
    fake.problem = {"status": 404, **ERROR, "code": "NOT_FOUND"}
    ended = ready.run("watch", "job_1")
    assert ended.exit_code == exit_codes.BY_CODE["NOT_FOUND"]
    assert ended.out == ""
    assert all(word in ended.notes for word in ("Cannot be read", "NOT_FOUND", "no moov box", "Record it again"))


def test_a_refusal_is_json_where_that_is_asked_for(ready: Shell, fake: FakeService) -> None:
    fake.problem = {"status": 404, **ERROR, "code": "NOT_FOUND"}
    assert ready.run("watch", "job_1", "--json").json == {"error": {**ERROR, "code": "NOT_FOUND"}}


def test_a_file_that_is_not_there_is_named(ready: Shell) -> None:
    ended = ready.run("upload", "no-such.mp4")
    assert ended.exit_code == exit_codes.FILE_PROBLEM
    assert "no-such.mp4" in ended.notes


def test_without_a_service_it_says_how_to_get_one(shell: Shell) -> None:
    ended = shell.run("videos")
    assert ended.exit_code == exit_codes.OTHER
    assert "reelscan login" in ended.notes


# ---- results --------------------------------------------------------------------------------------------------------


def test_results_are_a_table_of_so_many_lines(ready: Shell, fake: FakeService) -> None:
    fake.detection_pages = [FOUND[:4], FOUND[4:]]
    ended = ready.run("results", "job_1", "--limit", "5", "--label", "person", "--from", "0", "--to", "9")
    assert sum("person" in line for line in ended.out.splitlines()) == 5
    assert "there are more" in ended.notes
    assert fake.sent("GET", "/jobs/job_1/detections")[0].query == {
        "label": "person",
        "from": "0.0",
        "to": "9.0",
        "limit": "1000",
    }


def test_results_as_json_are_all_of_them(ready: Shell, fake: FakeService) -> None:
    fake.detection_pages = [FOUND[:4], FOUND[4:]]
    rows = ready.run("results", "job_1", "--json").json
    assert [row["pts"] for row in rows] == [row["pts"] for row in FOUND]


@pytest.mark.parametrize("words", [("job_1", "--plot"), ("--plot", "job_1")])
def test_a_timeline_is_drawn_where_no_picture_is_named(ready: Shell, fake: FakeService, words: tuple[str, ...]) -> None:
    fake.detection_pages = [FOUND]
    out = ready.run("results", *words).out
    lane = next(line for line in out.splitlines() if "person" in line)
    assert "█" in lane
    assert lane.endswith("│ 7")
    assert "1.0 s" in out


def test_a_timeline_is_written_where_a_picture_is_named(ready: Shell, fake: FakeService, tmp_path: Path) -> None:
    fake.detection_pages = [FOUND]
    assert ready.run("results", "job_1", "--plot", "t.png").exit_code == 0
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    refused = ready.run("results", "job_1", "--plot=t.nothing")
    assert (refused.exit_code, "Name a picture" in refused.notes) == (exit_codes.OTHER, True)


# ---- login, doctor, open --------------------------------------------------------------------------------------------


def test_login_takes_a_local_stack_and_keeps_its_token_from_others(
    shell: Shell, fake: FakeService, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "local.json").write_text(json.dumps({"base_url": fake.base_url, "token": TOKEN}))
    assert shell.run("login").exit_code == 0
    kept = tmp_path / "config" / "reelscan" / "config.json"
    assert kept.stat().st_mode & 0o077 == 0
    assert json.loads(kept.read_text())["token"] == TOKEN
    (tmp_path / "out" / "local.json").unlink()
    assert shell.run("watch", "job_1").exit_code == 0


def test_login_asks_for_what_it_does_not_know_and_never_shows_the_token(shell: Shell, fake: FakeService) -> None:
    ended = shell.run("login", "--url", fake.base_url, typed=f"{TOKEN}\n")
    assert ended.exit_code == 0
    assert TOKEN not in ended.out + ended.notes


def test_a_token_that_is_refused_is_not_kept(shell: Shell, fake: FakeService, tmp_path: Path) -> None:
    fake.problem = {"status": 401, **ERROR, "code": "UNAUTHENTICATED"}
    ended = shell.run("login", "--url", fake.base_url, typed="wrong\n")
    assert ended.exit_code == exit_codes.BY_CODE["UNAUTHENTICATED"]
    assert not (tmp_path / "config").exists()


def test_the_doctor_finds_what_is_wrong(ready: Shell, fake: FakeService) -> None:
    ended = ready.run("doctor", "--quiet")
    assert (ended.exit_code, ended.out) == (1, "models\n"), "there are none"
    fake.problem = {"status": 401, **ERROR, "code": "UNAUTHENTICATED"}
    ended = ready.run("doctor")
    assert (ended.exit_code, "reelscan login" in ended.out) == (1, True)
    assert ready.run("doctor", "--quiet").out == "token\n"


def test_open_says_the_address_of_the_moment(ready: Shell, fake: FakeService) -> None:
    out = ready.run("open", "job_1", "--at", "2.5", "--no-browser").out
    assert out.strip() == f"{fake.base_url}/viewer/#/videos/vid_1?job=job_1&t=2.5"


# ---- help -----------------------------------------------------------------------------------------------------------


def test_the_help_of_every_command_says_what_it_and_its_options_do(shell: Shell) -> None:
    for words in (
        ["run"],
        ["upload"],
        ["watch"],
        ["results"],
        ["export"],
        ["open"],
        ["videos", "rm"],
        ["videos", "thumbnails"],
        ["videos", "proxy"],
        ["models", "add"],
    ):
        page = shell.run(*words, "--help").out
        assert "Usage  reelscan " + " ".join(words) in page
        assert all(word in page for word in ("--json", "--quiet", "--help"))


def test_without_a_command_it_shows_the_commands_under_headings(shell: Shell) -> None:
    page = shell.run().out + shell.run("--help").out
    headings = [
        page.index(f"\n {name}\n") for name in ("Find what is in a video", "What is there", "Set up", "Options")
    ]
    assert headings == sorted(headings)
    assert shell.run("--version").out.startswith("reelscan ")
