"""Detections to be stored: an hour of five things at once that a noisy detector sees, and a real clip over and over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.paths import ROOT
from chalicelib.domain.models import InputSize
from gpu_batch.models.detect import Rows, to_rows

THINGS = 5
FRAMES_SEEN = 150
"""How long each thing of the synthetic scene is to be seen."""
LABELS = 80
CLIP = ROOT / "tests" / "tracking" / "bikes_detections.npz"
"""What nanodet-g finds in a real clip; see `tests/tracking/bikes.py`."""
GOLDEN_RATIO = 0.618
"""What zooms of the clip are spread by, so that no two runs of it are the same bytes, nor the same differences."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scene:
    """Frames of detections, as the pipeline leaves them."""

    name: str
    width: int
    height: int
    fps: int
    frames: list[Rows]

    @property
    def detections(self) -> int:
        """In all frames."""
        return sum(len(rows.scores) for rows in self.frames)


def synthetic_scene(seconds: int, width: int, height: int, fps: int = 30) -> Scene:
    """Things that move steadily for five seconds each.

    Sigma of a centre is 1/1000 of the frame, of a side 1 %, of a score 0.03.
    """
    chance = np.random.default_rng(1)
    count = seconds * fps
    seen = -(-count // FRAMES_SEEN)
    since = np.arange(count) % FRAMES_SEEN
    thing = np.arange(count) // FRAMES_SEEN
    frequency = np.r_[0.5, 0.2, 0.1, np.full(LABELS - 3, 0.2 / (LABELS - 3))]
    boxes = np.empty((count, THINGS, 4))
    scores, labels = np.empty((count, THINGS)), np.empty((count, THINGS), np.int64)
    for slot in range(THINGS):
        start, speed = chance.uniform(0.1, 0.9, (seen, 2)), chance.normal(0, 0.001, (seen, 2))
        size = np.stack([chance.uniform(0.03, 0.2, seen), chance.uniform(0.05, 0.4, seen)], 1)
        centre = np.clip(start[thing] + speed[thing] * since[:, None] + chance.normal(0, 0.001, (count, 2)), 0, 1)
        half = size[thing] * (1 + chance.normal(0, 0.01, (count, 2))) / 2
        boxes[:, slot] = np.concatenate([centre - half, centre + half], 1) * [width, height, width, height]
        scores[:, slot] = np.clip(chance.uniform(0.4, 0.95, seen)[thing] + chance.normal(0, 0.03, count), 0.01, 1)
        labels[:, slot] = chance.choice(LABELS, seen, p=frequency)[thing]
    order = np.argsort(-scores, axis=1)
    frames = [
        _to_rows(boxes[at][order[at]], scores[at][order[at]], labels[at][order[at]], width, height)
        for at in range(count)
    ]
    return Scene(f"synthetic, {height}p", width, height, fps, frames)


def real_scene(seconds: int, fps: int = 25) -> Scene:
    """The clip, again and again, each time at another size and with other scores."""
    with np.load(CLIP) as stored:
        column = dict(stored)
    width, height = column["frame_size"].tolist()
    ends = np.cumsum(column["rows"].astype(np.int64))
    clip = [
        (
            column["boxes"][end - rows : end] / 8,
            column["scores"][end - rows : end] / 65535,
            column["labels"][end - rows : end].astype(np.int64),
        )
        for end, rows in zip(ends, column["rows"], strict=True)
    ]
    return Scene("street, nanodet-g", width, height, fps, list(_again(clip, seconds * fps, width, height)))


def _again(
    clip: list[tuple[Floats, Floats, npt.NDArray[np.int64]]], count: int, width: int, height: int
) -> Iterator[Rows]:
    for at in range(count):
        boxes, scores, labels = clip[at % len(clip)]
        share = at // len(clip) * GOLDEN_RATIO % 1
        yield _to_rows(boxes * (0.75 + share / 4), scores ** (0.9 + share / 5), labels, width, height)


def _to_rows(boxes: Floats, scores: Floats, labels: npt.NDArray[np.int64], width: int, height: int) -> Rows:
    size = InputSize(width, height, width, height)
    return to_rows(boxes.astype(np.float32), scores.astype(np.float32), labels, size, width, height)
