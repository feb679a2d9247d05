from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_batch.errors import BadOrder
from gpu_batch.tracking import FrameTracks, TrackerParams, TrackFold, TrackSummary
from tests.tracking.scenes import PARAMS, Mover, film, new_fold, noisy_scene, track

FRAME_COUNT = 40


def as_bytes(settled: list[FrameTracks]) -> list[tuple[object, bytes]]:
    return [(done.key, done.ids.tobytes()) for done in settled]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 32), cuts=st.sets(st.integers(0, FRAME_COUNT)), drains=st.sets(st.integers(0, FRAME_COUNT))
)
def test_ids_and_tracks_do_not_depend_on_where_the_work_is_cut(seed: int, cuts: set[int], drains: set[int]) -> None:
    frames = noisy_scene(seed, FRAME_COUNT)
    fold = new_fold()
    settled: list[FrameTracks] = []
    tracks: list[TrackSummary] = []
    for index, frame in enumerate(frames):
        if index in cuts:
            fold = TrackFold.from_state(PARAMS, fold.state())
        if index in drains:
            tracks += fold.closed_tracks()
        settled += fold.push(frame)
    if FRAME_COUNT in cuts:
        fold = TrackFold.from_state(PARAMS, fold.state())
    settled += fold.finish()
    tracks += fold.closed_tracks()

    whole_settled, whole_tracks = track(frames)
    assert as_bytes(settled) == as_bytes(whole_settled)
    assert tracks == whole_tracks


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_tracks_count_the_rows_that_carry_their_id(seed: int) -> None:
    settled, tracks = track(noisy_scene(seed, FRAME_COUNT))
    ids = [number for done in settled for number in done.ids.tolist() if number]
    assert {one.track_id: one.frames for one in tracks} == {number: ids.count(number) for number in ids}
    assert sorted(set(ids)) == list(range(1, len(tracks) + 1))


def test_a_state_is_the_same_bytes_after_a_round_trip() -> None:
    fold = new_fold()
    for frame in noisy_scene(7, FRAME_COUNT):
        fold.push(frame)
    assert TrackFold.from_state(PARAMS, fold.state()).state() == fold.state()


def test_state_stays_small_however_many_things_pass_by() -> None:
    passers = [Mover(-40, 100, speed_x=400, from_ms=400 * i, to_ms=400 * i + 3200) for i in range(500)]
    passers = [replace(mover, x=mover.x - mover.speed_x * mover.from_ms / 1000) for mover in passers]
    fold, sizes, closed = new_fold(), [], 0
    for frame in film(passers, range(0, 200_000, 40)):
        fold.push(frame)
        closed += len(fold.closed_tracks())
        sizes.append(len(fold.state()))
    assert closed > 450
    assert max(sizes[-1000:]) <= max(sizes[200:1200]) + 50
    assert max(sizes) < 10_000


def test_other_parameters_do_not_continue_a_state() -> None:
    with pytest.raises(BadOrder, match="parameters"):
        TrackFold.from_state(TrackerParams(score_high=0.4), new_fold().state())


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (lambda state: state[:5], "at least"),
        (lambda state: b"NOPE" + state[4:], "version 2"),
        (lambda state: state[:4] + b"\x01" + state[5:], "version 1"),
        (lambda state: state[:-1], "bytes of arrays"),
        (lambda state: state[:10] + b"[" + state[11:], "JSON header"),
    ],
)
def test_damaged_state_is_refused_with_its_cause(damage: Callable[[bytes], bytes], cause: str) -> None:
    fold = new_fold()
    for frame in noisy_scene(7, 5):
        fold.push(frame)
    with pytest.raises(BadOrder, match=cause):
        TrackFold.from_state(PARAMS, damage(fold.state()))
