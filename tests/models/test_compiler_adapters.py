"""Every adapter: the canonical graph finds what the raw network and plain numpy find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

from chalicelib.domain.models import Manifest, ModelTask, ResizePolicy
from gpu_batch.compiler.accuracy import Found
from gpu_batch.compiler.adapters import ADAPTER_BY_NAME
from gpu_batch.compiler.add import compile_network
from gpu_batch.compiler.recipe import Activation, HeadOptions, Recipe
from tests.models import networks, raw_decoding
from tests.models.networks import HEIGHT, LABELS, WIDTH
from tests.models.opencv_reference import suppress

Array = npt.NDArray[Any]
TOLERANCE = 1e-4
TIE = 1e-5
"""Scores nearer to each other than this may come in any order."""
IMAGENET: dict[str, Any] = {"scale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "bgr": False}
PLAIN_BGR: dict[str, Any] = {"scale": 1.0, "mean": [0, 0, 0], "std": [1, 1, 1], "bgr": True}
UNIT_RGB: dict[str, Any] = {"scale": 1 / 255, "mean": [0, 0, 0], "std": [1, 1, 1], "bgr": False}
SSD_RGB: dict[str, Any] = {"scale": 1.0, "mean": [127] * 3, "std": [128] * 3, "bgr": False}
NANODET_BGR: dict[str, Any] = {
    "scale": 1.0, "mean": [103.53, 116.28, 123.675], "std": [57.375, 57.12, 58.395], "bgr": True,
}  # fmt: skip
ANCHORS = np.random.default_rng(3).uniform(0.1, 0.6, (HEIGHT // 16 * WIDTH // 16, 4)).astype(np.float32)


def a_recipe(adapter: str, **changes: Any) -> Recipe:
    usual = ADAPTER_BY_NAME[adapter]
    fields: dict[str, Any] = {
        "name": "tiny",
        "version": "1",
        "adapter": adapter,
        "columns": tuple(f"label-{index}" for index in range(LABELS)),
        "policy": ResizePolicy.LETTERBOX,
        "sizes": (),
        "multiple": 32,
        "pixels": usual.pixels,
        "activation": usual.activation,
        "score_floor": 0.3,
        "score_default": 0.5,
        "nms_iou": usual.nms_iou,
        "max_detections": 300,
        "clip_frames": None,
        "outputs": (),
        "head": HeadOptions(),
        "licence": "Apache-2.0",
        "source": "made by a test",
    }
    return Recipe(**(fields | changes))


def some_frames(count: int, height: int = HEIGHT, width: int = WIDTH) -> Array:
    """Random pictures of large and small squares: uint8 (N, H, W, 3)."""
    random = np.random.default_rng(count)
    coarse = random.integers(0, 256, (count, height // 8, width // 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    return ((coarse + random.integers(0, 256, coarse.shape)) // 2).astype(np.uint8)


def run(model: bytes, values: Array, name: str) -> list[Array]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return [np.asarray(value) for value in session.run(None, {name: values})]


def compiled(network: bytes, recipe: Recipe) -> tuple[bytes, Manifest]:
    model, manifest = compile_network(network, recipe)
    return model.SerializeToString(), manifest


def assert_same_rows(outputs: list[Array], index: int, expected: Found) -> None:
    """Row by row; among scores as good as equal, any order will do."""
    boxes, scores, labels = (output[index] for output in outputs)
    n = len(expected.scores)
    assert 5 < n < len(scores), "the test must find something, and not overflow"
    assert not scores[n:].any()
    np.testing.assert_allclose(scores[:n], expected.scores, atol=TOLERANCE)
    is_tie = np.zeros(n, bool)
    near = np.abs(np.diff(expected.scores)) < TIE
    is_tie[1:] |= near
    is_tie[:-1] |= near
    assert is_tie.mean() < 0.2
    assert labels[:n][~is_tie].tolist() == expected.labels[~is_tie].tolist()
    np.testing.assert_allclose(boxes[:n][~is_tie], expected.boxes[~is_tie], atol=TOLERANCE * WIDTH, rtol=TOLERANCE)


Decode = Callable[[list[Array], int], tuple[Array, Array]]
SUPPRESSED: dict[str, tuple[bytes, Recipe, dict[str, Any], Decode]] = {
    "yolox, raw": (
        networks.yolox(),
        a_recipe("yolox"),
        PLAIN_BGR,
        lambda raw, i: raw_decoding.yolox(raw[0][i], WIDTH, HEIGHT, (8, 16, 32), decoded=False),
    ),
    "yolox, four levels": (
        networks.yolox((8, 16, 32, 64)),
        a_recipe("yolox", head=HeadOptions(strides=(8, 16, 32, 64))),
        PLAIN_BGR,
        lambda raw, i: raw_decoding.yolox(raw[0][i], WIDTH, HEIGHT, (8, 16, 32, 64), decoded=False),
    ),
    "yolox, decoded": (
        networks.yolox(decoded=True),
        a_recipe("yolox", head=HeadOptions(decoded=True)),
        PLAIN_BGR,
        lambda raw, i: raw_decoding.yolox(raw[0][i], WIDTH, HEIGHT, (), decoded=True),
    ),
    "yolox, opset 13": (
        networks.yolox(opset=13),
        a_recipe("yolox"),
        PLAIN_BGR,
        lambda raw, i: raw_decoding.yolox(raw[0][i], WIDTH, HEIGHT, (8, 16, 32), decoded=False),
    ),
    "yolox, opset 18": (
        networks.yolox(opset=18),
        a_recipe("yolox"),
        PLAIN_BGR,
        lambda raw, i: raw_decoding.yolox(raw[0][i], WIDTH, HEIGHT, (8, 16, 32), decoded=False),
    ),
    "yolov8": (
        networks.yolov8(),
        a_recipe("yolov8", max_detections=600),
        UNIT_RGB,
        lambda raw, i: raw_decoding.yolov8(raw[0][i]),
    ),
    "ssd, finished": (
        networks.ssd(finished=True),
        a_recipe("ssd"),
        SSD_RGB,
        lambda raw, i: raw_decoding.ssd(raw[1][i], raw[0][i], WIDTH, HEIGHT, None),
    ),
    "ssd, codes": (
        networks.ssd(finished=False),
        a_recipe("ssd", head=HeadOptions(anchors=ANCHORS)),
        SSD_RGB,
        lambda raw, i: raw_decoding.ssd(raw[1][i], raw[0][i], WIDTH, HEIGHT, ANCHORS),
    ),
    "nanodet-plus": (
        networks.nanodet((8, 16, 32, 64)),
        a_recipe("nanodet", max_detections=600),
        NANODET_BGR,
        lambda raw, i: raw_decoding.nanodet(raw[0][i], LABELS, WIDTH, HEIGHT, (8, 16, 32, 64), 0),
    ),
    "nanodet": (
        networks.nanodet((8, 16, 32)),
        a_recipe("nanodet", max_detections=600),
        NANODET_BGR,
        lambda raw, i: raw_decoding.nanodet(raw[0][i], LABELS, WIDTH, HEIGHT, (8, 16, 32), 0.5),
    ),
}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("case", SUPPRESSED)
def test_rows_are_those_of_the_raw_network_decoded_by_numpy(case: str, batch: int) -> None:
    network, recipe, pixels, decode = SUPPRESSED[case]
    frames = some_frames(batch)
    outputs = run(compiled(network, recipe)[0], frames, "frames")
    raw = run(network, raw_decoding.normalised(frames, **pixels), "images")
    for index in range(batch):
        boxes, scores = decode(raw, index)
        assert_same_rows(outputs, index, suppress(boxes, scores, recipe.score_floor, recipe.nms_iou))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("activation", [Activation.SOFTMAX, Activation.SIGMOID])
def test_detr_rows_are_those_of_the_raw_network_decoded_by_numpy(activation: Activation, batch: int) -> None:
    is_softmax = activation is Activation.SOFTMAX
    network = networks.detr(LABELS + (1 if is_softmax else 0))
    frames = some_frames(batch)
    model, manifest = compiled(network, a_recipe("detr", activation=activation))
    outputs = run(model, frames, "frames")
    logits, boxes = run(network, raw_decoding.normalised(frames, **IMAGENET), "images")
    assert manifest.nms_iou is None
    for index in range(batch):
        expected = raw_decoding.detr(logits[index], boxes[index], WIDTH, HEIGHT, 0.3, is_softmax)
        assert_same_rows(outputs, index, expected)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("activation", list(Activation))
def test_scores_of_a_classifier_are_those_of_numpy(activation: Activation, batch: int) -> None:
    network, frames = networks.classifier(), some_frames(batch)
    model, manifest = compiled(network, a_recipe("logits", activation=activation))
    (scores,) = run(model, frames, "frames")
    (logits,) = run(network, raw_decoding.normalised(frames, **IMAGENET), "images")
    powers = np.exp(logits)
    expected = {
        Activation.NONE: logits,
        Activation.SIGMOID: 1 / (1 + 1 / powers),
        Activation.SOFTMAX: powers / powers.sum(axis=1, keepdims=True),
    }[activation]
    assert (manifest.task, manifest.max_detections) == (ModelTask.CLASSIFICATION, None)
    np.testing.assert_allclose(scores, expected, atol=TOLERANCE)


@pytest.mark.parametrize("layout", ["NTCHW", "NCTHW", "NTHWC"])
def test_scores_of_clips_are_those_of_numpy_in_every_layout(layout: str) -> None:
    network, frames = networks.clip_classifier(layout), some_frames(8)
    model, manifest = compiled(network, a_recipe("clip-logits"))
    (scores,) = run(model, frames.reshape(2, 4, HEIGHT, WIDTH, 3), "clips")
    planes = raw_decoding.normalised(frames, **IMAGENET).reshape(2, 4, 3, HEIGHT, WIDTH)
    (logits,) = run(network, planes.transpose(["NTCHW".index(axis) for axis in layout]), "images")
    powers = np.exp(logits)
    assert (manifest.task, manifest.clip_frames) == (ModelTask.CLIP_CLASSIFICATION, 4)
    np.testing.assert_allclose(scores, powers / powers.sum(axis=1, keepdims=True), atol=TOLERANCE)


def test_columns_without_a_label_are_left_out() -> None:
    columns = ("person", None, "dog")
    frames = some_frames(1)
    whole, _ = compiled(networks.yolov8(), a_recipe("yolov8"))
    chosen, manifest = compiled(networks.yolov8(), a_recipe("yolov8", columns=columns))
    _, scores, labels = run(whole, frames, "frames")
    _, chosen_scores, chosen_labels = run(chosen, frames, "frames")
    is_kept = (labels[0] != 1) & (scores[0] > 0)
    n = is_kept.sum()
    assert manifest.labels == ("person", "dog")
    assert chosen_scores[0][:n].tolist() == scores[0][is_kept].tolist()
    assert chosen_labels[0][:n].tolist() == [0 if label == 0 else 1 for label in labels[0][is_kept]]


def test_a_network_of_any_size_makes_its_cells_for_each() -> None:
    network = networks.yolox(shape=networks.image_input(height="h", width="w"))
    model, manifest = compiled(network, a_recipe("yolox", sizes=((128, 64), (64, 128), (96, 96))))
    assert manifest.input.shapes == ((128, 64), (64, 128), (96, 96))
    for width, height in manifest.input.shapes:
        frames = some_frames(1, height, width)
        raw = run(network, raw_decoding.normalised(frames, **PLAIN_BGR), "images")
        boxes, scores = raw_decoding.yolox(raw[0][0], width, height, (8, 16, 32), decoded=False)
        assert_same_rows(run(model, frames, "frames"), 0, suppress(boxes, scores, 0.3, 0.45))


def test_a_network_with_a_batch_of_one_keeps_it() -> None:
    model, _ = compiled(networks.yolox(shape=networks.image_input(batch=1)), a_recipe("yolox"))
    graph = onnx.load_model_from_string(model).graph
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    assert run(model, some_frames(1), "frames")[1].any()


def test_the_same_network_gives_the_same_bytes() -> None:
    assert compiled(networks.detr(LABELS + 1), a_recipe("detr")) == compiled(
        networks.detr(LABELS + 1), a_recipe("detr")
    )
