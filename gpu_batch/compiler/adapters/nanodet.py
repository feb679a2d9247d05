"""NanoDet and NanoDet-Plus: one output [N, A, C + 4 * (reg_max + 1)], as `tools/export_onnx.py` writes it.

Of each cell: C labels, behind a sigmoid already, then how far the box reaches to the left, top, right and bottom, each
as logits of a distribution over 0..reg_max strides. NanoDet-Plus has strides 8, 16, 32, 64 and measures from a cell's
corner; NanoDet before it had 8, 16, 32 and measured from its centre. Which one it is shows in the number of cells, or
is said with `--strides` and `--cell-centre`. Boxes are clipped to the input before NMS. BGR, normalised as ImageNet is.

Source: RangiLyu/nanodet, `nanodet/model/head/nanodet_plus_head.py` (get_bboxes, get_single_level_center_priors) and
`gfl_head.py` (get_single_level_center_point).
"""

from __future__ import annotations

import numpy as np

from chalicelib.domain.models import ModelTask
from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.canonical import Suppression, keep_best
from gpu_batch.compiler.grid import count_cells, find_cell_reasons, make_cells
from gpu_batch.compiler.heads import (
    Adapter,
    Heads,
    activate,
    choose_columns,
    does_not_fit,
    names_of,
    sides_twice,
)
from gpu_batch.compiler.recipe import Activation, ChannelOrder, Pixels, Recipe

_PLUS_STRIDES, _OLD_STRIDES = (8, 16, 32, 64), (8, 16, 32)


def _find_reasons(heads: Heads, recipe: Recipe) -> list[str]:
    labels = len(recipe.columns)
    shape = heads.outputs[0].shape if len(heads.outputs) == 1 else ()
    columns = shape[2] if len(shape) == 3 else 0
    if _is_not_one_of_three(heads) or columns is None or columns - labels < 8 or (columns - labels) % 4:
        reason = (
            f"nanodet needs one output [N, cells, {labels} + 4 * (reg_max + 1)] ({labels} labels, four distances)"
            f" but the network has {names_of(heads)}"
        )
        return [reason]
    return find_cell_reasons(heads, heads.outputs[0], _strides(heads, recipe))


def _is_not_one_of_three(heads: Heads) -> bool:
    """Whether there is anything but one output of three dimensions."""
    return len(heads.outputs) != 1 or does_not_fit(heads.outputs[0], (None, None, None))


def _decode(builder: GraphBuilder, heads: Heads, recipe: Recipe) -> None:
    labels, columns = len(recipe.columns), heads.outputs[0].shape[2]
    assert columns is not None
    parts = builder.constant([labels, columns - labels], np.int64)
    raw_scores, distance_logits = builder.nodes("Split", heads.outputs[0].tensor, parts, outputs=2, axis=2)
    scores = choose_columns(builder, activate(builder, raw_scores, recipe.activation, axis=2), recipe, axis=2)
    boxes = _decode_boxes(builder, heads, recipe, distance_logits, steps=(columns - labels) // 4)
    suppression = Suppression(recipe.score_floor, recipe.nms_iou, recipe.max_detections)
    keep_best(builder, boxes, builder.node("Transpose", scores, perm=[0, 2, 1]), suppression)


def _decode_boxes(builder: GraphBuilder, heads: Heads, recipe: Recipe, distance_logits: str, steps: int) -> str:
    """Boxes float32 [N, A, 4] xyxy in input pixels from distance logits [N, A, 4 * steps]."""
    strides = _strides(heads, recipe)
    cell_centre = recipe.head.cell_centre
    if cell_centre is None:
        cell_centre = 0.0 if strides == _PLUS_STRIDES else 0.5
    sides = builder.node("Reshape", distance_logits, builder.constant([0, 0, 4, steps], np.int64))
    likely = builder.node("Softmax", sides, axis=-1)
    # In strides; the mean of each distribution.
    distances = builder.node("MatMul", likely, builder.constant(np.arange(steps), np.float32))
    cells, stride_of_cell = make_cells(builder, heads.frames, strides)
    origins = builder.node("Add", cells, builder.constant(cell_centre, np.float32))
    outward = builder.node("Mul", distances, builder.constant([-1, -1, 1, 1], np.float32))
    corners = builder.node("Add", builder.node("Concat", origins, origins, axis=1), outward)
    boxes = builder.node("Mul", corners, stride_of_cell)
    above_zero = builder.node("Max", boxes, builder.constant(0, np.float32))
    return builder.node("Min", above_zero, sides_twice(builder, heads.frames))


def _strides(heads: Heads, recipe: Recipe) -> tuple[int, ...]:
    if recipe.head.strides:
        return recipe.head.strides
    if heads.width and heads.height:
        old = count_cells(heads.width, heads.height, _OLD_STRIDES)
        return _OLD_STRIDES if heads.outputs[0].shape[1] == old else _PLUS_STRIDES
    return _PLUS_STRIDES


ADAPTER = Adapter(
    name="nanodet",
    task=ModelTask.DETECTION,
    pixels=Pixels(ChannelOrder.BGR, 1.0, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)),
    activation=Activation.NONE,
    activations=frozenset({Activation.NONE, Activation.SIGMOID}),
    head_options=frozenset({"strides", "cell_centre"}),
    suppresses=True,
    find_reasons=_find_reasons,
    decode=_decode,
    nms_iou=0.6,
)
