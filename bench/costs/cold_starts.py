"""`python -m bench.costs.cold_starts`: when booting machines costs more than their work, and what the planner does.

Prints a table of Markdown (docs/costs.md) and writes what the plot is drawn from (`bench.costs.plot`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from bench.costs.model import RATES, costs_of, default_manifest, work_of
from bench.paths import ROOT
from chalicelib.domain.costs import BOOT_SECONDS, choose_children
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.units import Lane
from chalicelib.domain.work import Work
from chalicelib.settings import read_prices

TARGET = ROOT / "out" / "cold_starts.json"
MAX_CHILDREN = 16
"""As `REELSCAN_MAX_CHILDREN` is by default."""
MINUTES = (0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 240, 480, 1440)
TOLD = (1, 10, 60, 240, 1440)
"""Minutes that the table has."""
LANES = (Lane.CPU, Lane.GPU)


@dataclass(frozen=True, slots=True)
class Point:
    """A video of one length in one lane."""

    minutes: float
    children: int
    usd: float
    """Boots included."""
    seconds: float


def main() -> None:
    """The curves of the plan, and of as many machines as may be."""
    curves = {
        f"{lane.value}, {name}": [point_of(minutes, lane, is_planned=is_planned) for minutes in MINUTES]
        for lane in LANES
        for name, is_planned in (("as planned", True), (f"always {MAX_CHILDREN}", False))
    }
    TARGET.parent.mkdir(exist_ok=True)
    as_json = {name: [[p.minutes, p.children, p.usd, p.seconds] for p in points] for name, points in curves.items()}
    TARGET.write_text(json.dumps(as_json))
    print("| minutes of video | lane, machines | machines | $ with boots | of it boots | seconds to the end |")
    print("|---|---|---|---|---|---|")
    for position, minutes in enumerate(MINUTES):
        if minutes not in TOLD:
            continue
        for name, points in curves.items():
            point = points[position]
            working = costs_of(work_in(minutes, Lane(name.partition(",")[0]), point.children), PRICES, is_spot=True).usd
            boots = point.usd - working
            print(f"| {minutes:g} | {name} | {point.children} | {point.usd:.4f} | {boots:.4f} | {point.seconds:.0f} |")


def point_of(minutes: float, lane: Lane, *, is_planned: bool) -> Point:
    """nanodet-g over every frame of 1080p30, on Spot machines of which none is warm."""
    work = work_in(minutes, lane, MAX_CHILDREN)
    if is_planned:
        boot = BOOT_SECONDS[lane]
        work = replace(work, children=choose_children(work, RATES, boot_seconds=boot, max_children=MAX_CHILDREN))
    costs = costs_of(work, PRICES, is_spot=True)
    return Point(minutes, work.children, costs.usd + costs.boot_usd, costs.seconds)


def work_in(minutes: float, lane: Lane, children: int) -> Work:
    """The work of a video of this length."""
    return work_of(minutes, [default_manifest("nanodet-g")], Sampling(SamplingKind.EVERY_FRAME), lane, children)


PRICES = read_prices().units

if __name__ == "__main__":
    main()
