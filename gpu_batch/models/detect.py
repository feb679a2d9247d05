"""From a frame to its rows: the one function that the pipeline and a plain loop over frames share.

The rows of a detector are what is where; those of a classifier are labels of the frame as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

import av
import numpy as np
import numpy.typing as npt

from chalicelib.domain.models import MAX_LABELS_PER_FRAME, InputSize, Manifest, ModelTask, input_size
from gpu_batch.meter import StageClock
from gpu_batch.models.inputs import ModelInput, prepare_input, size_in_bytes
from gpu_batch.models.loader import Model
from gpu_batch.models.planes import Device

InputKey = tuple[InputSize, Device | None]
"""The size that a frame is wanted at, and where it may be resized."""

BOX_STEPS_PER_PIXEL = 16
"""Boxes are counted in sixteenths of a pixel, everywhere."""
_BOX_STEP_BITS_BY_SIDE = ((1280, 2), (2560, 3), (5120, 4))
"""… and rounded to steps of 2 ** bits of these while the longer side of the frame as shown has at most so many pixels:
1/4, 1/2 and 1 pixel. So a side is off by less than a tenth of a pixel of an input that is 416 pixels long
(docs/decisions/0010)."""
_MOST_BOX_STEP_BITS = 5
"""Of all larger frames: 2 pixels."""
SCORE_STEPS = 10_000
"""Scores are counted in ten-thousandths."""
SCORE_STEP = 10
"""… and rounded to whole thousandths."""


@dataclass(frozen=True, slots=True)
class PreparedFrame:
    """A decoded frame as models take it: once for each size that some of them asks for."""

    shown: tuple[int, int]
    """Width and height as shown."""
    inputs: Mapping[InputKey, ModelInput]

    @property
    def size_bytes(self) -> int:
        """What it holds, in whatever memory."""
        return sum(map(size_in_bytes, self.inputs.values()))


@dataclass(frozen=True, slots=True)
class Rows:
    """What a model says of one frame, by score descending, then label, then box: always in this order."""

    labels: npt.NDArray[np.uint16]
    """(n,) index into the manifest's labels."""
    scores: npt.NDArray[np.uint16]
    """(n,) ten-thousandths, whole multiples of `SCORE_STEP`."""
    boxes: npt.NDArray[np.int32]
    """(n, 4) xyxy in sixteenths of a pixel of the frame as shown, origin top left, inside the frame; of a classifier
    all of the frame."""
    overflow: bool
    """A detector filled every row it has: there may have been more. A classifier had more labels above its floor."""


def detect(model: Model, frame: av.VideoFrame, rotation: int) -> Rows:
    """Run `model` on one decoded frame, shown `rotation` degrees clockwise (0, 90, 180 or 270).

    A pure function of its arguments: the same frame gives the same rows in any thread and any order of frames.
    """
    return detect_frames([model], [frame], rotation)[0][0]


def detect_frames(models: Sequence[Model], frames: Sequence[av.VideoFrame], rotation: int) -> list[tuple[Rows, ...]]:
    """The rows of each frame, by model."""
    return detect_prepared(models, [prepare_frame(models, frame, rotation) for frame in frames])


def prepare_frame(models: Sequence[Model], frame: av.VideoFrame, rotation: int) -> PreparedFrame:
    """Bring a frame once to each size that some model asks for."""
    shown = _shown_size(frame, rotation)
    inputs: dict[InputKey, ModelInput] = {}
    for model in models:
        key = size, in_place_on = input_size(model.manifest, *shown), model.in_place_on
        if key not in inputs:
            inputs[key] = prepare_input(frame, rotation, size, in_place_on)
    return PreparedFrame(shown, inputs)


def detect_prepared(
    models: Sequence[Model], frames: Sequence[PreparedFrame], clock: StageClock | None = None
) -> list[tuple[Rows, ...]]:
    """The rows of each frame, by model. `clock` is told what each of them took."""
    rows_by_model = [_run(model, frames, clock or StageClock()) for model in models]
    return [tuple(rows[index] for rows in rows_by_model) for index in range(len(frames))]


def _shown_size(frame: av.VideoFrame, rotation: int) -> tuple[int, int]:
    return (frame.height, frame.width) if rotation in (90, 270) else (frame.width, frame.height)


def _run(model: Model, frames: Sequence[PreparedFrame], clock: StageClock) -> list[Rows]:
    """The rows of each frame."""
    sizes = [input_size(model.manifest, *frame.shown) for frame in frames]
    rows: list[Rows] = []
    # A video may change its size on the way; what runs together has one.
    for size, group in groupby(range(len(frames)), key=lambda index: sizes[index]):
        members = list(group)
        for first in range(0, len(members), model.batch_size):
            batch = members[first : first + model.batch_size]
            outputs = model.run([frames[index].inputs[size, model.in_place_on] for index in batch])
            rows += [
                _rows_of(model.manifest, [output[at] for output in outputs], size, frames[index].shown)
                for at, index in enumerate(batch)
            ]
        clock.inferred(model.digest, size.input_w * size.input_h, len(members))
    return rows


