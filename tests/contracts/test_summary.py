"""The summary of a job: counts, best scores and time ranges by label."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contracts.blocks import Block
from chalicelib.contracts.summary import MAX_RANGES, SummaryFold
from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.sampling import Sampling, SamplingKind, gap_seconds
from tests.contracts.block_makers import make_block

TIMEBASE = Fraction(1, 10)


def a_fold(floors: list[int] | None = None, labels: tuple[str, ...] = ()) -> SummaryFold:
    return SummaryFold(floors=floors or [0], labels=labels, timebase=TIMEBASE, gap_seconds=Fraction(2))


def seen_at(*pts: int, label: str = "dog", score: int = 5000) -> Block:
    return make_block(TIMEBASE, [label], [(at, 0, 0, 0, [(0, score, 0, 0, 1, 1)]) for at in pts])


def result(fold: SummaryFold, tracks: list[TrackRow] | None = None) -> dict[str, Any]:
    return fold.result(tracks or [], frames_shown=10, frames_analyzed=5, frames_inferred=3)


def ranges_of(fold: SummaryFold) -> list[list[float]]:
    (label,) = result(fold)["labels"]
    ranges: list[list[float]] = label["ranges"]
    return ranges


def test_nothing_seen_is_an_empty_summary() -> None:
    assert result(a_fold()) == {
        "frames_shown": 10,
        "frames_analyzed": 5,
        "frames_inferred": 3,
        "detections": 0,
        "tracks": 0,
        "labels": [],
    }


def test_a_label_has_its_count_times_and_best_score() -> None:
    fold = a_fold()
    fold.push(seen_at(0, 10, score=4000), 0)
    fold.push(seen_at(25, score=9100), 0)
    assert result(fold)["labels"] == [
        {
            "label": "dog",
            "detections": 3,
            "tracks": 0,
            "first_seconds": 0.0,
            "last_seconds": 2.5,
            "score_max": 0.91,
            "ranges": [[0.0, 2.5]],
        }
    ]


def test_a_pause_of_the_gap_is_within_a_range_and_a_longer_one_is_not() -> None:
    fold = a_fold()
    fold.push(seen_at(0, 20, 41), 0)
    assert ranges_of(fold) == [[0.0, 2.0], [4.1, 4.1]]


def test_labels_come_with_the_most_frequent_first() -> None:
    fold = a_fold()
    for label, count in (("ant", 1), ("bee", 3), ("cat", 1)):
        fold.push(seen_at(*range(count), label=label), 0)
    assert [label["label"] for label in result(fold)["labels"]] == ["bee", "ant", "cat"]


def test_rows_below_the_floor_of_their_model_do_not_count() -> None:
    fold = a_fold(floors=[5000, 6000])
    fold.push(seen_at(0, score=5000), 0)
    fold.push(seen_at(1, score=5999), 1)
    assert result(fold)["detections"] == 1


def test_only_the_labels_that_were_asked_for_count() -> None:
    fold = a_fold(labels=("cat",))
    fold.push(seen_at(0, label="dog"), 0)
    fold.push(seen_at(0, label="cat"), 0)
    assert [label["label"] for label in result(fold)["labels"]] == ["cat"]


def test_tracks_are_counted_by_label() -> None:
    fold = a_fold()
    fold.push(seen_at(0), 0)
    tracks = [TrackRow(1, "m", "dog", 0, 5, 3, 9000), TrackRow(2, "m", "dog", 0, 5, 3, 9000)]
    assert (result(fold, tracks)["tracks"], result(fold, tracks)["labels"][0]["tracks"]) == (2, 2)


def test_a_second_model_that_comes_later_in_the_same_segment_joins_the_ranges() -> None:
    fold = a_fold(floors=[0, 0])
    fold.push(seen_at(0, 100, 200), 0)
    fold.push(seen_at(5, 95, 150), 1)
    assert ranges_of(fold) == [[0.0, 0.5], [9.5, 10.0], [15.0, 15.0], [20.0, 20.0]]


def test_ranges_are_bounded_and_the_shortest_pauses_close_first() -> None:
    fold = a_fold()
    times = [number * 100 for number in range(MAX_RANGES)] + [MAX_RANGES * 100 - 50]
    fold.push(seen_at(*times), 0)
    ranges = ranges_of(fold)
    assert len(ranges) == MAX_RANGES
    assert ranges[-1] == [(MAX_RANGES - 1) * 10.0, MAX_RANGES * 10.0 - 5]


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=80, unique=True).map(sorted))
def test_every_detection_lies_in_a_range(times: list[int]) -> None:
    fold = a_fold()
    fold.push(seen_at(*times), 0)
    ranges = ranges_of(fold)
    assert len(ranges) <= MAX_RANGES
    assert all(any(start <= at / 10 <= end for start, end in ranges) for at in times)


@given(
    st.lists(st.integers(0, 600), min_size=1, max_size=30, unique=True).map(sorted),
    st.lists(st.integers(0, 600), min_size=1, max_size=30, unique=True).map(sorted),
)
def test_two_models_have_the_ranges_of_one_that_sees_what_both_see(one: list[int], other: list[int]) -> None:
    two, single = a_fold(floors=[0, 0]), a_fold()
    two.push(seen_at(*one), 0)
    two.push(seen_at(*other), 1)
    single.push(seen_at(*sorted({*one, *other})), 0)
    assert ranges_of(two) == ranges_of(single)


@given(st.lists(st.integers(0, 3000), min_size=2, max_size=60, unique=True).map(sorted), st.data())
def test_a_fold_that_was_stored_goes_on_as_if_it_had_not_been(times: list[int], data: st.DataObject) -> None:
    middle = data.draw(st.integers(1, len(times) - 1))
    whole, first, second = a_fold(), a_fold(), a_fold()
    whole.push(seen_at(*times), 0)
    first.push(seen_at(*times[:middle]), 0)
    second.state = json.loads(json.dumps(first.state))
    second.push(seen_at(*times[middle:]), 0)
    assert result(second) == result(whole)


@pytest.mark.parametrize(
    ("sampling", "gap"),
    [
        (Sampling(), Fraction(2)),
        (Sampling(SamplingKind.KEYFRAMES), Fraction(20)),
        (Sampling(SamplingKind.PER_SECOND, Fraction(4)), Fraction(2)),
        (Sampling(SamplingKind.PER_SECOND, Fraction(1, 10)), Fraction(20)),
    ],
    ids=str,
)
def test_a_gap_is_longer_than_the_pause_between_two_samples(sampling: Sampling, gap: Fraction) -> None:
    assert gap_seconds(sampling) == gap
