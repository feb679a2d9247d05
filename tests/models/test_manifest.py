"""The manifest and the law of the input size."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.models import (
    InputSize,
    ModelInput,
    ModelTask,
    ResizePolicy,
    input_size,
    manifest_from_json,
)
from tests.models.makers import LETTERBOX_416, STRETCH_300, a_manifest
from tests.models.paths import DEFAULT_MODELS

SIDES = st.integers(min_value=1, max_value=10_000)
BOXED_640 = {"policy": "letterbox", "width": 640, "height": 384, "multiple": 32}
SHAPES_OF_640 = ModelInput(ResizePolicy.LETTERBOX, 640, 384, 32, other_shapes=((384, 640), (640, 640)))
FOLDERS = sorted(path.parent for path in DEFAULT_MODELS.glob("*/manifest.json"))


def test_json_gives_back_the_manifest() -> None:
    manifest = a_manifest(input=LETTERBOX_416)
    assert manifest_from_json(json.loads(json.dumps(manifest.to_json()))) == manifest


@pytest.mark.parametrize(
    "changes",
    [
        {"nms_iou": None},
        {"task": ModelTask.CLASSIFICATION, "max_detections": None, "nms_iou": None},
        {"task": ModelTask.CLIP_CLASSIFICATION, "max_detections": None, "nms_iou": None, "clip_frames": 16},
        {"input": SHAPES_OF_640},
    ],
    ids=["detector without suppression", "classifier", "clip classifier", "several shapes"],
)
def test_fields_that_a_model_does_not_have_are_left_out_and_read_back(changes: dict[str, Any]) -> None:
    manifest = a_manifest(**changes)
    document = manifest.to_json()
    assert None not in document.values()
    assert manifest_from_json(json.loads(json.dumps(document))) == manifest


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_manifest_of_before_is_written_as_it_was(folder: Path) -> None:
    document = json.loads((folder / "manifest.json").read_text())
    assert manifest_from_json(document).to_json() == document


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_shipped_manifest_names_the_shipped_bytes(folder: Path) -> None:
    manifest = manifest_from_json(json.loads((folder / "manifest.json").read_text()))
    assert (manifest.name, manifest.sha256) == (
        folder.name,
        hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest(),
    )


def test_both_default_models_are_shipped() -> None:
    assert [folder.name for folder in FOLDERS] == ["nanodet-g", "ssdlite-mobilenet-v2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "No Spaces"}, "name must be lower-case"),
        ({"sha256": "abc"}, "sha256 must be 64"),
        ({"labels": []}, "labels must number"),
        ({"labels": ["person", "person"]}, "labels must be distinct"),
        ({"labels": ["person", 3]}, "labels must all be strings"),
        ({"score_floor": 0.5, "score_default": 0.4}, "score_floor <= score_default"),
        ({"score_floor": "low"}, "score_floor must be float or int but got 'low'"),
        ({"max_detections": 0}, "max_detections must be 1 to 1000"),
        ({"max_detections": True}, "max_detections must be int but got True"),
        ({"nms_iou": 1.5}, "nms_iou must be above 0"),
        ({"task": "classification"}, "max_detections must be left out for the task classification but got 2"),
        ({"task": "classification", "max_detections": None}, "max_detections must be int but got None"),
        ({"clip_frames": 8}, "clip_frames must be left out for the task detection"),
        ({"task": "divination"}, "'divination' is not a valid ModelTask"),
        ({"colour": "blue"}, "unknown fields: colour"),
        ({"input": {"policy": "letterbox", "width": 400, "height": "by_aspect", "multiple": 32}}, "input.width"),
        ({"input": {"policy": "stretch", "width": 300, "height": "by_aspect", "multiple": 1}}, "input.height"),
        ({"input": {"policy": "stretch", "width": 300, "height": "tall", "multiple": 1}}, "input.height"),
        ({"input": {"policy": "stretch", "width": 300, "multiple": 1}}, "must have the field input.height"),
        ({"input": BOXED_640 | {"other_shapes": [[640, 383]]}}, "other_shapes must be a positive multiple of 32"),
        ({"input": BOXED_640 | {"other_shapes": [[640, 384]]}}, "other_shapes must be distinct"),
        ({"input": BOXED_640 | {"other_shapes": [640]}}, "other_shapes must be pairs"),
        ({"input": BOXED_640 | {"other_shapes": [[640, True]]}}, "other_shapes must be pairs"),
        ({"input": BOXED_640 | {"other_shapes": [[32, 32 * n] for n in range(1, 17)]}}, "must be fewer than 16"),
        ({"input": BOXED_640 | {"height": "by_aspect", "other_shapes": [[640, 32]]}}, "other_shapes must be left out"),
        ({"input": BOXED_640 | {"policy": "stretch", "other_shapes": [[640, 32]]}}, "other_shapes must be left out"),
    ],
)
def test_a_bad_field_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        manifest_from_json(a_manifest().to_json() | change)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ((640, 272), InputSize(416, 192, 416, 177)),
        ((1920, 1080), InputSize(416, 256, 416, 234)),
        ((768, 576), InputSize(416, 320, 416, 312)),
        ((416, 416), InputSize(416, 416, 416, 416)),
        ((1080, 1920), InputSize(416, 768, 416, 740)),
        ((1000, 2000), InputSize(416, 832, 416, 832)),
        ((1000, 4000), InputSize(416, 832, 208, 832)),
        ((10_000, 1), InputSize(416, 32, 416, 1)),
    ],
)
def test_letterbox_follows_the_aspect_up_to_twice_the_width(shown: tuple[int, int], expected: InputSize) -> None:
    assert input_size(a_manifest(input=LETTERBOX_416), *shown) == expected


@given(SIDES, SIDES)
def test_letterboxed_content_fits_its_input_and_fills_one_side(width: int, height: int) -> None:
    size = input_size(a_manifest(input=LETTERBOX_416), width, height)
    assert 1 <= size.content_w <= size.input_w == 416
    assert 1 <= size.content_h <= size.input_h <= 832
    assert size.content_w == 416 or size.content_h == 832


@given(SIDES, SIDES)
def test_letterbox_pads_by_less_than_one_stride_below(width: int, height: int) -> None:
    size = input_size(a_manifest(input=LETTERBOX_416), width, height)
    assert size.input_h % 32 == 0
    assert size.input_h - size.content_h < 32


@given(SIDES, SIDES)
def test_letterbox_keeps_the_aspect_to_half_a_pixel(width: int, height: int) -> None:
    size = input_size(a_manifest(input=LETTERBOX_416), width, height)
    exact_w, exact_h = (416.0, 416 * height / width) if size.content_w == 416 else (832 * width / height, 832.0)
    # A side never vanishes, however long the other is; and at the limit the height may be rounded down to 832.
    assert abs(size.content_w - max(exact_w, 1)) <= 0.5
    assert abs(size.content_h - max(exact_h, 1)) <= 0.5


@given(SIDES, SIDES)
def test_stretch_has_one_size_for_every_video(width: int, height: int) -> None:
    assert input_size(a_manifest(input=STRETCH_300), width, height) == (300, 300, 300, 300)


def test_a_frame_without_pixels_has_no_input_size() -> None:
    with pytest.raises(ValueError, match="must have pixels but got 0 x 10"):
        input_size(a_manifest(), 0, 10)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ((1920, 1080), InputSize(640, 384, 640, 360)),
        ((1080, 1920), InputSize(384, 640, 360, 640)),
        ((500, 500), InputSize(640, 640, 640, 640)),
        ((640, 480), InputSize(640, 384, 512, 384)),
        ((4000, 100), InputSize(640, 384, 640, 16)),
    ],
)
def test_of_several_shapes_a_video_gets_the_one_that_it_fills_most(shown: tuple[int, int], expected: InputSize) -> None:
    assert input_size(a_manifest(input=SHAPES_OF_640), *shown) == expected


@given(SIDES, SIDES)
def test_no_other_shape_would_have_been_filled_more(width: int, height: int) -> None:
    def filled(size: InputSize) -> float:
        return size.content_w * size.content_h / (size.input_w * size.input_h)

    alone = [ModelInput(ResizePolicy.LETTERBOX, *shape, 32) for shape in SHAPES_OF_640.shapes]
    chosen = input_size(a_manifest(input=SHAPES_OF_640), width, height)
    sizes = [input_size(a_manifest(input=one), width, height) for one in alone]
    assert chosen in sizes
    assert filled(chosen) == max(map(filled, sizes))


def test_a_fixed_letterbox_pads_whatever_is_left() -> None:
    one = ModelInput(ResizePolicy.LETTERBOX, 640, 640, 32)
    assert input_size(a_manifest(input=one), 1920, 1080) == (640, 640, 640, 360)
