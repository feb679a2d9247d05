"""Measures 10 and 12: frames equal to a single pass, and the time from a claim to the first frame analysed."""

from __future__ import annotations

from bench.bench_run import Bench
from bench.models import NANO
from bench.paths import CLIPS, CORPUS
from bench.rows import Bound, Row, at_least, at_most


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
    """Claim, look for stored results, read the plan, get the bytes, decode, convert, infer.

    Beside it what nothing can go below: bare libav until its first frame, and the first run of the model.
    """
    rows = _first_frame_rows(bench, "1080p", "h264_1080p.mp4", at_most(100))
    rows += _first_frame_rows(bench, "720p", "h264_720p.mp4", None)
    start = bench.run({"start": bench.ours("start_worker", model=NANO)})
    return [
        *rows,
        Row(12, "… imports", start.values(lambda runs: runs["start"].facts["import_ms"]), unit="ms"),
        Row(12, "… load of the model", start.values(lambda runs: runs["start"].facts["load_ms"]), unit="ms"),
        Row(12, "… process start to ready", start.values(lambda runs: runs["start"].wall_seconds * 1000), unit="ms"),
    ]


def _first_frame_rows(bench: Bench, size: str, clip: str, bound: Bound | None) -> list[Row]:
    rounds = bench.run(
        {
            "ours": bench.ours("first_frame", **bench.remote(clip), model=NANO),
            "decode": bench.limit("decode_first_frame", clip=CLIPS / clip),
        }
    )
    return [
        Row(
            12,
            f"claim to first frame analysed, less the ranged GET, {size}",
            rounds.values(lambda runs: runs["ours"].facts["first_frame_ms"] - runs["ours"].facts["get_ms"]),
            bound,
            "ms",
            note="nanodet-g, loaded; tables in memory",
        ),
        Row(
            12,
            f"… bare libav to its first frame + the first run of the model, {size}",
            rounds.values(lambda runs: runs["decode"].facts["first_frame_ms"] + runs["ours"].facts["model_ms"]),
            unit="ms",
        ),
        Row(
            12,
            f"… the GET, {size}",
            rounds.values(lambda runs: runs["ours"].facts["get_ms"]),
            unit="ms",
            note="loopback",
        ),
    ]