def _rows_of(manifest: Manifest, outputs: Sequence[npt.NDArray[Any]], size: InputSize, shown: tuple[int, int]) -> Rows:
    """Rows of one frame from the outputs of a model for it."""
    if manifest.task is ModelTask.CLASSIFICATION:
        (scores,) = outputs
        return to_frame_labels(scores, manifest.score_floor, *shown)
    boxes, scores, labels = outputs
    return to_rows(boxes, scores, labels, size, *shown)


def to_rows(
    boxes: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    size: InputSize,
    shown_w: int,
    shown_h: int,
) -> Rows:
    """Rows of one frame from a model's outputs: boxes (K, 4) xyxy in input pixels, scores (K,), labels (K,).

    Boxes are clipped to the frame and rounded to `box_step`; what has no area left is dropped.
    """
    # Called between two runs of a model, which leave no cache warm: every call of numpy saved here is felt.
    hits = (scores > 0).nonzero()[0]
    count = len(hits)
    kept: slice | npt.NDArray[np.int64] = slice(count) if not count or hits[-1] == count - 1 else hits
    scale, limit, step_bits = _rounding(size, shown_w, shown_h)
    steps = boxes[kept] * scale
    np.rint(steps, out=steps)
    np.maximum(steps, 0, out=steps)
    np.minimum(steps, limit, out=steps)
    box_steps = steps.astype(np.int32)
    box_steps <<= step_bits
    score_steps = _to_score_steps(scores[kept])
    kept_labels = labels[kept].astype(np.uint16)
    overflow = count == len(scores)

    has_area = (box_steps[:, 2:] > box_steps[:, :2]).all(axis=1)
    if has_area.all() and (score_steps[1:] < score_steps[:-1]).all():
        # In order as they come from the model: nothing is left to sort.
        return Rows(kept_labels, score_steps, box_steps, overflow)
    x1, y1, x2, y2 = box_steps.T
    # The last key counts first. Scores are unsigned, so they are turned around by subtraction, not by sign.
    order = np.lexsort((y2, x2, y1, x1, kept_labels, SCORE_STEPS - score_steps.astype(np.int32)))
    order = order[has_area[order]]
    return Rows(kept_labels[order], score_steps[order], box_steps[order], overflow)


def to_frame_labels(scores: npt.NDArray[np.float32], score_floor: float, shown_w: int, shown_h: int) -> Rows:
    """Rows of one frame from the scores of a classifier, (C,): the labels above the floor, the best ones first.

    At most `MAX_LABELS_PER_FRAME`; their box is the frame as shown.
    """
    above = (scores > score_floor).nonzero()[0]
    score_steps = _to_score_steps(np.minimum(scores[above], 1))
    best = np.lexsort((above, SCORE_STEPS - score_steps.astype(np.int32)))[:MAX_LABELS_PER_FRAME]
    # A floor may be so low that what is above it still rounds to nothing.
    best = best[score_steps[best] > 0]
    frame = np.array([[0, 0, shown_w, shown_h]], np.int32) * BOX_STEPS_PER_PIXEL
    boxes = np.repeat(frame, len(best), axis=0)
    return Rows(above[best].astype(np.uint16), score_steps[best], boxes, len(above) > MAX_LABELS_PER_FRAME)


def _to_score_steps(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Ten-thousandths, rounded to whole `SCORE_STEP`."""
    score_steps = np.rint(scores.astype(np.float64) * (SCORE_STEPS / SCORE_STEP)).astype(np.uint16)
    score_steps *= SCORE_STEP
    return score_steps


def box_step(shown_w: int, shown_h: int) -> int:
    """What sides of boxes are whole multiples of, in sixteenths of a pixel, in frames that are shown at this size."""
    return 1 << _box_step_bits(shown_w, shown_h)


def _box_step_bits(shown_w: int, shown_h: int) -> int:
    longer = max(shown_w, shown_h)
    return next((bits for side, bits in _BOX_STEP_BITS_BY_SIDE if longer <= side), _MOST_BOX_STEP_BITS)


class _Rounding(NamedTuple):
    """From pixels of a model's input to what boxes are rounded to."""

    scale: npt.NDArray[np.float64]
    """(4,) steps to a pixel of the input."""
    limit: npt.NDArray[np.float64]
    """(4,) the last whole steps inside the frame as shown: its right and lower edge, or up to a pixel before them."""
    step_bits: int
    """A step is 2 ** step_bits sixteenths of a pixel."""


@lru_cache(maxsize=64)
def _rounding(size: InputSize, shown_w: int, shown_h: int) -> _Rounding:
    step_bits = _box_step_bits(shown_w, shown_h)
    scale = np.array([shown_w / size.content_w, shown_h / size.content_h] * 2) * (BOX_STEPS_PER_PIXEL / 2**step_bits)
    edges = [side * BOX_STEPS_PER_PIXEL >> step_bits for side in (shown_w, shown_h)]
    return _Rounding(scale, np.array(edges * 2, np.float64), step_bits)
