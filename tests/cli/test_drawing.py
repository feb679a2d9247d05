"""What is drawn: bars, strips of segments, timelines."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from reelscan import UploadProgress
from reelscan.cli import tables
from reelscan.cli.progress import BAR_CELLS, JobBars, UploadBars, bar, strip
from reelscan.cli.tables import found_table
from reelscan.cli.timeline import MOST_LANES, draw, lanes_of, make_timeline
from reelscan.reading import read_record
from reelscan.records import Detection, Job, Segment
from tests.sdk.answers import Clock
from tests.sdk.fake_service import make_detection, make_job

MB = 1_000_000


def text_of(shown: object, *, columns: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=columns).print(shown)
    return out.getvalue()


def segment(index: int, state: str) -> Segment:
    return Segment(index=index, start_pts=0, end_pts=1, state=state, attempt=1, lane="cpu")


def found(label: str, seconds: float, score: float = 0.5) -> Detection:
    row = make_detection(round(seconds * 12_800)) | {"label": label, "score": score}
    return read_record(Detection, row)


# ---- bars -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "full"), [(-1, 0), (0, 0), (0.5, BAR_CELLS // 2), (1, BAR_CELLS), (2, BAR_CELLS)])
def test_a_bar_is_always_as_wide_and_as_full_as_its_share(share: float, full: int) -> None:
    drawn = bar(share).plain
    assert (len(drawn), drawn.count("█")) == (BAR_CELLS, full)


def test_an_upload_shows_the_whole_its_speed_and_the_parts_under_way() -> None:
    clock = Clock()
    view = UploadBars("clip.mp4", clock.now)
    clock.sleep(2.0)
    told = {"size_bytes": 40 * MB, "resumed_bytes": 10 * MB, "part_count": 5, "part_size_bytes": 8 * MB}
    view.update(UploadProgress(sent_bytes=18 * MB, parts_done=1, part_number=2, part_sent_bytes=8 * MB, **told))
    view.update(UploadProgress(sent_bytes=20 * MB, parts_done=1, part_number=3, part_sent_bytes=2 * MB, **told))
    shown = text_of(view)
    assert all(words in shown for words in ("50%", "20.0 of 40.0 MB", "5.0 MB/s", "0:04.00 left"))
    assert "1 of 5 parts are there, 10.0 MB from an earlier run" in shown
    parts = [line.split()[0] for line in shown.splitlines()[2:]]
    assert parts == ["2", "3"]
    clock.sleep(9.0)
    assert "5.0 MB/s" in text_of(view), "nothing moves: that is not slow"
    view.update(UploadProgress(sent_bytes=20 * MB, parts_done=2, part_number=2, part_sent_bytes=8 * MB, **told))
    assert [line.split()[0] for line in text_of(view).splitlines()[2:]] == ["3"], "the other one is there"


def test_a_job_shows_a_mark_for_each_segment() -> None:
    view = JobBars(lambda: 0.0)
    view.job = read_record(Job, make_job("RUNNING", 1, 3))
    view.segments = [segment(0, "DONE"), segment(1, "CLAIMED"), segment(2, "OPEN")]
    shown = text_of(view)
    assert "1/3 RUNNING" in shown
    assert shown.splitlines()[1].split()[0] == "█" * 10 + "▒" * 10 + "░" * 10


def test_a_segment_that_failed_is_seen_among_a_thousand() -> None:
    many = [segment(n, "FAILED" if n == 777 else "DONE") for n in range(1000)]
    assert strip(many).plain == "█" * 23 + "✗" + "█" * 6


def test_nothing_is_drawn_before_anything_is_known() -> None:
    assert text_of(JobBars()).strip() == ""
    assert "reading" in text_of(UploadBars("clip.mp4"))


# ---- timelines ------------------------------------------------------------------------------------------------------


def test_a_timeline_has_a_lane_for_each_label_the_fullest_first() -> None:
    rows = [found("dog", 0.1), found("person", 0.0), found("person", 9.9, 0.9), found("person", 10.0)]
    timeline = make_timeline(rows, 0.0, 10.0, 10)
    assert [(lane.label, lane.total, lane.score_max) for lane in timeline.lanes] == [
        ("person", 3, 0.9),
        ("dog", 1, 0.5),
    ]
    assert timeline.lanes[0].counts == (1, 0, 0, 0, 0, 0, 0, 0, 0, 2)
    assert lanes_of(timeline)[1] == {"label": "dog", "detections": 1, "score_max": 0.5, "counts": [1] + [0] * 9}


def test_what_is_drawn_is_as_wide_for_every_label() -> None:
    rows = [found("a label that is far too long", 1), found("x", 2), found("x", 2)]
    drawn = draw(make_timeline(rows, 0.0, 100.0, 60)).plain.splitlines()
    assert drawn[0].index("│") == drawn[1].index("│") == drawn[2].index("└")
    assert drawn[0].rindex("│") == drawn[1].rindex("│") == drawn[2].rindex("┘")
    assert drawn[3].split() == ["0:00", "0:25", "0:50", "1:15", "1:40"]


def test_more_labels_than_lanes_are_counted() -> None:
    rows = [found(f"label {n}", 1) for n in range(MOST_LANES + 3)]
    assert "and 3 labels more" in draw(make_timeline(rows, 0.0, 2.0, 30)).plain


def test_nothing_found_is_said() -> None:
    assert "Nothing matches" in draw(make_timeline([], 0.0, 2.0, 30)).plain
    assert "Nothing matches" in text_of(found_table([]))


# ---- words ----------------------------------------------------------------------------------------------------------


def test_times_and_sizes_are_for_people() -> None:
    assert [tables.clock(seconds) for seconds in (0.2, 62.5, 3723.4)] == ["0:00.20", "1:02.50", "1:02:03.40"]
    assert [tables.size(count) for count in (None, 512, 2_500_000)] == ["", "0.5 kB", "2.5 MB"]


def test_the_answer_of_a_query_has_a_column_for_each_field_that_says_something() -> None:
    shown = text_of(found_table([found("dog", 1.0)]), columns=160)
    assert all(word in shown for word in ("time seconds", "label", "dog", "20 20 80 80"))
    assert "pts" not in shown
