"""Measure 13: a two-hour job replayed on 1 to 1,000 workers, from times that were measured here."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import mean, median
from typing import Any

from bench.bench_run import Bench
from bench.fan_out import Parts, curve, spread
from bench.models import NANO
from bench.ours import deal_segments
from bench.paths import CLIPS
from bench.rows import Row

MEASURED_SEGMENTS = 12
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
REPORTED = (16, 256)
COLD_SECONDS = (30.0, 90.0)
"""An assumption, not a measurement: from SubmitJob to the first line of the worker when a machine has to be started."""
JOB = "two hours of 360p, a segment for each cell"


def measure_fan_out(bench: Bench) -> tuple[list[Row], dict[str, Any]]:
    """The rows, and the curves for the plot."""
    clip = CLIPS / "two_hours_moov_last.mp4"
    rounds = bench.run({"start": bench.ours("start_worker", model=NANO)})
    job = bench.run({"job": bench.ours("run_job", clip=clip, model=NANO, segments=MEASURED_SEGMENTS)}, rounds=1)
    if not (rounds.has("start") and job.has("job")):
        failures = {**rounds.failure_by_key, **job.failure_by_key}
        return [Row(13, "fan-out", (), note="; ".join(failures.values()))], {}
    facts = job.runs[0]["job"].facts
    measured, count = facts["segment_seconds"], facts["segments_of_video"]
    start_seconds = median(runs["start"].wall_seconds for runs in rounds.runs)
    # The fold over the segments is linear in their number.
    finish_seconds = facts["finish_seconds"] * count / len(measured)
    parts = Parts(facts["probe_seconds"], spread(measured, count), finish_seconds)

    def warm(workers: int) -> Sequence[float]:
        return [start_seconds] * workers

    def cold(workers: int) -> Sequence[float]:
        chance = random.Random(1)
        return [start_seconds + chance.uniform(*COLD_SECONDS) for _ in range(workers)]

    low, high = COLD_SECONDS
    scenarios = {
        "machines are up": warm,
        f"each machine starts in {low:g} to {high:g} s (assumed)": cold,
    }
    curves = {name: curve(parts, WORKERS, start, start_seconds, deal_segments) for name, start in scenarios.items()}
    rows = [
        Row(
            13,
            f"efficiency at {point['workers']:g} workers: {name}",
            (point["efficiency"],),
            note=f"{JOB}: {point['seconds']:.0f} s",
        )
        for name, points in curves.items()
        for point in points
        if point["workers"] in REPORTED
    ]
    rows += [
        Row(13, "… segments of the job", (count,), note=f"times drawn from {len(measured)} measured ones"),
        Row(13, "… mean segment", (mean(measured),), unit="s", note=f"{bench.cores} cores"),
        Row(13, "… probe", (facts["probe_seconds"],), unit="s"),
        Row(13, "… finish", (finish_seconds,), unit="s", note=f"{len(measured)} segments measured, scaled"),
        Row(13, "… start of a worker's process", (start_seconds,), unit="s", note="imports and model load"),
    ]
    return rows, {"job": JOB, "curves": curves}
