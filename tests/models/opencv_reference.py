"""A second opinion: a plain loop with OpenCV's preprocessing and numpy's decoding, sharing no code with the worker.

It reads the raw heads out of a shipped model, by making them outputs, and decodes them as the papers say: so it
stands for what a user would write around the raw network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from gpu_batch.compiler.accuracy import Found

Floats = npt.NDArray[np.float32]


def session_with_inner_outputs(model: Path, tensors: list[str]) -> onnxruntime.InferenceSession:
    """The model with some inner tensors as additional outputs, on one thread."""
    graph_model = onnx.load(model)
    for tensor in tensors:
        graph_model.graph.output.append(onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph_model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def nodes_of(model: Path, op_type: str) -> list[onnx.NodeProto]:
    """The nodes of one kind, in the order of the file."""
    return [node for node in onnx.load(model).graph.node if node.op_type == op_type]


class NanodetReference:
    """NanoDet's raw heads, decoded by numpy."""

    def __init__(self, model: Path) -> None:
        # The heads of strides 8, 16 and 32, flattened to [N, 80 + 44, cells] and put together, are split in two.
        self._heads = next(node.input[0] for node in nodes_of(model, "Split") if len(node.output) == 2)
        self._session = session_with_inner_outputs(model, [self._heads])

    def detect(self, rgb: npt.NDArray[np.uint8], score_floor: float, nms_iou: float) -> Found:
        """Detections of one full-size picture (H, W, 3), in its own pixels."""
        height, width = rgb.shape[:2]
        content_height = int(np.floor(416 * height / width + 0.5))
        image = np.zeros((-(-content_height // 32) * 32, 416, 3), np.uint8)
        image[:content_height] = cv2.resize(rgb, (416, content_height), interpolation=cv2.INTER_LINEAR)
        found = self.decode(image[np.newaxis], score_floor, nms_iou)[0]
        scale = np.array([width / 416, height / content_height] * 2, np.float32)
        return Found(found.boxes * scale, found.scores, found.labels)

    def decode(self, frames: npt.NDArray[np.uint8], score_floor: float, nms_iou: float) -> list[Found]:
        """Detections of frames (N, H, W, 3) that have the size of the model's input already."""
        (heads,) = self._session.run([self._heads], {"frames": frames})
        height, width = frames.shape[1:3]
        return [_nanodet_boxes(frame_heads.T, height, width, score_floor, nms_iou) for frame_heads in heads]


def _nanodet_boxes(heads: Floats, height: int, width: int, score_floor: float, nms_iou: float) -> Found:
    centres, strides = [], []
    for stride in (8, 16, 32):
        for row in range(height // stride):
            for column in range(width // stride):
                centres.append(((column + 0.5) * stride, (row + 0.5) * stride))
                strides.append(stride)
    scores = 1 / (1 + np.exp(-heads[:, :80].astype(np.float64)))
    powers = np.exp(heads[:, 80:].astype(np.float64).reshape(-1, 4, 11))
    reach = (powers / powers.sum(axis=2, keepdims=True) * np.arange(11)).sum(axis=2) * np.array(strides)[:, np.newaxis]
    boxes = np.concatenate([np.array(centres) - reach[:, :2], np.array(centres) + reach[:, 2:]], axis=1)
    return suppress(boxes, scores, score_floor, nms_iou)


def suppress(boxes: Any, scores: Any, score_floor: float, nms_iou: float) -> Found:
    """Greedy NMS for each label: boxes (A, 4), scores (A, C)."""
    rows = []
    for label in range(scores.shape[1]):
        left = [
            anchor for anchor in np.argsort(-scores[:, label], kind="stable") if scores[anchor, label] > score_floor
        ]
        while left:
            best, *others = left
            rows.append((scores[best, label], label, best))
            left = [other for other in others if iou(boxes[best], boxes[other]) <= nms_iou]
    rows.sort(key=lambda row: -row[0])
    anchors = [anchor for _, _, anchor in rows]
    return Found(
        boxes=boxes[anchors].astype(np.float32).reshape(-1, 4),
        scores=np.array([score for score, _, _ in rows], np.float32),
        labels=np.array([label for _, label, _ in rows], np.int64),
    )


def iou(a: Any, b: Any) -> float:
    """Overlap of two boxes xyxy: intersection over union."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return float(shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared))


def shown_rgb(frame: av.VideoFrame, rotation: int) -> npt.NDArray[np.uint8]:
    """The frame as a player shows it, at full size, uint8 (H, W, 3) RGB."""
    # rot90 turns counter-clockwise.
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), -rotation // 90))
