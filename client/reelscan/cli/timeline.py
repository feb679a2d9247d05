"""What was seen when: a lane per label, in the terminal or as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reelscan.cli.tables import clock

if TYPE_CHECKING:
    from rich.text import Text

    from reelscan.records import Detection

COLOURS = ("#4c9be8", "#f2a541", "#5cc489", "#e56b6f", "#a98bdc", "#4fc1c0", "#d98fb9", "#b0b35a")
"""Told apart by people with any colour vision, in the order of the lanes, on light and on dark."""
HEIGHTS = "▁▂▃▄▅▆▇█"
LABEL_CELLS = 14
MOST_LANES = 20
TICKS = 4
SHORT_SECONDS = 60
"""Times below are told with a decimal."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A label's detections over time."""

    label: str
    counts: tuple[int, ...]
    """In each of equal spans of the time."""
    total: int
    score_max: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """All lanes, those with most detections first."""

    start_seconds: float
    end_seconds: float
    lanes: tuple[Lane, ...]


def make_timeline(found: Iterable[Detection], start_seconds: float, end_seconds: float, spans: int) -> Timeline:
    """Count detections by label in `spans` equal parts of a time."""
    counts: dict[str, list[int]] = {}
    best: dict[str, float] = {}
    length = max(end_seconds - start_seconds, 1e-9)
    for row in found:
        span = int((row.time_seconds - start_seconds) / length * spans)
        counts.setdefault(row.label, [0] * spans)[max(0, min(span, spans - 1))] += 1
        best[row.label] = max(best.get(row.label, 0.0), row.score)
    lanes = [Lane(label, tuple(row), sum(row), best[label]) for label, row in counts.items()]
    lanes.sort(key=lambda lane: (-lane.total, lane.label))
    return Timeline(start_seconds, end_seconds, tuple(lanes))


def draw(timeline: Timeline) -> Text:
    """For a terminal: a row of blocks for each label, as high as there is much in that part of the time."""
    from rich.text import Text

    if not timeline.lanes:
        return Text(" Nothing matches.", style="dim")
    spans = len(timeline.lanes[0].counts)
    drawn = Text()
    for number, lane in enumerate(timeline.lanes[:MOST_LANES]):
        drawn.append(f" {_fitting(lane.label)} ", style="bold")
        drawn.append("│", style="bright_black")
        drawn.append(
            "".join(_height(count, max(lane.counts)) for count in lane.counts), style=COLOURS[number % len(COLOURS)]
        )
        drawn.append("│", style="bright_black")
        drawn.append(f" {lane.total:,}", style="dim")
        drawn.append("\n")
    if len(timeline.lanes) > MOST_LANES:
        drawn.append(f" {'':{LABEL_CELLS}} and {len(timeline.lanes) - MOST_LANES} labels more\n", style="dim")
    drawn.append(f" {'':{LABEL_CELLS}} └{_rule(spans)}┘\n", style="bright_black")
    drawn.append(f" {'':{LABEL_CELLS}}  {_ticks(timeline, spans)}", style="dim")
    return drawn


def save_plot(timeline: Timeline, path: Path, title: str) -> None:
    """Write it as a picture, in the form that the path's ending says. Needs `reelscan[plot]`.

    Raises:
        ReelscanError: matplotlib is not installed, or knows no such form.
    """
    from reelscan.errors import ReelscanError

    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter
    except ImportError as error:
        raise ReelscanError("matplotlib is not installed", 'Install it beside: pip install "reelscan[plot]"') from error
    lanes = timeline.lanes[:MOST_LANES]
    figure = Figure(figsize=(11, 1.5 + 0.42 * max(len(lanes), 1)), dpi=160, layout="constrained")
    axes: Any = figure.subplots()
    length = timeline.end_seconds - timeline.start_seconds
    for number, lane in enumerate(lanes):
        step, most = length / len(lane.counts), max(lane.counts)
        for span, count in enumerate(lane.counts):
            if count:
                height = 0.25 + 0.55 * count / most
                left = timeline.start_seconds + span * step
                axes.bar(
                    left,
                    height,
                    width=step,
                    bottom=number - height / 2,
                    align="edge",
                    color=COLOURS[number % len(COLOURS)],
                )
    axes.set_yticks(range(len(lanes)), [f"{lane.label}  ({lane.total:,})" for lane in lanes])
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    axes.set_xlim(timeline.start_seconds, timeline.end_seconds)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds).removesuffix(".00")))
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    try:
        figure.savefig(path)
    except ValueError as error:
        raise ReelscanError(f"{path}: {error}", "Name a picture: timeline.png, .svg or .pdf") from error


def _height(count: int, most: int) -> str:
    return " " if not count else HEIGHTS[max(0, -(-count * len(HEIGHTS) // most) - 1)]


def _fitting(label: str) -> str:
    return f"{label[: LABEL_CELLS - 1]}…" if len(label) > LABEL_CELLS else label.rjust(LABEL_CELLS)


def _rule(spans: int) -> str:
    marks: list[str] = ["─"] * spans
    for tick in range(1, TICKS):
        marks[tick * spans // TICKS] = "┴"
    return "".join(marks)


def _ticks(timeline: Timeline, spans: int) -> str:
    cells = [" "] * (spans + LABEL_CELLS)
    length = timeline.end_seconds - timeline.start_seconds
    for tick in range(TICKS + 1):
        seconds = timeline.start_seconds + length * tick / TICKS
        text = f"{seconds:.1f} s" if timeline.end_seconds < SHORT_SECONDS else clock(seconds).split(".")[0]
        at = tick * spans // TICKS
        at = max(0, at - len(text) if tick == TICKS else at)
        cells[at : at + len(text)] = text
    return "".join(cells).rstrip()


def lanes_of(timeline: Timeline) -> Sequence[dict[str, Any]]:
    """The same as data."""
    return [
        {"label": lane.label, "detections": lane.total, "score_max": lane.score_max, "counts": list(lane.counts)}
        for lane in timeline.lanes
    ]
