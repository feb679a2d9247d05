"""What tracking costs a frame: `python -m tests.tracking.bench`. The budget: 1.5 ms, 1/20 of nanodet-g."""

from __future__ import annotations

import time
from collections.abc import Callable

from gpu_batch.tracking import FrameRows, TrackFold
from tests.tracking.bikes import read_bikes
from tests.tracking.scenes import Mover, film, new_fold

BUDGET_MS = 1.5


def main() -> None:
    """Print milliseconds a frame, the best of three runs each; fail when a usual scene is far over the budget."""
    frames, _ = read_bikes()
    print(f"bikes.mp4, rows from 0.2 on   {milliseconds_a_frame(frames, lambda: read_bikes()[1]):6.2f} ms a frame")
    for count in (5, 12, 50, 200):
        # Lanes that overlap: every box has rivals.
        movers = [Mover(20 + 97 * i % 1100, 31 * i % 600, speed_x=60 - 40 * (i % 4)) for i in range(count)]
        cost = milliseconds_a_frame(film(movers, range(0, 12_000, 40), jitter=2), new_fold)
        print(f"{count:3} things, made scene         {cost:6.2f} ms a frame")
        if count <= 12 and cost > 4 * BUDGET_MS:
            raise SystemExit(f"tracking must cost about {BUDGET_MS} ms a frame but took {cost:.2f}")


def milliseconds_a_frame(frames: list[FrameRows], make_fold: Callable[[], TrackFold]) -> float:
    costs = []
    for _ in range(3):
        fold = make_fold()
        started = time.perf_counter()
        for frame in frames:
            fold.push(frame)
        costs.append((time.perf_counter() - started) / len(frames) * 1000)
    return min(costs)


if __name__ == "__main__":
    main()
