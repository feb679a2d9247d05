"""Replays a job on any number of workers, from the seconds that its parts took on one.

A job is a probe, its segments, dealt to the workers as the planner deals them, and a finish. Each worker starts after
a delay of its own; probe and finish are processes too. Nothing else is modelled: no throttling, no retries, and reads
that take as long as they did where the times were measured.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Deal: TypeAlias = Callable[[int, int], Sequence[Sequence[int]]]
"""Which of so many workers takes which of so many segments; the number of segments comes first."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Seconds that the parts of a job take once their process is up."""

    probe: float
    segments: tuple[float, ...]
    finish: float


def spread(measured: Sequence[float], count: int, seed: int = 1) -> tuple[float, ...]:
    """`count` segment times drawn from the measured ones, always the same."""
    chance = random.Random(seed)
    return tuple(chance.choice(measured) for _ in range(count))


def seconds_of(parts: Parts, start_delays: Sequence[float], step_delay: float, deal: Deal) -> float:
    """From the start of the probe to the end of the finish, with a worker for each of `start_delays`.

    `step_delay` is the start of the probe's and of the finish's process.
    """
    shares = deal(len(parts.segments), len(start_delays))
    analysed = max(
        delay + sum(parts.segments[index] for index in share)
        # A worker without a segment is not started: there may be fewer shares than workers.
        for delay, share in zip(start_delays, shares, strict=False)
    )
    return step_delay + parts.probe + analysed + step_delay + parts.finish


def efficiency(seconds_on_one: float, seconds_on_many: float, workers: int) -> float:
    """What share of the workers' time one worker alone would have needed; 1 is a perfect division of labour."""
    return seconds_on_one / (workers * seconds_on_many)


def curve(
    parts: Parts, workers: Sequence[int], start: Callable[[int], Sequence[float]], step_delay: float, deal: Deal
) -> list[dict[str, float]]:
    """Seconds and efficiency for each number of workers; `start` gives the delays of so many workers."""
    on_one = seconds_of(parts, start(1), step_delay, deal)
    points = []
    for count in workers:
        seconds = seconds_of(parts, start(count), step_delay, deal)
        points.append({"workers": count, "seconds": seconds, "efficiency": efficiency(on_one, seconds, count)})
    return points
