"""`python -m bench.costs.video_hour`: what a minute and an hour of 1080p30 cost, as tables for docs/costs.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from bench.costs.model import Costs, costs_of, default_manifest, work_of
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.units import Lane
from chalicelib.settings import read_prices

OTHERS: dict[str, Any] = json.loads((Path(__file__).parent / "others.json").read_text())
MINUTES = 60.0
CHILDREN = 1
"""Boots are told apart, so how many machines share the work changes little else."""
EVERY = Sampling(SamplingKind.EVERY_FRAME)
ANALYSES = (
    ("nanodet-g", ("nanodet-g",), EVERY, "every frame"),
    ("nanodet-g", ("nanodet-g",), Sampling(SamplingKind.PER_SECOND, n=Fraction(5)), "5 a second"),
    ("nanodet-g", ("nanodet-g",), Sampling(SamplingKind.KEYFRAMES), "keyframes"),
    ("nanodet-g and ssdlite", ("nanodet-g", "ssdlite-mobilenet-v2"), EVERY, "every frame"),
)
LANES = ((Lane.CPU, True), (Lane.CPU, False), (Lane.GPU, True), (Lane.GPU, False))


def main() -> None:
    """Print both tables."""
    print("\n".join([*our_rows(), "", *their_rows()]))


def our_rows() -> Iterator[str]:
    """By analysis and lane, for an hour."""
    prices = read_prices()
    yield "| models | frames | lane | $ a minute | $ an hour | of it machines | tables | requests | to boot |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for title, names, sampling, frames in ANALYSES:
        manifests = [default_manifest(name) for name in names]
        for lane, is_spot in LANES:
            work = work_of(MINUTES, manifests, sampling, lane, CHILDREN)
            costs = costs_of(work, prices.units, is_spot=is_spot)
            market = "Spot" if is_spot else "on demand"
            yield f"| {title} | {frames} | {lane.value}, {market} | {_money(costs)} |"


def their_rows() -> Iterator[str]:
    """What others charge for a minute, and a machine with a GPU for an hour."""
    yield "| service | $ a minute | $ an hour | source | |"
    yield "|---|---|---|---|---|"
    for row in OTHERS["rows"]:
        minute = row["usd_per_minute"]
        told = f"{minute:.2f} | {minute * 60:.2f}" if minute is not None else "– | –"
        yield f"| {row['name']} | {told} | {row['source']} | {row['note']} |"
    for row in OTHERS["machines"]:
        price = f"{row['usd_per_hour']:.3f}"
        yield f"| {row['name']}, an hour of the machine | – | {price} | {OTHERS['machines_source']} | |"


def _money(costs: Costs) -> str:
    parts = costs.parts
    rest = parts.functions + parts.objects
    minute, hour = costs.usd / MINUTES, costs.usd
    machines, tables, small = (value / 1e9 for value in (parts.workers, parts.tables, rest))
    return f"{minute:.5f} | {hour:.3f} | {machines:.3f} | {tables:.3f} | {small:.3f} | {costs.boot_usd:.4f}"


if __name__ == "__main__":
    main()
