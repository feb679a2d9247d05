"""YOLOv8, YOLO11 and their like: one output [N, 4 + C, A], as ultralytics exports them with `nms=False`.

Of each anchor: centre x, centre y, width, height in pixels of the input, then C labels behind a sigmoid already; there
is no objectness. The network takes RGB of 0..1. Exports with `nms=True`, and networks that need no NMS (YOLOv10,
YOLO26), have [N, rows, 6] instead: those are not this layout.

Each label above the floor makes a row; `predict` of ultralytics keeps only the best of each anchor.

Source: ultralytics, `ultralytics/nn/modules/head.py` (class Detect, `_inference`).
"""

from __future__ import annotations

import numpy as np

from chalicelib.domain.models import ModelTask
from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.canonical import Suppression, keep_best
from gpu_batch.compiler.heads import Adapter, Heads, activate, choose_columns, does_not_fit, names_of, to_corners
from gpu_batch.compiler.recipe import Activation, ChannelOrder, Pixels, Recipe


def _find_reasons(heads: Heads, recipe: Recipe) -> list[str]:
    columns = 4 + len(recipe.columns)
    if len(heads.outputs) == 1 and not does_not_fit(heads.outputs[0], (None, columns, None)):
        return []
    reason = (
        f"yolov8 needs one output [N, {columns}, anchors] (4 of the box, {len(recipe.columns)} labels)"
        f" but the network has {names_of(heads)}"
    )
    if len(heads.outputs) == 1 and not does_not_fit(heads.outputs[0], (None, None, 6)):
        reason += "; rows of 6 come from an export with NMS inside: export it with nms=False"
    return [reason]


def _decode(builder: GraphBuilder, heads: Heads, recipe: Recipe) -> None:
    parts = builder.constant([4, len(recipe.columns)], np.int64)
    boxes, labels = builder.nodes("Split", heads.outputs[0].tensor, parts, outputs=2, axis=1)
    centres, sizes = builder.split_evenly(builder.node("Transpose", boxes, perm=[0, 2, 1]), parts=2, axis=2)
    scores = choose_columns(builder, activate(builder, labels, recipe.activation, axis=1), recipe, axis=1)
    suppression = Suppression(recipe.score_floor, recipe.nms_iou, recipe.max_detections)
    keep_best(builder, to_corners(builder, centres, sizes), scores, suppression)


ADAPTER = Adapter(
    name="yolov8",
    task=ModelTask.DETECTION,
    pixels=Pixels(ChannelOrder.RGB, 1 / 255, (0.0,) * 3, (1.0,) * 3),
    activation=Activation.NONE,
    activations=frozenset({Activation.NONE, Activation.SIGMOID}),
    head_options=frozenset(),
    suppresses=True,
    find_reasons=_find_reasons,
    decode=_decode,
    nms_iou=0.7,
)
