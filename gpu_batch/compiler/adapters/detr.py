"""DETR and its descendants: logits [N, Q, C + 1] and boxes [N, Q, 4], in any order; each thing once, so no NMS.

Boxes are centre x, centre y, width, height as parts of the input's sides (0..1), behind a sigmoid already. With
`softmax` (DETR, YOLOS, Table Transformer) the last of the C + 1 columns means "no object", and each query makes at most
one row, of its best label. With `--activation sigmoid` (Deformable DETR, RT-DETR, DINO) there are C columns, and each
label above the floor makes a row. RGB, normalised as ImageNet is; RT-DETR takes plain 0..1: `--mean 0,0,0 --std 1,1,1`.

Source: facebookresearch/detr `models/detr.py` (PostProcess); huggingface/transformers
`DetrImageProcessor.post_process_object_detection`; lyuwenyu/RT-DETR `rtdetr_postprocessor.py`.
"""

from __future__ import annotations

import numpy as np

from chalicelib.domain.models import ModelTask
from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.canonical import keep_highest
from gpu_batch.compiler.heads import (
    Adapter,
    Heads,
    activate,
    choose_columns,
    does_not_fit,
    find_boxes_and_scores,
    names_of,
    to_corners,
    to_pixels,
)
from gpu_batch.compiler.recipe import Activation, ChannelOrder, Pixels, Recipe


def _find_reasons(heads: Heads, recipe: Recipe) -> list[str]:
    found = find_boxes_and_scores(heads)
    columns = len(recipe.columns) + _no_object_columns(recipe)
    if found is None:
        return [f"detr needs two outputs, [N, Q, {columns}] and [N, Q, 4], but the network has {names_of(heads)}"]
    boxes, logits = found
    if does_not_fit(logits, (None, boxes.shape[1], columns)):
        reason = (
            f"detr with {recipe.activation} needs an output [N, Q, {columns}] ({len(recipe.columns)} labels"
            f"{' and no-object' if _no_object_columns(recipe) else ''}) beside {boxes} but the network has {logits}"
        )
        return [reason]
    return []


def _decode(builder: GraphBuilder, heads: Heads, recipe: Recipe) -> None:
    found = find_boxes_and_scores(heads)
    assert found is not None
    raw_boxes, logits = found
    centres, sizes = builder.split_evenly(raw_boxes.tensor, parts=2, axis=2)
    boxes = to_pixels(builder, to_corners(builder, centres, sizes), heads.frames)
    scores = activate(builder, logits.tensor, recipe.activation, axis=2)
    scores = choose_columns(builder, scores, recipe, axis=2, after=_no_object_columns(recipe))
    rows = _best_of_each_query if recipe.activation is Activation.SOFTMAX else _every_label_of_each_query
    boxes, scores, labels = rows(builder, boxes, scores, len(recipe.labels))
    keep_highest(builder, boxes, scores, labels, score_floor=recipe.score_floor, max_detections=recipe.max_detections)


def _no_object_columns(recipe: Recipe) -> int:
    return 1 if recipe.activation is Activation.SOFTMAX else 0


def _best_of_each_query(builder: GraphBuilder, boxes: str, scores: str, label_count: int) -> tuple[str, str, str]:
    """Boxes [N, Q, 4], scores and labels [N, Q]."""
    del label_count
    best = builder.node("ArgMax", scores, axis=2, keepdims=1)
    last = builder.constant([2], np.int64)
    best_scores = builder.node("Squeeze", builder.node("GatherElements", scores, best, axis=2), last)
    return boxes, best_scores, builder.node("Squeeze", best, last)


def _every_label_of_each_query(
    builder: GraphBuilder, boxes: str, scores: str, label_count: int
) -> tuple[str, str, str]:
    """Boxes [N, Q * C, 4], scores and labels [N, Q * C]."""
    flat = builder.constant([0, -1], np.int64)
    labels = builder.constant(np.arange(label_count).reshape(1, 1, -1), np.int64)
    labels = builder.node("Reshape", builder.node("Expand", labels, builder.node("Shape", scores)), flat)
    # [N, Q, 1, 4] spread over the labels of its query.
    spread = builder.node("Unsqueeze", boxes, builder.constant([2], np.int64))
    spread = builder.node("Expand", spread, builder.constant([1, 1, label_count, 1], np.int64))
    boxes = builder.node("Reshape", spread, builder.constant([0, -1, 4], np.int64))
    return boxes, builder.node("Reshape", scores, flat), labels


ADAPTER = Adapter(
    name="detr",
    task=ModelTask.DETECTION,
    pixels=Pixels(ChannelOrder.RGB, 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    activation=Activation.SOFTMAX,
    activations=frozenset({Activation.SOFTMAX, Activation.SIGMOID}),
    head_options=frozenset(),
    suppresses=False,
    find_reasons=_find_reasons,
    decode=_decode,
    score_default=0.5,
)
