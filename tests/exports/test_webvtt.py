"""WebVTT: cues as players read them, by the library webvtt-py."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest
import webvtt

from gpu_batch.exports.facts import ExportFacts, ExportFrame, ExportRow
from gpu_batch.exports.webvtt import write_webvtt
from tests.exports.job import ARROW, some_facts, some_frames, written


def cues(facts: ExportFacts | None = None, frames: list[ExportFrame] | None = None) -> list[tuple[str, str, str]]:
    """Start, end and text of every cue."""
    text = written(write_webvtt, facts, frames).decode()
    return [(cue.start, cue.end, html.unescape(cue.text)) for cue in webvtt.from_string(text).captions]


def a_frame(pts: int, *rows: ExportRow) -> ExportFrame:
    return ExportFrame(pts, 0, None, 0, rows)


PERSON = ExportRow(0, "person", 5000, (0, 0, 16, 16), 7)


def test_a_cue_lasts_until_the_first_sample_without_the_thing() -> None:
    shown = cues(frames=[a_frame(0, PERSON), a_frame(500, PERSON), a_frame(1000), a_frame(1500)])
    assert shown == [("00:00:00.000", "00:00:01.000", "#7 person 0.50")]


def test_a_cue_says_the_best_score() -> None:
    shown = cues(frames=[a_frame(0, PERSON), a_frame(500, PERSON._replace(score_units=9012)), a_frame(1000)])
    assert shown[0][2] == "#7 person 0.90"


def test_what_comes_back_is_another_cue_and_the_last_lasts_to_the_end() -> None:
    shown = cues(some_facts(end_pts=2000), [a_frame(0, PERSON), a_frame(500), a_frame(1000, PERSON)])
    assert [(start, end) for start, end, _ in shown] == [
        ("00:00:00.000", "00:00:00.500"),
        ("00:00:01.000", "00:00:02.000"),
    ]


def test_rows_without_a_track_make_one_cue_for_their_label() -> None:
    dogs = [ExportRow(0, "dog", score, (0, 0, 16, 16), None) for score in (4000, 6000)]
    assert cues(frames=[a_frame(0, *dogs), a_frame(500)]) == [("00:00:00.000", "00:00:00.500", "dog 0.60")]


def test_cues_overlap_and_come_in_order_of_their_starts() -> None:
    other = PERSON._replace(track_id=8)
    shown = cues(frames=[a_frame(0, PERSON), a_frame(500, PERSON, other), a_frame(1000, PERSON), a_frame(1500)])
    assert shown == [
        ("00:00:00.000", "00:00:01.500", "#7 person 0.50"),
        ("00:00:00.500", "00:00:01.000", "#8 person 0.50"),
    ]


def test_hours_are_counted() -> None:
    assert any(start == "01:01:01.001" for start, _, _ in cues())


@pytest.mark.parametrize(("ticks", "clock"), [(1, "00:00:00.033"), (2, "00:00:00.067"), (3, "00:00:00.100")])
def test_times_are_rounded_to_milliseconds(ticks: int, clock: str) -> None:
    facts = some_facts(timebase=some_facts().timebase * 1000 / 30)
    assert cues(facts, [a_frame(ticks, PERSON), a_frame(30)])[0][0] == clock


def test_a_cue_is_never_empty() -> None:
    facts = some_facts(timebase=some_facts().timebase / 1000)
    assert cues(facts, [a_frame(100, PERSON), a_frame(101)]) == [("00:00:00.000", "00:00:00.001", "#7 person 0.50")]


def test_no_text_is_taken_for_an_arrow_a_tag_or_an_entity() -> None:
    texts = {text for _, _, text in cues()}
    assert {f"{ARROW} 0.80", '#2 say "hi", <b>& bye 1.00', "犬 0.25"} <= texts
    body = written(write_webvtt).decode().split("\n\n", 2)[2]
    assert all(line.count("-->") == line.startswith("0") for line in body.splitlines() if "-->" in line)


def test_the_note_is_the_statement() -> None:
    _, note, _ = written(write_webvtt, some_facts(filename="a-->b.mp4")).decode().split("\n\n", 2)
    assert "-->" not in note
    assert json.loads(note.partition("\n")[2])["video"]["filename"] == "a-->b.mp4"


def test_a_job_without_a_detection_has_no_cue(tmp_path: Path) -> None:
    path = tmp_path / "empty.vtt"
    path.write_bytes(written(write_webvtt, frames=[frame._replace(rows=()) for frame in some_frames()]))
    assert webvtt.read(str(path)).captions == []
