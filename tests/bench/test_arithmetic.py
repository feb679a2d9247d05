"""The arithmetic of the benchmarks: what is compared with what, and when a measure holds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from threading import Barrier

import pytest

from bench.at_once import count_at_once
from bench.fan_out import Parts, curve, efficiency, seconds_of, spread
from bench.measures.spreading import MEASURED_SEGMENTS, WORKERS
from bench.ours import deal_segments
from bench.report import BEGIN, END, earlier_lines, merge, replace_between
from bench.rounds import Call, Rounds, Run, VariantFailed, run_once
from bench.rows import Row, Verdict, at_least, at_most, to_cells, to_table


def a_run(cpu_seconds: float, *, units: int = 100, wall_seconds: float = 1.0) -> Run:
    return Run(units, wall_seconds, cpu_seconds, 0.0, 0.0, {})


def at_once(workers: int) -> Sequence[float]:
    return [0.0] * workers


def test_copies_run_at_once_and_all_of_them_count() -> None:
    all_there = Barrier(3, timeout=10)

    def work() -> int:
        all_there.wait()
        return 7

    assert count_at_once(3, work) == 21


def test_costs_are_per_frame() -> None:
    run = a_run(2.0, units=100, wall_seconds=4.0)
    assert (run.cpu_ms, run.per_second) == (20.0, 25.0)


def test_a_ratio_is_taken_within_each_round() -> None:
    # The machine is ten times slower in the second round: the medians of either variant alone would say 5.5 ÷ 11.
    rounds = Rounds(({"a": a_run(1), "b": a_run(2)}, {"a": a_run(10), "b": a_run(40)}))
    assert rounds.values(lambda runs: runs["a"].cpu_ms / runs["b"].cpu_ms) == (0.5, 0.25)


def test_a_ratio_with_a_variant_that_did_not_run_has_no_values() -> None:
    rounds = Rounds(({"a": a_run(1)},), {"b": "its environment is not installed"})
    assert rounds.values(lambda runs: runs["a"].cpu_ms / runs["b"].cpu_ms) == ()


def test_the_median_is_judged_and_not_the_best_round() -> None:
    assert Row(1, "share", (0.99, 0.90, 0.91), at_least(0.95)).verdict is Verdict.FAIL
    assert Row(4, "factor", (1.0, 1.2, 1.1), at_most(1.15)).verdict is Verdict.PASS


def test_the_limit_itself_is_enough() -> None:
    assert Row(1, "share", (0.95,), at_least(0.95)).verdict is Verdict.PASS
    assert Row(11, "requests", (4,), at_most(4)).verdict is Verdict.PASS


def test_a_measure_without_values_does_not_pass() -> None:
    assert Row(1, "share", (), at_least(0.95)).verdict is Verdict.NOT_RUN


def test_a_row_shows_threshold_median_and_interval() -> None:
    row = Row(12, "first frame", (80.0, 90.0, 70.0), at_most(100), "ms").to_json()
    assert to_cells(row) == ("12", "first frame", "≤ 100", "80 ms", "70 … 90", "pass", "")


def test_equal_segments_that_start_at_once_are_shared_perfectly() -> None:
    parts = Parts(probe=0.0, segments=(2.0,) * 64, finish=0.0)
    points = curve(parts, (1, 2, 16, 64), at_once, 0.0, deal_segments)
    assert [point["efficiency"] for point in points] == [1.0, 1.0, 1.0, 1.0]


def test_the_slowest_worker_is_waited_for() -> None:
    parts = Parts(probe=1.0, segments=(2.0, 3.0, 4.0), finish=5.0)
    # Dealt in turn: the first worker has segments 0 and 2, the second has 1 and starts late.
    assert seconds_of(parts, [0.0, 10.0], 0.5, deal_segments) == 0.5 + 1 + 13 + 0.5 + 5


def test_what_is_not_shared_costs_efficiency() -> None:
    parts = Parts(probe=0.0, segments=(1.0,) * 10, finish=10.0)
    points = curve(parts, (10,), at_once, 0.0, deal_segments)
    assert points[0]["seconds"] == 11
    assert points[0]["efficiency"] == pytest.approx(20 / 110)


def test_workers_without_a_segment_do_not_slow_a_job_down() -> None:
    parts = Parts(probe=0.0, segments=(1.0,) * 4, finish=0.0)
    assert seconds_of(parts, [0.0] * 4 + [100.0], 0.0, deal_segments) == 1


def test_efficiency_falls_with_every_doubling_of_the_workers() -> None:
    parts = Parts(probe=1.0, segments=spread([1.0, 1.5, 2.0], 1200), finish=3.0)
    shares = [point["efficiency"] for point in curve(parts, WORKERS, at_once, 1.0, deal_segments)]
    assert shares[0] == 1
    assert all(after < before for before, after in pairwise(shares))


def test_segment_times_are_drawn_from_the_measured_ones_always_alike() -> None:
    measured = [0.5, 1.0, 2.0]
    drawn = spread(measured, 300)
    assert drawn == spread(measured, 300)
    assert set(drawn) == set(measured)
    assert MEASURED_SEGMENTS >= 10


def test_efficiency_is_one_when_half_the_time_takes_twice_the_workers() -> None:
    assert efficiency(10.0, 5.0, 2) == 1


def test_the_report_replaces_what_is_between_the_markers_and_nothing_else() -> None:
    page = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
    once = replace_between(page, "new")
    assert once == f"above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"
    assert replace_between(once, "new") == once


@pytest.mark.parametrize("page", ["nothing", f"{END} {BEGIN}", f"{BEGIN} {END} {END}"])
def test_a_page_without_its_markers_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="once, in this order"):
        replace_between(page, "new")


def test_a_variant_without_its_environment_says_so() -> None:
    with pytest.raises(VariantFailed, match="not installed"):
        run_once(Call("peers.opencv_serial", {}, Path("no/such/python")))


def test_a_variant_that_breaks_gives_its_last_words() -> None:
    with pytest.raises(VariantFailed, match="FileNotFoundError"):
        run_once(Call("limits.decode", {"clip": "no_such_clip.mp4"}))


def line(measure: int, what: str, median: str, verdict: str = "pass", note: str = "") -> tuple[str, ...]:
    return (str(measure), what, "", median, "", verdict, note)


def test_a_page_tells_at_which_commit_its_lines_were_measured() -> None:
    page = (
        f"Measured on 2026-01-01 at commit abc1234: 2 cores\n\n{to_table([line(4, 'clip: x', '2', note='loopback')])}"
    )

    assert earlier_lines(page) == [line(4, "clip: x", "2", note="loopback; run at abc1234")]
    assert earlier_lines(page.replace("loopback", "run at fff0000"))[0][-1] == "run at fff0000"


def test_a_report_keeps_what_the_last_run_did_not_measure() -> None:
    earlier = [line(1, "a: fps", "1"), line(1, "… ours", "2"), line(3, "b: fps", "3"), line(3, "… ours", "4")]
    measured = [line(1, "a: fps", "5"), line(3, "b", "–", "not run"), line(3, "c", "–", "not run"), line(2, "d", "6")]

    assert merge(measured, earlier) == [measured[0], measured[3], *earlier[2:], measured[2]]
