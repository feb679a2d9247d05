"""`python -m bench`: measure, print the table, write out/bench.json."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.bench_run import Bench
from bench.clips import make_clips
from bench.machine import cores, describe_machine
from bench.measures.decoding import measure_convert, measure_sampling
from bench.measures.promises import measure_exactness, measure_first_frame
from bench.measures.reading import measure_jobs, measure_probe, measure_segments
from bench.measures.spreading import measure_fan_out
from bench.measures.throughput import measure_light, measure_nano, measure_yolo
from bench.models import make_models
from bench.paths import CLIPS, RESULTS
from bench.range_server import serve
from bench.rows import Row, Verdict, to_markdown

ROUNDS = 5
EVERY_MEASURE = frozenset(range(1, 14))


@dataclass(frozen=True, slots=True)
class Group:
    """Measures that share their runs."""

    numbers: frozenset[int]
    measure: Callable[[Bench], list[Row]]


def main() -> None:
    """Measure what the command line asks for."""
    asked = _parse()
    make_clips()
    make_models()
    machine = describe_machine()
    rows: list[Row] = []
    fan_out: dict[str, Any] = {}

    def measure_13(bench: Bench) -> list[Row]:
        found, curves = measure_fan_out(bench)
        fan_out.update(curves)
        return found

    groups = [
        Group(frozenset({1, 3}), measure_nano),
        Group(frozenset({2, 3}), measure_light),
        Group(frozenset({3}), measure_yolo),
        Group(frozenset({4}), measure_convert),
        Group(frozenset({5, 6}), measure_sampling),
        Group(frozenset({7, 9}), measure_segments),
        Group(frozenset({8}), measure_jobs),
        Group(frozenset({10}), measure_exactness),
        Group(frozenset({11}), measure_probe),
        Group(frozenset({12}), measure_first_frame),
        Group(frozenset({13}), measure_13),
    ]
    with serve(CLIPS) as (url, counts):
        bench = Bench(1 if asked.quick else asked.rounds, cores(), url, counts)
        for group in groups:
            if group.numbers & asked.only:
                print(f"Measuring {', '.join(str(number) for number in sorted(group.numbers))} …", flush=True)
                rows += [row for row in group.measure(bench) if row.measure in asked.only]
    rows.sort(key=lambda row: row.measure)
    machine["load_at_the_end"] = round(os.getloadavg()[0], 2)
    lines = [row.to_json() for row in rows]
    report = {"machine": machine, "rounds": bench.rounds, "rows": lines, "fan_out": fan_out}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1))
    print(to_markdown(lines))
    judged = [row.verdict for row in rows if row.verdict is not Verdict.INFO]
    print(f"\n{judged.count(Verdict.PASS)} of {len(judged)} hold; {RESULTS.name} is written")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--only", type=_numbers, default=EVERY_MEASURE, help="numbers of measures: 1,3")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"runs of each timed variant, {ROUNDS} if not said")
    parser.add_argument("--quick", action="store_true", help="one round: to see that everything runs")
    return parser.parse_args()


def _numbers(text: str) -> frozenset[int]:
    numbers = frozenset(int(part) for part in text.split(","))
    if not numbers <= EVERY_MEASURE:
        raise argparse.ArgumentTypeError(f"measures have the numbers 1 to 13 but got {text}")
    return numbers


if __name__ == "__main__":
    main()
