"""The raw outputs of a network, and what an adapter is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chalicelib.domain.models import ModelTask
from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.recipe import Activation, Pixels, Recipe

Shape = tuple[int | None, ...]
"""None where a dimension is not known."""


@dataclass(frozen=True, slots=True)
class RawOutput:
    """One output of the network."""

    tensor: str
    """Its name in the graph that is built."""
    label: str
    """Its name as the network's author gave it, for messages."""
    shape: Shape
    """As it came out of a run with one frame, or as the file says where the network could not be run."""

    def __str__(self) -> str:
        dimensions = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.label} [{dimensions}]"


@dataclass(frozen=True, slots=True)
class Heads:
    """What an adapter decodes."""

    outputs: tuple[RawOutput, ...]
    frames: str
    """The canonical input, uint8 [N, H, W, 3] (clips: [N, T, H, W, 3])."""
    width: int | None
    """Pixels of the run that the shapes of the outputs are from."""
    height: int | None


@dataclass(frozen=True, slots=True)
class Adapter:
    """How the export of one family of networks becomes canonical."""

    name: str
    task: ModelTask
    pixels: Pixels
    activation: Activation
    activations: frozenset[Activation]
    """The ones that make sense."""
    head_options: frozenset[str]
    """The fields of `HeadOptions` that it reads."""
    suppresses: bool
    """Whether it needs NMS."""
    find_reasons: Callable[[Heads, Recipe], list[str]]
    """Why these heads are not what the adapter decodes; empty if they are."""
    decode: Callable[[GraphBuilder, Heads, Recipe], None]
    """Add the canonical outputs to the graph; only for heads without reasons."""
    score_floor: float = 0.1
    score_default: float = 0.4
    nms_iou: float = 0.5


def activate(builder: GraphBuilder, tensor: str, activation: Activation, *, axis: int) -> str:
    """Scores of 0..1."""
    match activation:
        case Activation.SIGMOID:
            return builder.node("Sigmoid", tensor)
        case Activation.SOFTMAX:
            return builder.node("Softmax", tensor, axis=axis)
        case Activation.NONE:
            return tensor


def choose_columns(
    builder: GraphBuilder, scores: str, recipe: Recipe, *, axis: int, first: int = 0, after: int = 0
) -> str:
    """The columns that have a label; `first` and `after` tell how many columns of no label lie around them."""
    chosen = [first + index for index, label in enumerate(recipe.columns) if label is not None]
    if chosen == list(range(first + len(recipe.columns) + after)):
        return scores
    return builder.node("Gather", scores, builder.constant(chosen, np.int64), axis=axis)


def to_corners(builder: GraphBuilder, centres: str, sizes: str) -> str:
    """Boxes xyxy from centres and sizes, [N, A, 2] each."""
    half_sizes = builder.node("Mul", sizes, builder.constant(0.5, np.float32))
    corners = builder.node("Sub", centres, half_sizes), builder.node("Add", centres, half_sizes)
    return builder.node("Concat", *corners, axis=2)


def to_pixels(builder: GraphBuilder, boxes: str, frames: str) -> str:
    """Boxes xyxy in pixels of the input from parts of its sides."""
    return builder.node("Mul", boxes, sides_twice(builder, frames))


def sides_twice(builder: GraphBuilder, frames: str) -> str:
    """Width, height, width, height of the input, float32 [4]."""
    height = builder.node("Shape", frames, start=1, end=2)
    width = builder.node("Shape", frames, start=2, end=3)
    sides = builder.node("Concat", width, height, width, height, axis=0)
    return builder.node("Cast", sides, to=1)


def does_not_fit(output: RawOutput, expected: tuple[int | None, ...]) -> bool:
    """Whether the shape contradicts what is expected; None stands for any size, and unknown sizes fit all."""
    if len(output.shape) != len(expected):
        return True
    pairs = zip(output.shape, expected, strict=True)
    return any(side is not None and wanted is not None and side != wanted for side, wanted in pairs)


def find_boxes_and_scores(heads: Heads) -> tuple[RawOutput, RawOutput] | None:
    """The output of boxes [N, A, 4] and that of scores [N, A, C]; None if there are no such two.

    Where both end in 4, the one that is called boxes, or bbox, or locations has the boxes.
    """
    boxes = [output for output in heads.outputs if len(output.shape) == 3 and output.shape[2] in (4, None)]
    if len(boxes) > 1:
        boxes = [output for output in boxes if any(word in output.label.lower() for word in ("box", "loc"))]
    if len(heads.outputs) != 2 or len(boxes) != 1:
        return None
    scores = next(output for output in heads.outputs if output is not boxes[0])
    return (boxes[0], scores) if len(scores.shape) == 3 else None


def names_of(heads: Heads) -> str:
    """The outputs, for messages."""
    return ", ".join(map(str, heads.outputs)) or "none"
