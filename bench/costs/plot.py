"""Draws docs/images/cold-starts.svg from what `bench.costs.cold_starts` wrote: `python -m bench.costs.plot`.

Needs matplotlib, so it runs where the peers of the benchmarks are installed.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parents[2]
SOURCE, TARGET = ROOT / "out" / "cold_starts.json", ROOT / "docs" / "images" / "cold-starts.svg"
COLOUR_BY_LANE = {"cpu": "#1b6ca8", "gpu": "#c8553d"}
TICKS = {0.25: "15 s", 1: "1 min", 5: "5", 20: "20", 60: "1 h", 240: "4", 1440: "24"}


def main() -> None:
    """Dollars for a minute of video, and the time to the end, over the length of the video."""
    curves = json.loads(SOURCE.read_text())
    mpl.rcParams.update(
        {"svg.hashsalt": "cold-starts", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, (dollars, seconds) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, points in curves.items():
        lane, _, plan = name.partition(", ")
        style = {"color": COLOUR_BY_LANE[lane], "linestyle": "-" if plan == "as planned" else ":", "label": name}
        minutes = [point[0] for point in points]
        dollars.plot(minutes, [point[2] / point[0] for point in points], marker="o", markersize=3, **style)
        seconds.plot(minutes, [point[3] for point in points], marker="o", markersize=3, **style)
    for axes in (dollars, seconds):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(list(TICKS), list(TICKS.values()))
        axes.minorticks_off()
        axes.set_xlabel("length of the video")
        axes.grid(alpha=0.3)
    dollars.set_ylabel("$ for a minute of video, boots included")
    seconds.set_ylabel("seconds from the request to the last result")
    dollars.legend(frameon=False)
    figure.suptitle("nanodet-g, every frame of 1080p30, Spot machines of which none is warm")
    figure.savefig(TARGET, metadata={"Date": None})


if __name__ == "__main__":
    main()
