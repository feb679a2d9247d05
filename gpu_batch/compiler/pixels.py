"""From the canonical input, bytes, to the numbers that a network takes, in its layout."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.recipe import ChannelOrder, Pixels


def to_network(builder: GraphBuilder, frames: str, pixels: Pixels, layout: str) -> str:
    """Float32 in `layout`, a word of axes such as NCHW or NCTHW, from uint8 NHWC (with T: NTHWC)."""
    channel = layout.index("C")
    given = "NTHWC" if "T" in layout else "NHWC"
    # Turned while it is still bytes: a quarter of the memory to move.
    if layout != given:
        frames = builder.node("Transpose", frames, perm=[given.index(axis) for axis in layout])
    if pixels.channel_order is ChannelOrder.BGR:
        frames = builder.node("Gather", frames, builder.constant([2, 1, 0], np.int64), axis=channel)
    numbers = builder.node("Cast", frames, to=TensorProto.FLOAT)

    def per_channel(values: npt.NDArray[np.float64]) -> str:
        shape = [3 if axis == "C" else 1 for axis in layout]
        return builder.constant(values.reshape(shape), np.float32)

    # In float64 until they are stored, so that two roundings become one.
    levels_of_mean = np.asarray(pixels.mean, np.float64) / pixels.scale
    if levels_of_mean.any():
        numbers = builder.node("Sub", numbers, per_channel(levels_of_mean))
    factors = pixels.scale / np.asarray(pixels.deviation, np.float64)
    if (factors != 1).any():
        numbers = builder.node("Mul", numbers, per_channel(factors))
    return numbers
