"""Draws the fan-out of the last run into docs/images/fanout.svg: `python -m bench.plot`, where matplotlib is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

from bench.paths import RESULTS, ROOT

TARGET = ROOT / "docs" / "images" / "fanout.svg"
COLOURS = ("#1b6ca8", "#c8553d")
LABEL_PLACES = ((5, 5), (-30, -12))
"""Of a label beside its point: above the upper curve, below the lower one."""
MARKED = (16, 256)
"""Workers whose efficiency is written beside the curve."""


def main(target: Path = TARGET) -> None:
    """Efficiency and time to the end, over the number of workers."""
    fan_out = json.loads(RESULTS.read_text())["fan_out"]
    if not fan_out:
        print("The last run did not measure the fan-out: its plot stays as it is")
        return
    # The same numbers must give the same file.
    mpl.rcParams.update(
        {"svg.hashsalt": "fanout", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, (share, seconds) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for colour, place, (name, points) in zip(COLOURS, LABEL_PLACES, fan_out["curves"].items(), strict=True):
        workers = [point["workers"] for point in points]
        share.plot(
            workers, [point["efficiency"] for point in points], color=colour, marker="o", markersize=4, label=name
        )
        seconds.plot(
            workers, [point["seconds"] for point in points], color=colour, marker="o", markersize=4, label=name
        )
        for point in points:
            if point["workers"] in MARKED:
                share.annotate(
                    f"{point['efficiency']:.2f}",
                    (point["workers"], point["efficiency"]),
                    xytext=place,
                    textcoords="offset points",
                    color=colour,
                )
    for axes in (share, seconds):
        axes.set_xscale("log", base=2)
        axes.set_xticks([1, 4, 16, 64, 256, 1000], ["1", "4", "16", "64", "256", "1,000"])
        axes.set_xlabel("workers")
        axes.grid(alpha=0.3)
    share.set_ylabel("efficiency: time on one ÷ (workers × time)")
    share.set_ylim(0, 1.08)
    seconds.set_yscale("log")
    seconds.set_ylabel("seconds from probe to finished job")
    seconds.legend(frameon=False)
    figure.suptitle(f"Simulated fan-out: {fan_out['job']}")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, metadata={"Date": None} if target.suffix == ".svg" else None)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
