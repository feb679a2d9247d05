"""Made scenes with a known truth: boxes that move straight, and the detections that a model might make of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from gpu_batch.tracking import FrameRows, FrameTracks, TrackerParams, TrackFold, TrackSummary

MILLISECOND = Fraction(1, 1000)
PARAMS = TrackerParams(score_high=0.5)
WIDTH, HEIGHT = 1280, 720


@dataclass(frozen=True)
class Mover:
    """A box of constant speed that is seen except in `hidden`, half-open ranges of milliseconds."""

    x: float
    y: float
    speed_x: float = 0.0
    speed_y: float = 0.0
    width: float = 40.0
    height: float = 100.0
    label: int = 0
    score: float = 0.8
    from_ms: int = 0
    to_ms: int = 1 << 40
    hidden: tuple[tuple[int, int], ...] = ()
    faint: tuple[tuple[int, int], ...] = ()
    """When the score is only 0.4."""

    def box_at(self, ms: int) -> tuple[float, float, float, float]:
        x, y = self.x + self.speed_x * ms / 1000, self.y + self.speed_y * ms / 1000
        return x, y, x + self.width, y + self.height

    def is_seen_at(self, ms: int) -> bool:
        return self.from_ms <= ms < self.to_ms and not any(start <= ms < end for start, end in self.hidden)

    def score_at(self, ms: int) -> float:
        return 0.4 if any(start <= ms < end for start, end in self.faint) else self.score


def film(movers: Sequence[Mover], times_ms: Iterable[int], jitter: float = 0.0, seed: int = 0) -> list[FrameRows]:
    """One frame a time; rows in the order of `movers`, with boxes off by `jitter` pixels; the key is the time."""
    random = np.random.default_rng(seed)
    frames = []
    for ms in times_ms:
        seen = [mover for mover in movers if mover.is_seen_at(ms)]
        boxes = np.array([mover.box_at(ms) for mover in seen]).reshape(-1, 4)
        frames.append(
            FrameRows(
                pts=ms,
                ordinal=0,
                labels=np.array([mover.label for mover in seen], dtype=np.uint16),
                scores=np.array([mover.score_at(ms) for mover in seen]),
                boxes=boxes + random.normal(0, 1, boxes.shape) * jitter,
                key=ms,
            )
        )
    return frames


def noisy_scene(seed: int, frame_count: int) -> list[FrameRows]:
    """Crossing things of two labels, missed and faint rows, clutter, uneven frame times: anything may happen."""
    random = np.random.default_rng(seed)
    position, speed = random.uniform(0, 600, (6, 2)), random.normal(0, 120, (6, 2))
    frames = []
    pts = 0
    for index in range(frame_count):
        pts += int(random.choice([40, 40, 40, 80, 500]))
        is_seen = random.random(6) < 0.85
        corner = (position + speed * (pts / 1000))[is_seen] + random.normal(0, 2, (int(is_seen.sum()), 2))
        clutter = random.uniform(0, 600, (int(random.integers(0, 3)), 2))
        corners = np.concatenate([corner, clutter])
        count = len(corners)
        frames.append(
            FrameRows(
                pts=pts,
                ordinal=0,
                labels=np.concatenate([np.arange(6)[is_seen] % 2, random.integers(0, 2, len(clutter))]).astype(
                    np.uint16
                ),
                scores=random.uniform(0.05, 1.0, count),
                boxes=np.concatenate([corners, corners + random.uniform(30, 90, (count, 2))], axis=1),
                key=("frame", index),
            )
        )
    return frames


def new_fold(params: TrackerParams = PARAMS) -> TrackFold:
    return TrackFold(params, WIDTH, HEIGHT, MILLISECOND)


def track(frames: Iterable[FrameRows], params: TrackerParams = PARAMS) -> tuple[list[FrameTracks], list[TrackSummary]]:
    """All ids and all tracks of a scene, in one go."""
    fold = new_fold(params)
    settled = [done for frame in frames for done in fold.push(frame)]
    settled += fold.finish()
    return settled, fold.closed_tracks()


def id_lists(settled: Iterable[FrameTracks]) -> list[list[int]]:
    return [done.ids.tolist() for done in settled]
