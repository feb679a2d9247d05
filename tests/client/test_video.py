"""Frames as shown, and an MP4 that keeps their times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from client.video import Mp4Writer, read_frames
from tests.client.clips import FRAME_TICKS, TIMEBASE, make_clip, read_clip

# A pause, then a burst: no constant frame rate explains these.
UNEVEN_PTS = [0, 512, 1024, 6400, 6500, 6600, 12_800]


def copy_clip(source: Path, copy: Path) -> Path:
    with Mp4Writer(copy) as writer:
        for frame in read_frames(source, rotation=0):
            writer.write(frame)
    return copy


def test_frames_have_the_pts_and_the_clock_of_the_file(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", UNEVEN_PTS)

    frames = list(read_frames(clip, rotation=0))

    assert [frame.pts for frame in frames] == UNEVEN_PTS
    assert {frame.timebase for frame in frames} == {TIMEBASE}


@pytest.mark.parametrize(
    ("rotation", "size", "red_half"),
    [
        (0, (96, 160), np.s_[:, :70]),
        # Turned clockwise, what was left is above; then to the right; then below.
        (90, (160, 96), np.s_[:70, :]),
        (180, (96, 160), np.s_[:, 90:]),
        (270, (160, 96), np.s_[90:, :]),
    ],
)
def test_a_frame_is_turned_clockwise_as_a_player_turns_it(
    tmp_path: Path, rotation: int, size: tuple[int, int], red_half: tuple[slice, slice]
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", [0])

    frame = next(read_frames(clip, rotation))

    assert frame.image.shape == (*size, 3)
    assert (frame.image[red_half][..., 0] > 150).all()


def test_a_variable_frame_rate_stays_as_it_is(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", UNEVEN_PTS)

    copy = copy_clip(clip, tmp_path / "copy.mp4")

    assert [seconds for seconds, _ in read_clip(copy)] == [ticks * TIMEBASE for ticks in UNEVEN_PTS]


def test_a_video_that_starts_late_is_written_from_zero(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", [25_600, 26_112])

    copy = copy_clip(clip, tmp_path / "copy.mp4")

    assert [seconds for seconds, _ in read_clip(copy)] == [0, Fraction(1, 25)]


def test_pictures_survive_the_copy(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4")

    copy = copy_clip(clip, tmp_path / "copy.mp4")

    differences = [
        np.abs(before.astype(int) - after.astype(int)).mean()
        for (_, before), (_, after) in zip(read_clip(clip), read_clip(copy), strict=True)
    ]
    assert max(differences) < 3


def test_an_odd_size_is_made_even(tmp_path: Path) -> None:
    frame = next(read_frames(make_clip(tmp_path / "clip.mp4", [0]), rotation=0))
    odd = type(frame)(0, FRAME_TICKS, TIMEBASE, frame.image[:95, :159])

    with Mp4Writer(tmp_path / "odd.mp4") as writer:
        writer.write(odd)

    _, image = read_clip(tmp_path / "odd.mp4")[0]
    assert image.shape == (96, 160, 3)


def test_a_time_that_does_not_move_forward_is_written_once(tmp_path: Path) -> None:
    frame = next(read_frames(make_clip(tmp_path / "clip.mp4", [0]), rotation=0))

    with Mp4Writer(tmp_path / "twice.mp4") as writer:
        writer.write(frame)
        writer.write(frame)

    assert len(read_clip(tmp_path / "twice.mp4")) == writer.frames == 1
