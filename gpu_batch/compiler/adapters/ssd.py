"""SSD: boxes [N, A, 4] and scores [N, A, C] or [N, A, C + 1], in any order, before NMS.

Without `--anchors`, boxes are finished, as parts of the input's sides (0..1): x1, y1, x2, y2, or as `--box-form` says.
With `--anchors FILE.npy` (float32 [A, 4]: cx, cy, w, h in 0..1) they are codes: cx = anchor cx + dx * v0 * anchor w,
w = anchor w * exp(dw * v1), where `--variances v0,v1` are 0.1, 0.2 if not said.

Scores are behind a softmax already, or `--activation` says what is missing. Where there is one column more than labels,
the first is the background. RGB, (level - 127) / 128.

Source: qfgaohao/pytorch-ssd, `vision/ssd/ssd.py` and `vision/utils/box_utils.py` (convert_locations_to_boxes), whose
`convert_to_caffe2_models.py` exports finished boxes.
"""

from __future__ import annotations

import numpy as np

from chalicelib.domain.models import ModelTask
from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.canonical import Suppression, keep_best
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
from gpu_batch.compiler.recipe import Activation, BoxForm, ChannelOrder, Pixels, Recipe

_VARIANCES = (0.1, 0.2)


def _find_reasons(heads: Heads, recipe: Recipe) -> list[str]:
    labels = len(recipe.columns)
    found = find_boxes_and_scores(heads)
    if found is None:
        reason = (
            f"ssd needs two outputs, [N, A, 4] and [N, A, {labels}] or, with a background first, [N, A, {labels + 1}],"
            f" but the network has {names_of(heads)}"
        )
        return [reason]
    boxes, scores = found
    reasons = []
    if scores.shape[2] not in (labels, labels + 1, None) or does_not_fit(scores, (None, boxes.shape[1], None)):
        reasons.append(
            f"ssd needs scores [N, A, {labels}] or, with a background first, [N, A, {labels + 1}] beside {boxes}"
            f" but the network has {scores}"
        )
    anchors = recipe.head.anchors
    if anchors is not None and boxes.shape[1] not in (len(anchors), None):
        reasons.append(f"--anchors must have as many rows as {boxes} has boxes but has {len(anchors)}")
    if anchors is not None and recipe.head.box_form is not None:
        reasons.append("--box-form is for finished boxes: leave it out with --anchors")
    if anchors is None and recipe.head.variances is not None:
        reasons.append("--variances are for codes: name the --anchors too")
    return reasons


def _decode(builder: GraphBuilder, heads: Heads, recipe: Recipe) -> None:
    found = find_boxes_and_scores(heads)
    assert found is not None
    raw_boxes, raw_scores = found
    boxes = to_pixels(builder, _finish_boxes(builder, raw_boxes.tensor, recipe), heads.frames)
    scores = activate(builder, raw_scores.tensor, recipe.activation, axis=2)
    background = 1 if raw_scores.shape[2] == len(recipe.columns) + 1 else 0
    scores = choose_columns(builder, scores, recipe, axis=2, first=background)
    suppression = Suppression(recipe.score_floor, recipe.nms_iou, recipe.max_detections)
    keep_best(builder, boxes, builder.node("Transpose", scores, perm=[0, 2, 1]), suppression)


def _finish_boxes(builder: GraphBuilder, boxes: str, recipe: Recipe) -> str:
    """Boxes xyxy in 0..1."""
    if recipe.head.anchors is not None:
        return _from_codes(builder, boxes, recipe)
    match recipe.head.box_form:
        case BoxForm.CXCYWH:
            return to_corners(builder, *builder.split_evenly(boxes, parts=2, axis=2))
        case BoxForm.YXYX:
            return builder.node("Gather", boxes, builder.constant([1, 0, 3, 2], np.int64), axis=2)
        case _:
            return boxes


def _from_codes(builder: GraphBuilder, codes: str, recipe: Recipe) -> str:
    anchors = recipe.head.anchors
    assert anchors is not None
    centre_variance, size_variance = recipe.head.variances or _VARIANCES
    shifts, growths = builder.split_evenly(codes, parts=2, axis=2)
    moved = builder.node("Mul", shifts, builder.constant(anchors[:, 2:] * centre_variance, np.float32))
    centres = builder.node("Add", moved, builder.constant(anchors[:, :2], np.float32))
    grown = builder.node("Exp", builder.node("Mul", growths, builder.constant(size_variance, np.float32)))
    return to_corners(builder, centres, builder.node("Mul", grown, builder.constant(anchors[:, 2:], np.float32)))


ADAPTER = Adapter(
    name="ssd",
    task=ModelTask.DETECTION,
    pixels=Pixels(ChannelOrder.RGB, 1.0, (127.0,) * 3, (128.0,) * 3),
    activation=Activation.NONE,
    activations=frozenset(Activation),
    head_options=frozenset({"box_form", "anchors", "variances"}),
    suppresses=True,
    find_reasons=_find_reasons,
    decode=_decode,
)
