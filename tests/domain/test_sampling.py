"""Which frames a job looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.sampling import PointCount, Sampling, SamplingKind, points_before, select_sampled

TIMEBASE = Fraction(1, 1000)


@dataclass(frozen=True)
class Shown:
    """A frame as sampling sees it."""

    pts: int
    is_key: bool = False


def sampled(
    frames: list[Shown], sampling: Sampling, prev_pts: int | None = None, next_pts: int | None = None
) -> list[Shown]:
    chosen = select_sampled(
        frames,
        sampling,
        TIMEBASE,
        pts_of=lambda frame: frame.pts,
        is_key=lambda frame: frame.is_key,
        prev_pts=prev_pts,
        next_pts=next_pts,
    )
    return list(chosen)


def per_second(n: str) -> Sampling:
    return Sampling(SamplingKind.PER_SECOND, Fraction(n))


def nearest_to_the_grid(frames: list[Shown], n: Fraction) -> list[Shown]:
    """The definition, word for word: for each grid point up to the last frame the nearest, at a tie the earlier."""
    chosen = set()
    point = 0
    while Fraction(point) / n <= frames[-1].pts * TIMEBASE or not point:
        at = Fraction(point) / n
        distances = [abs(frame.pts * TIMEBASE - at) for frame in frames]
        chosen.add(distances.index(min(distances)))
        point += 1
    return [frame for position, frame in enumerate(frames) if position in chosen]


rising_frames = st.lists(st.tuples(st.integers(0, 4000), st.booleans()), min_size=1, max_size=40).map(
    lambda drawn: [Shown(pts, is_key) for pts, is_key in sorted(dict(drawn).items())]
)
rates = st.fractions(Fraction(1, 3), 40, max_denominator=8)
samplings = st.one_of(
    st.just(Sampling()),
    st.just(Sampling(SamplingKind.KEYFRAMES)),
    rates.map(lambda n: Sampling(SamplingKind.PER_SECOND, n)),
)


@given(rising_frames, samplings, st.sets(st.integers(1, 40)))
def test_any_cut_into_cells_selects_what_one_pass_selects(
    frames: list[Shown], sampling: Sampling, cuts: set[int]
) -> None:
    bounds = sorted({0, len(frames), *(cut for cut in cuts if cut < len(frames))})
    pieces: list[Shown] = []
    for start, end in pairwise(bounds):
        before = frames[start - 1].pts if start else None
        after = frames[end].pts if end < len(frames) else None
        pieces += sampled(frames[start:end], sampling, before, after)
    assert pieces == sampled(frames, sampling)


@given(rising_frames, rates)
def test_per_second_selects_the_frames_nearest_to_the_grid(frames: list[Shown], n: Fraction) -> None:
    assert sampled(frames, Sampling(SamplingKind.PER_SECOND, n)) == nearest_to_the_grid(frames, n)


def test_one_per_second_of_25_frames_a_second_is_every_25th() -> None:
    frames = [Shown(index * 40) for index in range(100)]
    assert [frame.pts for frame in sampled(frames, per_second("1"))] == [0, 1000, 2000, 3000]


def test_a_frame_every_two_seconds_is_a_half_per_second() -> None:
    frames = [Shown(index * 40) for index in range(150)]
    assert [frame.pts for frame in sampled(frames, per_second("1/2"))] == [0, 2000, 4000]


def test_at_a_tie_the_earlier_frame_is_taken() -> None:
    assert [frame.pts for frame in sampled([Shown(0), Shown(900), Shown(1100)], per_second("1"))] == [0, 900]


def test_more_points_than_frames_take_every_frame() -> None:
    frames = [Shown(index * 40) for index in range(10)]
    assert sampled(frames, per_second("1000")) == frames


def test_a_video_that_starts_late_gives_its_first_frame() -> None:
    assert [frame.pts for frame in sampled([Shown(5300), Shown(5340)], per_second("1"))] == [5300]


def test_keyframes_selects_keyframes() -> None:
    frames = [Shown(0, is_key=True), Shown(40), Shown(80, is_key=True)]
    assert [frame.pts for frame in sampled(frames, Sampling(SamplingKind.KEYFRAMES))] == [0, 80]


@pytest.mark.parametrize(
    "form",
    [
        {"kind": "every_frame"},
        {"kind": "keyframes"},
        {"kind": "keyframes", "n": 2, "within_seconds": 0.5},
        {"kind": "per_second", "n": 2},
        {"kind": "per_second", "n": 0.5},
        {"kind": "per_second", "n": 29.97},
    ],
)
def test_json_survives_the_way_there_and_back(form: dict[str, Any]) -> None:
    assert Sampling.from_json(form).to_json() == form


def test_a_decimal_is_the_number_that_was_written() -> None:
    assert Sampling.from_json({"kind": "per_second", "n": 29.97}).n == Fraction(2997, 100)


@pytest.mark.parametrize(
    "form",
    [
        None,
        "every_frame",
        {},
        {"kind": "some"},
        {"kind": ["keyframes"]},
        {"kind": "every_frame", "n": 2},
        {"kind": "per_second"},
        {"kind": "per_second", "n": 0},
        {"kind": "per_second", "n": -1},
        {"kind": "per_second", "n": 1000.5},
        {"kind": "per_second", "n": True},
        {"kind": "per_second", "n": "2"},
        {"kind": "per_second", "n": float("nan")},
        {"kind": "per_second", "n": float("inf")},
        {"kind": "per_second", "n": 2, "offset": 1},
        {"kind": "keyframes", "n": 2},
        {"kind": "keyframes", "within_seconds": 2},
        {"kind": "keyframes", "n": 2, "within_seconds": 0},
        {"kind": "keyframes", "n": 2, "within_seconds": 3601},
        {"kind": "per_second", "n": 2, "within_seconds": 1},
    ],
)
def test_any_other_json_is_an_invalid_request(form: object) -> None:
    with pytest.raises(InvalidRequest):
        Sampling.from_json(form)


def near(n: str, within_seconds: str) -> Sampling:
    return Sampling(SamplingKind.KEYFRAMES, Fraction(n), Fraction(within_seconds))


def count_points(sampling: Sampling, chosen: list[int], end_pts: int) -> tuple[int, int]:
    """Grid points before the end, and those without a chosen frame near them."""
    count = PointCount()
    for pts in chosen:
        count.add(sampling, pts, end_pts, TIMEBASE)
    points = points_before(sampling, end_pts, TIMEBASE)
    return points, points - count.covered


def keyframes_nearest_to_the_grid(frames: list[Shown], sampling: Sampling) -> list[Shown]:
    """By brute force: for each point up to the last frame, the nearest keyframe if it is near enough."""
    assert sampling.n is not None
    assert sampling.within_seconds is not None
    keys = [frame for frame in frames if frame.is_key]
    chosen: set[Shown] = set()
    point = Fraction(0)
    while keys and point <= frames[-1].pts * TIMEBASE:
        nearest = min(keys, key=lambda key: (abs(key.pts * TIMEBASE - point), key.pts))
        if abs(nearest.pts * TIMEBASE - point) <= sampling.within_seconds:
            chosen.add(nearest)
        point += 1 / sampling.n
    return [frame for frame in frames if frame in chosen]


@given(rising_frames, rates, st.fractions(Fraction(1, 20), 5, max_denominator=20))
def test_thinned_keyframes_are_those_nearest_to_the_grid(frames: list[Shown], n: Fraction, within: Fraction) -> None:
    sampling = Sampling(SamplingKind.KEYFRAMES, n, within)
    assert sampled(frames, sampling) == keyframes_nearest_to_the_grid(frames, sampling)


@given(rising_frames, rates, st.fractions(Fraction(1, 20), 5, max_denominator=20))
def test_points_without_a_sampled_frame_near_them_are_counted(
    frames: list[Shown], n: Fraction, within: Fraction
) -> None:
    chosen = [frame.pts for frame in sampled(frames, Sampling(SamplingKind.KEYFRAMES, n, within))]
    points = [Fraction(k) / n for k in range(math.ceil((frames[-1].pts + 1) * TIMEBASE * n))]
    skipped = [point for point in points if not any(abs(pts * TIMEBASE - point) <= within for pts in chosen)]
    counted = count_points(Sampling(SamplingKind.KEYFRAMES, n, within), chosen, frames[-1].pts + 1)
    assert counted == (len(points), len(skipped))


def test_a_point_without_a_keyframe_near_it_is_skipped() -> None:
    frames = [Shown(index * 100, is_key=index in (0, 12, 30)) for index in range(40)]
    assert [frame.pts for frame in sampled(frames, near("1", "1/4"))] == [0, 1200, 3000]
    assert [frame.pts for frame in sampled(frames, near("1", "1/10"))] == [0, 3000]
    assert count_points(near("1", "1/10"), [0, 3000], 4000) == (4, 2)


def test_within_seconds_comes_with_n_and_with_keyframes() -> None:
    with pytest.raises(ValueError, match="n must be given"):
        Sampling(SamplingKind.KEYFRAMES, within_seconds=Fraction(1))
    with pytest.raises(ValueError, match="n must be given"):
        Sampling(SamplingKind.KEYFRAMES, n=Fraction(1))
    with pytest.raises(ValueError, match="keyframes only"):
        Sampling(SamplingKind.PER_SECOND, Fraction(1), Fraction(1))
