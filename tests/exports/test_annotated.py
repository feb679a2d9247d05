"""Annotated MP4: every box on its very frame, at its time, as a player shows it."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from chalicelib.domain.models import ModelTask
from gpu_batch.exports.annotated import mp4_writer
from gpu_batch.exports.facts import ExportedModel, ExportFacts, ExportFrame, ExportRow
from gpu_batch.exports.marks import MarksByFrame
from gpu_batch.source_frames import DecodedFrame
from tests.exports.job import some_facts, written

TIMEBASE = Fraction(1, 12_800)
STEP = 512
UNEVEN = [0, 512, 1024, 6400, 6500, 6600, 12_800]
GREY = 60


def some_images(pts: Sequence[int], size: tuple[int, int] = (96, 64)) -> Iterator[DecodedFrame]:
    """Grey frames of (width, height) as coded, with a bright top left corner."""
    for ticks in pts:
        picture = np.full((size[1], size[0], 3), GREY, np.uint8)
        picture[:8, :8] = 220
        image = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        yield DecodedFrame(ticks, 0, image)


def facts_of(size: tuple[int, int] = (96, 64), **changes: Any) -> ExportFacts:
    shown = {"width": size[0], "height": size[1], "rotation": 0, "timebase": TIMEBASE}
    return some_facts(**(shown | {"sampling": {"kind": "every_frame"}} | changes))


def a_sample(pts: int, left: int = 40, track: int | None = 1) -> ExportFrame:
    row = ExportRow(0, "person", 9000, (left * 16, 20 * 16, (left + 40) * 16, 50 * 16), track)
    return ExportFrame(pts, 0, None, 0, (row,))


def shown(content: bytes) -> list[tuple[Fraction, np.ndarray[Any, Any]]]:
    """Time in seconds and picture of every frame of a file."""
    with av.open(io.BytesIO(content), "r") as container:
        frames = []
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            seconds = frame.pts * Fraction(frame.time_base.numerator, frame.time_base.denominator)
            frames.append((seconds, frame.to_ndarray(format="rgb24")))
        return frames


def is_marked(picture: np.ndarray[Any, Any]) -> bool:
    """Whether there is colour in it: everything else is grey."""
    colours = picture[12:].astype(int)
    return bool((colours.max(axis=2) - colours.min(axis=2) > 60).any())


def test_a_box_is_on_the_frame_with_its_pts_and_on_no_other() -> None:
    content = written(mp4_writer(some_images(range(0, 10 * STEP, STEP))), facts_of(), [a_sample(7 * STEP)])
    assert [index for index, (_, picture) in enumerate(shown(content)) if is_marked(picture)] == [7]


def test_a_variable_frame_rate_stays_as_it_is() -> None:
    content = written(mp4_writer(some_images(UNEVEN)), facts_of(), [])
    assert [seconds for seconds, _ in shown(content)] == [ticks * TIMEBASE for ticks in UNEVEN]


def test_the_first_frame_is_at_zero_wherever_the_timeline_starts() -> None:
    content = written(mp4_writer(some_images([90_000, 90_512])), facts_of(), [])
    assert [seconds for seconds, _ in shown(content)] == [0, Fraction(1, 25)]


def test_a_frame_that_is_not_later_is_left_out() -> None:
    content = written(mp4_writer(some_images([0, 512, 512, 256, 1024])), facts_of(), [])
    assert len(shown(content)) == 3


@pytest.mark.parametrize(("rotation", "corner"), [(0, (0, 0)), (90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_frames_are_turned_clockwise_as_a_player_turns_them(rotation: int, corner: tuple[int, int]) -> None:
    size = (96, 64) if rotation in (0, 180) else (64, 96)
    content = written(mp4_writer(some_images([0])), facts_of(size, rotation=rotation), [])
    ((_, picture),) = shown(content)
    assert picture.shape == (size[1], size[0], 3)
    # The caption hides the bottom left: what is bright there is known by no other corner being so.
    corners = {(0, 0), (0, -1), (-1, -1)}
    bright = {(y, x) for y, x in corners if picture[3 if y == 0 else -4, 3 if x == 0 else -4].min() > 180}
    assert bright == {corner} & corners


def test_odd_sides_become_even() -> None:
    content = written(mp4_writer(some_images([0], (95, 63))), facts_of((95, 63)), [])
    assert shown(content)[0][1].shape == (64, 96, 3)


def test_it_plays_everywhere_and_starts_at_once() -> None:
    content = written(mp4_writer(some_images([0, 512])), facts_of(), [])
    with av.open(io.BytesIO(content), "r") as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_comment_is_the_statement() -> None:
    content = written(mp4_writer(some_images([0])), facts_of(), [])
    with av.open(io.BytesIO(content), "r") as container:
        assert json.loads(container.metadata["comment"])["job_id"] == "job_1"


def test_the_same_video_gives_the_same_bytes() -> None:
    digests = {
        hashlib.sha256(
            written(mp4_writer(some_images(range(0, 20 * STEP, STEP))), facts_of(), [a_sample(7 * STEP)])
        ).digest()
        for _ in range(2)
    }
    assert len(digests) == 1


def test_a_video_without_a_frame_is_an_empty_file_that_opens() -> None:
    content = written(mp4_writer(iter([])), facts_of(), [])
    assert b"ftyp" in content


def marks_at(pts: int, samples: list[ExportFrame], **changes: Any) -> list[tuple[float, bool]]:
    """Left side of every mark on a frame, and whether it lies between samples."""
    facts = facts_of(**({"sampling": {"kind": "per_second", "n": 5}} | changes))
    return [(mark.box[0], mark.is_between) for mark in MarksByFrame(facts, iter(samples)).take(pts, 0)]


def test_between_two_samples_a_track_moves_in_a_straight_line() -> None:
    samples = [a_sample(0, 0), a_sample(4 * STEP, 40)]
    assert marks_at(STEP, samples) == [(10, True)]


def test_on_a_sample_there_are_its_own_boxes_only() -> None:
    samples = [a_sample(0, 0), a_sample(4 * STEP, 40)]
    assert marks_at(4 * STEP, samples) == [(40, False)]


def test_what_the_next_sample_does_not_show_ends_at_once() -> None:
    assert marks_at(STEP, [a_sample(0, 0), a_sample(4 * STEP, 40, track=2)]) == []
    assert marks_at(STEP, [a_sample(0, 0, track=None), a_sample(4 * STEP, 40, track=None)]) == []
    assert marks_at(STEP, [a_sample(0, 0)]) == []


def test_samples_that_are_far_apart_say_nothing_of_the_time_between() -> None:
    assert marks_at(STEP, [a_sample(0, 0), a_sample(26_000, 40)]) == []


def test_a_frame_that_was_left_out_of_every_frame_has_no_boxes() -> None:
    assert marks_at(STEP, [a_sample(0, 0), a_sample(2 * STEP, 40)], sampling={"kind": "every_frame"}) == []


def test_a_label_of_the_frame_stands_in_the_caption_and_has_no_box() -> None:
    models = (ExportedModel("scenes", "1", "a" * 64, ("person",), 0.3, ModelTask.CLASSIFICATION),)
    facts = facts_of((320, 180), models=models)
    labelled = [ExportFrame(0, 0, None, 0, (ExportRow(0, "person", 9000, (0, 0, 320 * 16, 180 * 16), None),))]
    with_label, without = (
        shown(written(mp4_writer(some_images([0], (320, 180))), facts, frames))[0][1].astype(int)
        for frames in (labelled, [labelled[0]._replace(rows=())])
    )
    differs = (np.abs(with_label - without).max(axis=2) > 60).nonzero()
    assert not is_marked(with_label.astype(np.uint8))
    # Right of the time, at the lower edge.
    assert differs[0].min() > 120
    assert differs[1].min() > 20
