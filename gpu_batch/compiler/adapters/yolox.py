"""YOLOX: one output [N, A, 5 + C], as `tools/export_onnx.py` writes it.

Of each cell (levels of stride 8, 16, 32; P6 models: 8, 16, 32, 64): x, y, w, h, objectness, C labels; the last two are
behind a sigmoid already, and the score of a label is their product. The exporter leaves boxes raw:
x = (raw x + column) * stride, w = exp(raw w) * stride. With its `--decode_in_inference` they are in pixels: say
`--decoded`. The network takes BGR levels of 0..255 as they are (models from before 0.1.1 were trained on normalised
RGB: say so with --scale, --mean, --std and --channel-order).

Each label above the floor makes a row; the demo of the authors keeps only the best of each cell.

Source: Megvii-BaseDetection/YOLOX, `yolox/models/yolo_head.py` (decode_outputs) and `yolox/utils/demo_utils.py`.
"""

from __future__ import annotations

import numpy as np

from chalicelib.domain.models import ModelTask
from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.canonical import Suppression, keep_best
from gpu_batch.compiler.grid import find_cell_reasons, make_cells
from gpu_batch.compiler.heads import Adapter, Heads, activate, choose_columns, does_not_fit, names_of, to_corners
from gpu_batch.compiler.recipe import Activation, ChannelOrder, Pixels, Recipe

_STRIDES = (8, 16, 32)


def _find_reasons(heads: Heads, recipe: Recipe) -> list[str]:
    columns = 5 + len(recipe.columns)
    if len(heads.outputs) != 1 or does_not_fit(heads.outputs[0], (None, None, columns)):
        reason = (
            f"yolox needs one output [N, cells, {columns}] (4 of the box, objectness, {len(recipe.columns)} labels)"
            f" but the network has {names_of(heads)}"
        )
        return [reason]
    return [] if recipe.head.decoded else find_cell_reasons(heads, heads.outputs[0], recipe.head.strides or _STRIDES)


def _decode(builder: GraphBuilder, heads: Heads, recipe: Recipe) -> None:
    parts = builder.constant([2, 2, 1, len(recipe.columns)], np.int64)
    centres, sizes, objectness, labels = builder.nodes("Split", heads.outputs[0].tensor, parts, outputs=4, axis=2)
    if not recipe.head.decoded:
        cells, strides = make_cells(builder, heads.frames, recipe.head.strides or _STRIDES)
        centres = builder.node("Mul", builder.node("Add", centres, cells), strides)
        sizes = builder.node("Mul", builder.node("Exp", sizes), strides)
    objectness, labels = (activate(builder, part, recipe.activation, axis=2) for part in (objectness, labels))
    scores = builder.node("Mul", choose_columns(builder, labels, recipe, axis=2), objectness)
    scores = builder.node("Transpose", scores, perm=[0, 2, 1])
    suppression = Suppression(recipe.score_floor, recipe.nms_iou, recipe.max_detections)
    keep_best(builder, to_corners(builder, centres, sizes), scores, suppression)


ADAPTER = Adapter(
    name="yolox",
    task=ModelTask.DETECTION,
    pixels=Pixels(ChannelOrder.BGR, 1.0, (0.0,) * 3, (1.0,) * 3),
    activation=Activation.NONE,
    activations=frozenset({Activation.NONE, Activation.SIGMOID}),
    head_options=frozenset({"decoded", "strides"}),
    suppresses=True,
    find_reasons=_find_reasons,
    decode=_decode,
    nms_iou=0.45,
)
