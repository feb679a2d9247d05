"""What a user would write around a raw network: plain numpy, sharing no code with the compiler.

Each function takes the raw outputs of one frame and gives what goes into NMS, or rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gpu_batch.compiler.accuracy import Found

Array = npt.NDArray[Any]


def normalised(frames: Array, *, scale: float, mean: list[float], std: list[float], bgr: bool) -> Array:
    """NCHW float32 of frames (N, H, W, 3) RGB."""
    pixels = frames[..., ::-1] if bgr else frames
    values = (pixels.astype(np.float64) * scale - np.array(mean)) / np.array(std)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2).astype(np.float32))


def corners(centre_boxes: Array) -> Array:
    cx, cy, w, h = centre_boxes.T
    return np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], axis=1)


def cells(width: int, height: int, strides: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(column, row, stride) of every cell."""
    return [
        (column, row, stride)
        for stride in strides
        for row in range(-(-height // stride))
        for column in range(-(-width // stride))
    ]


def yolox(raw: Array, width: int, height: int, strides: tuple[int, ...], decoded: bool) -> tuple[Array, Array]:
    """Boxes (A, 4) and scores (A, C) of raw (A, 5 + C)."""
    raw = raw.astype(np.float64)
    boxes = raw[:, :4].copy()
    if not decoded:
        for index, (column, row, stride) in enumerate(cells(width, height, strides)):
            boxes[index, :2] = (raw[index, :2] + (column, row)) * stride
            boxes[index, 2:] = np.exp(raw[index, 2:4]) * stride
    return corners(boxes), raw[:, 4:5] * raw[:, 5:]


def yolov8(raw: Array) -> tuple[Array, Array]:
    """Boxes (A, 4) and scores (A, C) of raw (4 + C, A)."""
    return corners(raw[:4].T.astype(np.float64)), raw[4:].T.astype(np.float64)


def ssd(raw_boxes: Array, raw_scores: Array, width: int, height: int, anchors: Array | None) -> tuple[Array, Array]:
    """Boxes (A, 4) and scores (A, C) of boxes (A, 4) in 0..1, or codes of anchors, and scores with a background."""
    boxes = raw_boxes.astype(np.float64)
    if anchors is not None:
        centres = anchors[:, :2] + boxes[:, :2] * 0.1 * anchors[:, 2:]
        boxes = corners(np.concatenate([centres, anchors[:, 2:] * np.exp(boxes[:, 2:] * 0.2)], axis=1))
    return boxes * (width, height, width, height), raw_scores[:, 1:].astype(np.float64)


def nanodet(
    raw: Array, labels: int, width: int, height: int, strides: tuple[int, ...], cell_centre: float
) -> tuple[Array, Array]:
    """Boxes (A, 4) and scores (A, C) of raw (A, C + 4 * steps)."""
    raw = raw.astype(np.float64)
    powers = np.exp(raw[:, labels:].reshape(len(raw), 4, -1))
    reach = (powers / powers.sum(axis=2, keepdims=True)) @ np.arange(powers.shape[2])
    boxes = np.empty((len(raw), 4))
    for index, (column, row, stride) in enumerate(cells(width, height, strides)):
        x, y = (column + cell_centre) * stride, (row + cell_centre) * stride
        left, top, right, bottom = reach[index] * stride
        boxes[index] = (x - left, y - top, x + right, y + bottom)
    return boxes.clip(0, (width, height, width, height)), raw[:, :labels]


def detr(logits: Array, raw_boxes: Array, width: int, height: int, floor: float, softmax: bool) -> Found:
    """Rows of logits (Q, C + 1), or (Q, C) for sigmoid, and boxes (Q, 4)."""
    boxes = corners(raw_boxes.astype(np.float64)) * (width, height, width, height)
    logits = logits.astype(np.float64)
    rows = []
    for query in range(len(logits)):
        if softmax:
            powers = np.exp(logits[query])
            scores = (powers / powers.sum())[:-1]
            candidates = [int(scores.argmax())]
        else:
            scores = 1 / (1 + np.exp(-logits[query]))
            candidates = list(range(len(scores)))
        rows += [(float(scores[label]), label, query) for label in candidates if scores[label] > floor]
    rows.sort(key=lambda row: -row[0])
    return Found(
        boxes[[query for _, _, query in rows]].astype(np.float32).reshape(-1, 4),
        np.array([score for score, _, _ in rows], np.float32),
        np.array([label for _, label, _ in rows], np.int64),
    )
