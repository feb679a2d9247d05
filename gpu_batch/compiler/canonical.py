"""The two ends that every canonical model has: pixels in; and rows, or scores, out.

The layout is that of `docs/models.md`: `frames` uint8 [N, H, W, 3] RGB; `boxes` f32 [N, K, 4] xyxy in input pixels,
`scores` f32 [N, K], `labels` i64 [N, K], by score descending, rows after the last hit all zero. For classifiers
`scores` f32 [N, C]; those of clips take `clips` uint8 [N, T, H, W, 3].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from gpu_batch.compiler.builder import GraphBuilder


@dataclass(frozen=True, slots=True)
class Suppression:
    """Which rows survive."""

    score_floor: float
    """Rows at or below this are dropped."""
    nms_iou: float
    """Of two rows of one label that overlap by more than this, the lower score is dropped."""
    max_detections: int
    """K: the rows per frame, and per label before the labels are put together."""


def frames_input(builder: GraphBuilder, height: int | str, width: int | str, batch: int | str = "N") -> str:
    """Declare the canonical input, `frames`."""
    return builder.input("frames", TensorProto.UINT8, [batch, height, width, 3])


def normalise(builder: GraphBuilder, frames: str, mean: tuple[float, ...], deviation: tuple[float, ...]) -> str:
    """Turn uint8 [N, H, W, 3] into float32 [N, 3, H, W]: (frames - mean) / deviation, three numbers each, RGB."""
    # Turned while it is still bytes: a quarter of the memory to move.
    planes = builder.node("Transpose", frames, perm=[0, 3, 1, 2])
    centred = builder.node(
        "Sub", builder.node("Cast", planes, to=TensorProto.FLOAT), builder.constant(_per_channel(mean), np.float32)
    )
    return builder.node("Mul", centred, builder.constant(1 / _per_channel(deviation), np.float32))


def keep_best(builder: GraphBuilder, boxes: str, scores: str, suppression: Suppression) -> None:
    """Add per-label NMS and the canonical outputs.

    `boxes`: float32 [N, A, 4] xyxy in input pixels. `scores`: float32 [N, C, A] in 0..1.
    """
    k = suppression.max_detections
    # xyxy passes for yxyx here: overlap is the same with the axes swapped.
    kept = builder.node(
        "NonMaxSuppression",
        boxes,
        scores,
        builder.constant([k], np.int64),
        builder.constant([suppression.nms_iou], np.float32),
        builder.constant([suppression.score_floor], np.float32),
    )
    frame_of, label_of, anchor_of = builder.split_evenly(kept, parts=3, axis=1)
    kept_scores = builder.node("GatherND", scores, kept)
    kept_boxes = builder.node("GatherND", boxes, builder.node("Concat", frame_of, anchor_of, axis=1))

    # K empty rows at the end: there is always enough to take the best K from, and nothing to pad afterwards.
    kept_scores = builder.node("Concat", kept_scores, builder.constant(np.zeros(k), np.float32), axis=0)
    kept_boxes = builder.node("Concat", kept_boxes, builder.constant(np.zeros((k, 4)), np.float32), axis=0)
    label_of = builder.node("Concat", label_of, builder.constant(np.zeros((k, 1)), np.int64), axis=0)
    frame_of = builder.node("Concat", frame_of, builder.constant(np.full((k, 1), -1), np.int64), axis=0)

    scores_by_frame = _own_scores(builder, frames="frames", frame_of=frame_of, scores=kept_scores)
    best_scores, best = builder.nodes("TopK", scores_by_frame, builder.constant([k], np.int64), outputs=2, axis=1)
    # A frame with fewer than K hits reaches into the rows of other frames, with score 0: blank those.
    is_hit = builder.node("Greater", best_scores, builder.constant(0, np.float32))
    is_hit_box = builder.node("Unsqueeze", is_hit, builder.constant([2], np.int64))
    best_boxes = builder.node(
        "Where", is_hit_box, builder.node("Gather", kept_boxes, best, axis=0), builder.constant(0, np.float32)
    )
    labels = builder.node("Squeeze", label_of, builder.constant([1], np.int64))
    best_labels = builder.node(
        "Where", is_hit, builder.node("Gather", labels, best, axis=0), builder.constant(0, np.int64)
    )
    _detection_outputs(builder, best_boxes, best_scores, best_labels, k)


def keep_highest(
    builder: GraphBuilder, boxes: str, scores: str, labels: str, *, score_floor: float, max_detections: int
) -> None:
    """Add the canonical outputs of a model that finds each thing once: no suppression, only floor and order.

    `boxes`: float32 [N, A, 4] xyxy in input pixels. `scores`: float32 [N, A] in 0..1. `labels`: int64 [N, A].
    """
    k = max_detections
    above = builder.node("Greater", scores, builder.constant(score_floor, np.float32))
    hits = builder.node("Where", above, scores, builder.constant(0, np.float32))
    # K empty candidates at the end: there is always enough to take the best K from.
    hits = builder.node("Pad", hits, builder.constant([0, 0, 0, k], np.int64))
    best_scores, best = builder.nodes("TopK", hits, builder.constant([k], np.int64), outputs=2, axis=1)
    is_hit = builder.node("Greater", best_scores, builder.constant(0, np.float32))
    padded_labels = builder.node("Pad", labels, builder.constant([0, 0, 0, k], np.int64))
    best_labels = builder.node("GatherElements", padded_labels, best, axis=1)
    best_labels = builder.node("Where", is_hit, best_labels, builder.constant(0, np.int64))
    padded_boxes = builder.node("Pad", boxes, builder.constant([0, 0, 0, 0, k, 0], np.int64))
    column = builder.node("Unsqueeze", best, builder.constant([2], np.int64))
    best_boxes = builder.node("GatherND", padded_boxes, column, batch_dims=1)
    is_hit_box = builder.node("Unsqueeze", is_hit, builder.constant([2], np.int64))
    best_boxes = builder.node("Where", is_hit_box, best_boxes, builder.constant(0, np.float32))
    _detection_outputs(builder, best_boxes, best_scores, best_labels, k)


def _detection_outputs(builder: GraphBuilder, boxes: str, scores: str, labels: str, k: int) -> None:
    builder.output(boxes, "boxes", TensorProto.FLOAT, ["N", k, 4])
    builder.output(scores, "scores", TensorProto.FLOAT, ["N", k])
    builder.output(labels, "labels", TensorProto.INT64, ["N", k])


def _own_scores(builder: GraphBuilder, frames: str, frame_of: str, scores: str) -> str:
    """Spread the kept rows [M] to [N, M]: a frame sees the scores of its own rows, and 0 for all others."""
    batch = builder.fixed_size(frames, axis=0)
    if batch is None:
        frame_count = builder.node("Squeeze", builder.node("Shape", frames, start=0, end=1))
        zero, one = builder.constant(0, np.int64), builder.constant(1, np.int64)
        frame_indices = builder.node("Range", zero, frame_count, one)
    else:
        frame_indices = builder.constant(np.arange(batch), np.int64)
    is_own = builder.node(
        "Equal",
        builder.node("Unsqueeze", frame_indices, builder.constant([1], np.int64)),
        builder.node("Transpose", frame_of, perm=[1, 0]),
    )
    return builder.node("Where", is_own, scores, builder.constant(0, np.float32))


def _per_channel(values: tuple[float, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(values, np.float32).reshape(1, 3, 1, 1)
