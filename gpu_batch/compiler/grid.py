"""The cells of the levels of a detector, one behind the other, row by row: made in the graph, for any input size."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.heads import Heads, RawOutput


def make_cells(builder: GraphBuilder, frames: str, strides: tuple[int, ...]) -> tuple[str, str]:
    """Column and row of every cell, float32 [A, 2], and the stride of its level, float32 [A, 1].

    A level of stride s has as many cells as it takes to cover the input, rounded up.
    """
    levels = [_make_level(builder, frames, stride) for stride in strides]
    cells = builder.node("Concat", *(cell for cell, _ in levels), axis=0)
    return cells, builder.node("Concat", *(stride for _, stride in levels), axis=0)


def count_cells(width: int, height: int, strides: tuple[int, ...]) -> int:
    """A, the cells of all levels together."""
    return sum(-(-width // stride) * -(-height // stride) for stride in strides)


def find_cell_reasons(heads: Heads, output: RawOutput, strides: tuple[int, ...]) -> list[str]:
    """Why the anchors of an output [N, A, ...] are not the cells of these strides."""
    if heads.width is None or heads.height is None or output.shape[1] is None:
        return []
    expected = count_cells(heads.width, heads.height, strides)
    if output.shape[1] == expected:
        return []
    reason = (
        f"output {output} must have {expected} cells for the strides {', '.join(map(str, strides))} and an input of"
        f" {heads.width} x {heads.height}; name the strides that it was made with (--strides)"
    )
    return [reason]


def _make_level(builder: GraphBuilder, frames: str, stride: int) -> tuple[str, str]:
    rows, columns = (_cover(builder, builder.node("Shape", frames, start=a, end=a + 1), stride) for a in (1, 2))
    count = builder.node("Mul", rows, columns)
    zero, one = builder.constant(0, np.int64), builder.constant(1, np.int64)
    indices = builder.node("Range", zero, builder.node("Squeeze", count), one)
    last = builder.constant([1], np.int64)
    column = builder.node("Unsqueeze", builder.node("Mod", indices, columns), last)
    row = builder.node("Unsqueeze", builder.node("Div", indices, columns), last)
    cells = builder.node("Cast", builder.node("Concat", column, row, axis=1), to=TensorProto.FLOAT)
    shape = builder.node("Concat", count, builder.constant([1], np.int64), axis=0)
    return cells, builder.node("Expand", builder.constant([[stride]], np.float32), shape)


def _cover(builder: GraphBuilder, side: str, stride: int) -> str:
    raised = builder.node("Add", side, builder.constant([stride - 1], np.int64))
    return builder.node("Div", raised, builder.constant([stride], np.int64))
