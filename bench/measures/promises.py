"""Measures 10 and 12: frames equal to a single pass, and the time from a claim to the first frame analysed."""

from __future__ import annotations

from bench.bench_run import Bench
from bench.models import NANO
from bench.paths import CORPUS
from bench.rows import Row, at_least, at_most


def measure_exactness(bench: Bench) -> list[Row]:
    """Over the corpus of odd videos that the tests have."""
    rounds = bench.run({"ours": bench.ours("compare_corpus", folder=CORPUS)}, rounds=1)
    if not rounds.has("ours"):
        return [Row(10, "frames equal to a single pass", (), at_least(1), note=rounds.failure_by_key["ours"])]
    run = rounds.runs[0]["ours"]
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(run.facts["reasons"].items()))
    return [
        Row(
            10,
            f"frames equal to a single pass, {run.facts['files']} odd videos",
            (run.facts["equal"] / run.units,),
            at_least(1),
            note=f"{run.facts['equal']} of {run.units}, {run.facts['damaged']} reported damaged; "
            + (", ".join(run.facts["unequal"]) or "every file"),
        ),
        Row(10, "… files in one segment", (sum(run.facts["reasons"].values()),), note=reasons),
    ]


def measure_first_frame(bench: Bench) -> list[Row]:
    """Claim, look for stored results, read the plan, get the bytes, decode, convert, infer."""
    rounds = bench.run(
        {
            "ours": bench.ours("first_frame", **bench.remote("h264_1080p.mp4"), model=NANO),
            "start": bench.ours("start_worker", model=NANO),
        }
    )
    return [
        Row(
            12,
            "claim to first frame analysed, less the ranged GET",
            rounds.values(lambda runs: runs["ours"].facts["first_frame_ms"] - runs["ours"].facts["get_ms"]),
            at_most(100),
            "ms",
            note="1080p, nanodet-g, loaded; tables in memory",
        ),
        Row(12, "… the GET", rounds.values(lambda runs: runs["ours"].facts["get_ms"]), unit="ms", note="loopback"),
        Row(12, "… imports", rounds.values(lambda runs: runs["start"].facts["import_ms"]), unit="ms"),
        Row(12, "… load of the model", rounds.values(lambda runs: runs["start"].facts["load_ms"]), unit="ms"),
        Row(12, "… process start to ready", rounds.values(lambda runs: runs["start"].wall_seconds * 1000), unit="ms"),
    ]
