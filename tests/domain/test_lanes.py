"""What goes to the fast lane: short work, by facts that do not change."""

from __future__ import annotations

import pytest

from chalicelib.domain.costs import effort_of_children, effort_of_segments
from chalicelib.domain.lanes import (
    ADMISSION_BYTES_MAX,
    FAST_DRAIN_SECONDS,
    FAST_SCRATCH_MIB,
    FAST_TIMEOUT_SECONDS,
    MODELS_MB_MAX,
    PROBE_BYTES_MAX,
    WORK_SECONDS_MAX,
    lane_after,
    lane_of_admission,
    lane_of_analysis,
    lane_of_finish,
    lane_of_probe,
    lane_of_side_step,
)
from chalicelib.domain.model_versions import Trial
from chalicelib.domain.rates import Rates
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.units import Lane, UnitKind
from chalicelib.domain.work import Work, count_work
from infra.wiring import WIRING
from tests.fakes.makers import make_index, make_manifest, make_media

SHA256 = make_manifest().sha256


def work_of(seconds: int, *, width: int = 640, height: int = 360, sampling: Sampling | None = None) -> Work:
    """All of a video of 25 frames a second."""
    media = make_media(
        width=width, height=height, duration_seconds=float(seconds), frame_count=25 * seconds, keyframes=seconds
    )
    index = make_index(cell_count=seconds, end_pts=1000 * seconds)
    manifests = [make_manifest()]
    return count_work(media, index, sampling or Sampling(), manifests, lane=Lane.GPU, segments=seconds, children=4)


@pytest.mark.parametrize("wanted", [Lane.CPU, Lane.GPU])
def test_a_short_video_is_analysed_in_the_fast_lane_and_a_long_one_where_it_is_wanted(wanted: Lane) -> None:
    assert [lane_of_analysis(work_of(seconds), wanted, {}) for seconds in (10, 3600)] == [Lane.FAST, wanted]


def test_a_longer_video_never_comes_back_to_the_fast_lane() -> None:
    lanes = [lane_of_analysis(work_of(seconds), Lane.GPU, {}) for seconds in range(5, 600, 5)]
    assert lanes == sorted(lanes, key=[Lane.FAST, Lane.GPU].index)
    assert set(lanes) == {Lane.FAST, Lane.GPU}


def test_what_the_fast_lane_takes_is_done_within_the_bound_by_the_stated_rates() -> None:
    longest = max(seconds for seconds in range(1, 600) if lane_of_analysis(work_of(seconds), Lane.CPU, {}) is Lane.FAST)
    effort = [
        effort_of_children(work, Rates()) + effort_of_segments(work, Rates())
        for work in (work_of(seconds).on_lane(Lane.FAST, 1) for seconds in (longest, longest + 1))
    ]
    assert effort[0].fast_seconds <= WORK_SECONDS_MAX < effort[1].fast_seconds


def test_sampling_makes_a_long_video_short() -> None:
    seen = [work_of(300, sampling=Sampling(kind)) for kind in (SamplingKind.EVERY_FRAME, SamplingKind.KEYFRAMES)]
    assert [lane_of_analysis(work, Lane.GPU, {}) for work in seen] == [Lane.GPU, Lane.FAST]


def test_a_model_whose_trial_took_long_keeps_even_a_short_video_out() -> None:
    heavy, light = (Trial({"416x256": milliseconds}, 100.0) for milliseconds in (2000.0, 5.0))
    assert lane_of_analysis(work_of(10), Lane.GPU, {SHA256: light}) is Lane.FAST
    assert lane_of_analysis(work_of(10), Lane.GPU, {SHA256: heavy}) is Lane.GPU


def test_a_model_that_needs_much_memory_keeps_a_short_video_out() -> None:
    assert lane_of_analysis(work_of(1), Lane.CPU, {SHA256: Trial({}, MODELS_MB_MAX + 1)}) is Lane.CPU


def test_frames_larger_than_4k_are_not_taken() -> None:
    assert lane_of_analysis(work_of(1, width=7680, height=4320), Lane.CPU, {}) is Lane.CPU
    assert lane_of_side_step(work_of(1, width=7680, height=4320), UnitKind.EXPORT) is Lane.CPU


def test_probes_and_admissions_go_by_the_size_of_the_file() -> None:
    assert [lane_of_probe(PROBE_BYTES_MAX + more) for more in (0, 1)] == [Lane.FAST, Lane.CPU]
    assert [lane_of_admission(ADMISSION_BYTES_MAX + more) for more in (0, 1)] == [Lane.FAST, Lane.CPU]


@pytest.mark.parametrize("kind", [UnitKind.TRACKS, UnitKind.EXPORT])
def test_finishes_and_side_steps_are_short_until_they_are_not(kind: UnitKind) -> None:
    day = work_of(24 * 3600)
    assert (lane_of_finish(work_of(600)), lane_of_side_step(work_of(600), kind)) == (Lane.FAST, Lane.FAST)
    assert (lane_of_finish(day), lane_of_side_step(day, kind)) == (Lane.CPU, Lane.CPU)


def test_nothing_comes_to_the_fast_lane_twice_and_the_class_of_provider_stays() -> None:
    assert [lane_after(lane) for lane in Lane] == [Lane.CPU, Lane.CPU, Lane.GPU]


def test_the_function_has_what_lambda_gives_and_the_memory_of_a_child_of_the_cpu_lane() -> None:
    fast = WIRING.fast
    assert fast.memory_mib == WIRING.cpu.definition.memory_mib
    assert (fast.memory_mib <= 10_240, fast.scratch_mib <= 10_240, fast.timeout_seconds <= 900) == (True, True, True)
    assert (fast.timeout_seconds, fast.scratch_mib) == (FAST_TIMEOUT_SECONDS, FAST_SCRATCH_MIB)
    assert WORK_SECONDS_MAX * 10 < FAST_TIMEOUT_SECONDS - FAST_DRAIN_SECONDS


def test_lambda_repeats_nothing_by_itself() -> None:
    # An attempt is a claim, and under a cap it is paid for before it starts.
    assert WIRING.fast.retry_attempts == 0
