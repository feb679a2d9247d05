"""The shipped graphs against TensorFlow.js, numpy, and themselves at other batch sizes."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from chalicelib.domain.models import input_size
from gpu_batch.models.loader import Model
from gpu_batch.models.preprocess import preprocess
from tests.models.opencv_reference import nodes_of, session_with_inner_outputs, suppress
from tests.models.paths import DEFAULT_MODELS
from tests.models.pictures import colour_card

HEADS = np.load(Path(__file__).parent / "golden" / "heads.npz")
MODEL_NAMES = ["nanodet", "ssd"]
USED_COCO_NUMBERS = [n for n in range(1, 91) if n not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]


def candidates(model: Model, frames: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What goes into NMS: boxes [N, A, 4] and scores [N, C, A]."""
    path = DEFAULT_MODELS / model.manifest.name / "model.onnx"
    boxes, scores = nodes_of(path, "NonMaxSuppression")[0].input[:2]
    session = session_with_inner_outputs(path, [boxes, scores])
    return tuple(session.run([boxes, scores], {"frames": frames}))


def inputs(model: Model, frames: list[av.VideoFrame]) -> npt.NDArray[np.uint8]:
    return np.stack([preprocess(frame, 0, input_size(model.manifest, frame.width, frame.height)) for frame in frames])


def test_nanodet_scores_like_tensorflow_js(nanodet: Model) -> None:
    _, scores = candidates(nanodet, colour_card(416, 416)[np.newaxis])
    np.testing.assert_allclose(scores[0].T[HEADS["nanodet_anchors"]], HEADS["nanodet_scores"], atol=1e-5)


def test_nanodet_boxes_reach_as_far_as_tensorflow_js_says(nanodet: Model) -> None:
    boxes, _ = candidates(nanodet, colour_card(416, 416)[np.newaxis])
    anchors, powers = HEADS["nanodet_anchors"], np.exp(HEADS["nanodet_distances"].astype(np.float64)).reshape(-1, 4, 11)
    distances = (powers / powers.sum(axis=2, keepdims=True)) @ np.arange(11)
    expected = []
    for anchor, (left, top, right, bottom) in zip(anchors, distances, strict=True):
        # 52 x 52 cells of stride 8, then 26 x 26 of 16, then 13 x 13 of 32.
        first, cells, stride = next(
            level for level in ((3380, 13, 32), (2704, 26, 16), (0, 52, 8)) if anchor >= level[0]
        )
        row, column = divmod(anchor - first, cells)
        x, y = column + 0.5, row + 0.5
        expected.append(np.array([x - left, y - top, x + right, y + bottom]) * stride)
    np.testing.assert_allclose(boxes[0][anchors], expected, atol=1e-3)


def test_ssd_scores_like_tensorflow_js(ssd: Model) -> None:
    _, scores = candidates(ssd, colour_card(300, 300)[np.newaxis])
    expected = HEADS["ssd_scores"][:, np.array(USED_COCO_NUMBERS) - 1]
    # Weights are stored in half precision, unlike the package's.
    np.testing.assert_allclose(scores[0].T[HEADS["ssd_anchors"]], expected, atol=2e-3)


def test_ssd_boxes_lie_where_tensorflow_js_puts_them(ssd: Model) -> None:
    boxes, _ = candidates(ssd, colour_card(300, 300)[np.newaxis])
    expected = HEADS["ssd_boxes"][:, [1, 0, 3, 2]] * 300
    np.testing.assert_allclose(boxes[0][HEADS["ssd_anchors"]], expected, atol=1)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_rows_are_those_of_plain_nms(name: str, request: pytest.FixtureRequest, bikes: list[av.VideoFrame]) -> None:
    model: Model = request.getfixturevalue(name)
    manifest = model.manifest
    assert manifest.nms_iou is not None
    assert manifest.max_detections is not None
    frames = inputs(model, bikes[10:13])
    boxes, scores, labels = model.run(frames)
    all_boxes, all_scores = candidates(model, frames)
    for index in range(len(frames)):
        expected = suppress(all_boxes[index], all_scores[index].T, manifest.score_floor, manifest.nms_iou)
        n = len(expected.scores)
        assert 0 < n < manifest.max_detections
        np.testing.assert_allclose(scores[index, :n], expected.scores, atol=1e-4)
        np.testing.assert_allclose(boxes[index, :n], expected.boxes, atol=1e-3)
        assert labels[index, :n].tolist() == expected.labels.tolist()


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_nothing_follows_the_last_hit(name: str, request: pytest.FixtureRequest, bikes: list[av.VideoFrame]) -> None:
    model: Model = request.getfixturevalue(name)
    boxes, scores, labels = model.run(inputs(model, bikes[10:12]))
    is_empty = scores == 0
    assert is_empty.any(axis=1).all()
    assert not boxes[is_empty].any()
    assert not labels[is_empty].any()
    assert (np.diff(scores) <= 0).all()


@pytest.mark.parametrize("batch", [2, 4])
@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_batch_finds_what_single_frames_find(
    name: str, batch: int, request: pytest.FixtureRequest, bikes: list[av.VideoFrame]
) -> None:
    model: Model = request.getfixturevalue(name)
    frames = inputs(model, bikes[10 : 10 + batch])
    together = model.run(frames)
    for index in range(batch):
        alone = model.run(frames[index : index + 1])
        np.testing.assert_allclose(together[0][index], alone[0][0], atol=1e-3)
        np.testing.assert_allclose(together[1][index], alone[1][0], atol=1e-5)
        np.testing.assert_array_equal(together[2][index], alone[2][0])


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_graph_may_be_fixed_at_a_size(name: str, request: pytest.FixtureRequest) -> None:
    """Then shapes are inferred through all of it, and operations are held to what ONNX says they take."""
    model: Model = request.getfixturevalue(name)
    size = input_size(model.manifest, 1920, 1080)
    options = onnxruntime.SessionOptions()
    for dimension, value in (("N", 1), ("H", size.input_h), ("W", size.input_w)):
        options.add_free_dimension_override_by_name(dimension, value)
    session = onnxruntime.InferenceSession(DEFAULT_MODELS / model.manifest.name / "model.onnx", options)
    frames = colour_card(size.input_h, size.input_w)[np.newaxis]
    for fixed, free in zip(session.run(None, {"frames": frames}), model.run(frames), strict=True):
        np.testing.assert_allclose(fixed, free, atol=1e-3)
