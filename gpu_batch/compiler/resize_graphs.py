"""Makes the graphs that bring a decoded frame to a model's input where its planes lie, in the memory of a GPU.

They do what `gpu_batch/models/preprocess.py` does, in its order and with OpenCV's roundings: samples to 8-bit levels
of limited range, each plane resized in fixed point, colours converted. What depends on a video or a model goes in as a
tensor, which `gpu_batch/models/resize.py` makes. So four graphs serve all: planes of bytes or of 16-bit words, frames
upright or turned by a quarter.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.models.resize import COLOUR_STEPS, GRAPH_KINDS, GraphKind

_ELEMENT_TYPE_BY_BYTES = {1: TensorProto.UINT8, 2: TensorProto.UINT16}


def write_resize_graphs(folder: Path) -> None:
    """Write all of them, the same bytes each time."""
    for kind in GRAPH_KINDS:
        (folder / kind.path.name).write_bytes(make_resize_graph(kind).SerializeToString(deterministic=True))


def make_resize_graph(kind: GraphKind) -> onnx.ModelProto:
    """The graph for planes of `kind`.

    Inputs, for an output of H x W in the frame's coded orientation: `luma` (plane height, samples of a line) and
    `chroma` (likewise, U and V in turns). For each of the two, `…_levels` int32 (values of a sample): the level that
    each stands for; `…_rows` int32 (2 H), `…_columns` int32 (2 W): the two samples that each row and column is made
    of, the first ones of all before the second ones; `…_row_weights` int32 (2 H, 1, 1), `…_column_weights` int32
    (2 W, 1): how much of either, in 2048ths. `rgb_from_yuv` float32 (3, 3), for row vectors, and `rgb_offset` float32
    (3), in 1024ths. `row_mask` float32 (H, 1, 1), `column_mask` float32 (W, 1): 0 where the input is black.

    Output: `pixels` uint8 (H, W, 3) RGB, or (W, H, 3) when the frame is shown sideways.
    """
    builder = GraphBuilder()
    element_type = _ELEMENT_TYPE_BY_BYTES[kind.sample_bytes]
    planes = [_resized(builder, name, element_type, channels) for name, channels in (("luma", 1), ("chroma", 2))]
    levels = builder.node("Cast", builder.node("Concat", *planes, axis=2), to=TensorProto.FLOAT)
    matrix = builder.input("rgb_from_yuv", TensorProto.FLOAT, [3, 3])
    offset = builder.input("rgb_offset", TensorProto.FLOAT, [3])
    sums = builder.node("Add", builder.node("MatMul", levels, matrix), offset)
    # Halves go up.
    steps = builder.node("Add", sums, builder.constant(COLOUR_STEPS / 2, np.float32))
    rgb = builder.node("Floor", builder.node("Mul", steps, builder.constant(1 / COLOUR_STEPS, np.float32)))
    rgb = builder.node("Clip", rgb, *(builder.constant(limit, np.float32) for limit in (0, 255)))
    rgb = builder.node("Mul", rgb, builder.input("row_mask", TensorProto.FLOAT, ["H", 1, 1]))
    rgb = builder.node("Mul", rgb, builder.input("column_mask", TensorProto.FLOAT, ["W", 1]))
    # Turned as bytes: a quarter of the memory to move.
    pixels = builder.node("Cast", rgb, to=TensorProto.UINT8)
    if kind.is_sideways:
        pixels = builder.node("Transpose", pixels, perm=[1, 0, 2])
    builder.output(pixels, "pixels", TensorProto.UINT8, ["W", "H", 3] if kind.is_sideways else ["H", "W", 3])
    return builder.model("resize")


def _resized(builder: GraphBuilder, name: str, element_type: int, channels: int) -> str:
    """A plane at the size of the content, int32 (H, W, channels)."""
    plane = builder.input(name, element_type, [f"{name}_height", f"{name}_samples"])
    samples = builder.node("Reshape", plane, builder.constant([0, -1, channels], np.int64))
    rows = builder.input(f"{name}_rows", TensorProto.INT32, ["2H"])
    columns = builder.input(f"{name}_columns", TensorProto.INT32, ["2W"])
    samples = builder.node("Gather", builder.node("Gather", samples, rows, axis=0), columns, axis=1)
    levels = builder.input(f"{name}_levels", TensorProto.INT32, ["values"])
    levels = builder.node("Gather", levels, builder.node("Cast", samples, to=TensorProto.INT32), axis=0)
    # Eleven bits of weight twice over make 22. OpenCV drops four of them after the first product, sixteen after the
    # second, and the last two from the sum.
    column_weights = builder.input(f"{name}_column_weights", TensorProto.INT32, ["2W", 1])
    lines = _divide(builder, builder.node("Add", *_weigh(builder, levels, column_weights, axis=1)), 1 << 4)
    row_weights = builder.input(f"{name}_row_weights", TensorProto.INT32, ["2H", 1, 1])
    parts = [_divide(builder, part, 1 << 16) for part in _weigh(builder, lines, row_weights, axis=0)]
    rounded = builder.node("Add", builder.node("Add", *parts), builder.constant(2, np.int32))
    return _divide(builder, rounded, 1 << 2)


def _weigh(builder: GraphBuilder, values: str, weights: str, *, axis: int) -> list[str]:
    """Either half of `values` along an axis, each by its weights."""
    halves = builder.split_evenly(values, parts=2, axis=axis)
    weights_of_halves = builder.split_evenly(weights, parts=2, axis=0)
    return [builder.node("Mul", half, weight) for half, weight in zip(halves, weights_of_halves, strict=True)]


def _divide(builder: GraphBuilder, values: str, divisor: int) -> str:
    """Whole numbers above 0, rounded down."""
    return builder.node("Div", values, builder.constant(divisor, np.int32))
