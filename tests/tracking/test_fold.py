from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gpu_batch.tracking import FrameRows
from tests.tracking.scenes import PARAMS, Mover, film, id_lists, new_fold, track

AT_25_FPS = range(0, 4000, 40)


def test_a_thing_that_stays_in_view_is_one_track_from_its_first_row() -> None:
    settled, tracks = track(film([Mover(100, 100, speed_x=80)], AT_25_FPS))
    assert id_lists(settled) == [[1]] * 100
    assert [(one.first_pts, one.last_pts, one.frames, one.score_max) for one in tracks] == [(0, 3960, 100, 0.8)]


def test_frames_come_back_once_each_and_in_order() -> None:
    frames = film([Mover(100, 100), Mover(300, 100, from_ms=400, to_ms=440)], AT_25_FPS)
    assert [done.key for done in track(frames)[0]] == [frame.key for frame in frames]


def test_ids_lag_behind_by_less_than_the_frames_of_confirmation() -> None:
    flicker = [Mover(50 * i, 200, from_ms=40 * i, to_ms=40 * i + 40) for i in range(100)]
    fold, held = new_fold(), 0
    for count, frame in enumerate(film(flicker, AT_25_FPS), start=1):
        held += 1 - len(fold.push(frame))
        assert held <= min(count, PARAMS.confirm_frames - 1)


def test_ids_follow_first_frames_and_then_rows() -> None:
    movers = [Mover(100, 100, from_ms=200), Mover(300, 100), Mover(500, 100)]
    settled, _ = track(film(movers, AT_25_FPS))
    assert id_lists(settled)[0] == [1, 2]
    assert id_lists(settled)[-1] == [3, 1, 2]


def test_flicker_of_two_rows_is_no_track() -> None:
    settled, tracks = track(film([Mover(100, 100, from_ms=400, to_ms=480)], AT_25_FPS))
    assert {number for ids in id_lists(settled) for number in ids} == {0}
    assert tracks == []


def test_flicker_takes_no_number_from_a_real_track() -> None:
    settled, _ = track(film([Mover(100, 100, to_ms=80), Mover(500, 100)], AT_25_FPS))
    assert id_lists(settled)[0] == [0, 1]


@pytest.mark.parametrize("seed", range(5))
def test_crossing_things_keep_their_ids(seed: int) -> None:
    movers = [Mover(100, 100, speed_x=150), Mover(700, 115, speed_x=-150)]
    settled, _ = track(film(movers, AT_25_FPS, jitter=2, seed=seed))
    assert id_lists(settled) == [[1, 2]] * 100


def test_an_occlusion_of_600_ms_is_bridged() -> None:
    movers = [Mover(100, 100, speed_x=150, hidden=((1500, 2100),)), Mover(1000, 400)]
    settled, tracks = track(film(movers, AT_25_FPS, jitter=1))
    assert id_lists(settled)[-1] == [1, 2]
    assert len(tracks) == 2


def test_a_thing_gone_for_long_comes_back_as_another() -> None:
    settled, tracks = track(film([Mover(300, 100, hidden=((1000, 3000),))], AT_25_FPS))
    assert id_lists(settled)[-1] == [2]
    assert [(one.first_pts, one.last_pts) for one in tracks] == [(0, 960), (3000, 3960)]


def test_low_rows_continue_a_track() -> None:
    settled, _ = track(film([Mover(100, 100, speed_x=80, faint=((1000, 1800),))], AT_25_FPS))
    assert id_lists(settled) == [[1]] * 100


def test_low_rows_alone_start_no_track() -> None:
    assert track(film([Mover(100, 100, score=0.45)], AT_25_FPS))[1] == []


def test_a_track_does_not_live_on_low_rows_for_long() -> None:
    _, tracks = track(film([Mover(100, 100, faint=((1000, 4000),))], AT_25_FPS))
    assert [one.last_pts for one in tracks] == [1960]


def test_rows_below_the_low_score_are_on_no_track() -> None:
    settled, _ = track(film([Mover(100, 100), Mover(105, 100, score=0.2)], AT_25_FPS))
    assert id_lists(settled) == [[1, 0]] * 100


def test_a_sure_row_continues_a_track_before_a_doubtful_one_that_lies_a_little_better() -> None:
    known = [Mover(100, 100, to_ms=1000)]
    sure = Mover(104, 100, score=0.9, from_ms=1000)
    doubtful = Mover(99, 100, score=0.5, from_ms=1000)
    settled, _ = track(film([*known, sure, doubtful], AT_25_FPS[:26]))
    assert settled[25].ids.tolist() == [1, 0]


def test_a_second_box_around_one_thing_starts_no_track() -> None:
    settled, _ = track(film([Mover(100, 100), Mover(103, 98, width=44)], AT_25_FPS))
    assert id_lists(settled) == [[1, 0]] * 100


def test_labels_never_mix() -> None:
    movers = [Mover(100, 100, label=0, to_ms=2000), Mover(100, 100, label=2, from_ms=2000)]
    settled, tracks = track(film(movers, AT_25_FPS))
    assert [one.label for one in tracks] == [0, 2]
    assert id_lists(settled)[49:51] == [[1], [2]]


def test_things_of_two_labels_in_one_place_are_two_tracks() -> None:
    settled, _ = track(film([Mover(100, 100, label=0), Mover(100, 100, label=1)], AT_25_FPS))
    assert id_lists(settled) == [[1, 2]] * 100


def test_uneven_frame_times_keep_ids() -> None:
    steps = np.random.default_rng(3).choice([17, 33, 40, 120, 400], 60)
    movers = [Mover(0, 100, speed_x=60), Mover(1200, 120, speed_x=-60, width=50)]
    times = [int(ms) for ms in np.cumsum(steps) if ms < 18_000]
    settled, _ = track(film(movers, times, jitter=1))
    assert id_lists(settled) == [[1, 2]] * len(times)


@pytest.mark.parametrize("step_ms", [500, 1000])
def test_sampled_video_keeps_ids_of_walking_people(step_ms: int) -> None:
    # A brisk walk for a height of 100 pixels; at 1 frame a second one box does not even touch the next.
    movers = [Mover(50, 100, speed_x=80), Mover(1200, 400, speed_x=-80)]
    settled, _ = track(film(movers, range(0, 12_000, step_ms), jitter=1))
    assert id_lists(settled) == [[1, 2]] * (12_000 // step_ms)


def test_sampled_video_may_miss_two_frames() -> None:
    settled, _ = track(film([Mover(300, 100, hidden=((4000, 6000),))], range(0, 10_000, 1000)))
    assert id_lists(settled)[-1] == [1]


def test_a_hole_of_many_seconds_ends_every_track() -> None:
    times = [*range(0, 1000, 40), *range(20_000, 21_000, 40)]
    settled, _ = track(film([Mover(300, 100)], times))
    assert id_lists(settled)[-1] == [2]


def test_frames_without_rows_are_settled_at_once() -> None:
    fold = new_fold()
    assert [len(fold.push(frame)) for frame in film([], range(0, 400, 40))] == [1] * 10


def test_a_track_that_left_the_picture_takes_no_newcomer() -> None:
    leaves = Mover(1160, 100, speed_x=200, to_ms=440)
    enters = Mover(1230, 100, speed_x=-100, from_ms=1000)
    _, tracks = track(film([leaves, enters], AT_25_FPS))
    assert [one.last_pts for one in tracks] == [400, 3960]


def test_frames_that_repeat_a_pts_are_told_apart_by_ordinal() -> None:
    frames = [
        replace(frame, ordinal=ordinal, key=(frame.pts, ordinal))
        for frame in film([Mover(100, 100, speed_x=80)], AT_25_FPS)
        for ordinal in (0, 1)
    ]
    settled, tracks = track(frames)
    assert id_lists(settled) == [[1]] * 200
    assert (tracks[0].last_pts, tracks[0].last_ordinal, tracks[0].frames) == (3960, 1, 200)


@pytest.mark.parametrize(("pts", "ordinal"), [(0, 0), (-40, 0)])
def test_a_frame_that_is_not_after_the_last_is_refused(pts: int, ordinal: int) -> None:
    fold = new_fold()
    (frame,) = film([], [0])
    fold.push(frame)
    with pytest.raises(ValueError, match="must come in order"):
        fold.push(replace(frame, pts=pts, ordinal=ordinal))


def test_an_empty_box_is_on_no_track() -> None:
    settled, _ = track(film([Mover(100, 100, width=0)], AT_25_FPS))
    assert id_lists(settled) == [[0]] * 100


def test_rows_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="must be finite"):
        FrameRows(0, 0, np.zeros(1, np.uint16), np.array([math.nan]), np.zeros((1, 4)), key=0)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="must be"):
        FrameRows(0, 0, np.zeros(2, np.uint16), np.zeros(1), np.zeros((1, 4)), key=0)
