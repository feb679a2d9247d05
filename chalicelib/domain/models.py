"""What is known of a model without opening it: its manifest, and the law of its input size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple

MAX_HEIGHT_PER_WIDTH = 2
"""A taller video is fitted by its height, so that a phone-shaped sliver cannot ask for an input of any size."""

MAX_LABELS = 65_536
"""Labels are stored as 16-bit indices."""


class ModelTask(StrEnum):
    """What a model answers; docs/models.md has the canonical form of each."""

    DETECTION = "detection"
    """What is where in a frame."""
    CLASSIFICATION = "classification"
    """What a frame shows as a whole."""
    CLIP_CLASSIFICATION = "clip_classification"
    """What happens in a run of frames."""


TASKS_OF_JOBS = frozenset({ModelTask.DETECTION, ModelTask.CLASSIFICATION})
"""What a job can run. Results of clips have no place yet: a row is of one frame, and a clip would need two times."""

MAX_LABELS_PER_FRAME = 10
"""Rows that a classifier leaves of a frame, the best ones; a frame with more above the floor says so."""

MAX_SHAPES = 16
"""Input shapes of one model: a GPU keeps an engine for each."""

MAX_CLIP_FRAMES = 1024


class ResizePolicy(StrEnum):
    """How a frame is brought to the size of a model's input."""

    LETTERBOX = "letterbox"
    """Aspect kept; the frame at the top left, black to the right and below."""
    STRETCH = "stretch"
    """Width and height scaled apart, to fill the input."""


@dataclass(frozen=True, slots=True)
class ModelInput:
    """The size that a model takes frames at."""

    policy: ResizePolicy
    width: int
    """Pixels; a multiple of `multiple`."""
    height: int | None
    """Pixels, or None for a height that follows the aspect of the video (letterbox only)."""
    multiple: int
    """What width and height must be multiples of: the deepest stride of the network."""
    other_shapes: tuple[tuple[int, int], ...] = ()
    """Further (width, height) that the model takes; each video gets the one that fits it best (letterbox only)."""

    def __post_init__(self) -> None:
        if self.multiple < 1:
            raise ValueError(f"input.multiple must be at least 1 but got {self.multiple}")
        sides = [("width", self.width), ("height", self.height)]
        sides += [("other_shapes", side) for shape in self.other_shapes for side in shape]
        for name, size in sides:
            if size is not None and (size < 1 or size % self.multiple):
                raise ValueError(f"input.{name} must be a positive multiple of {self.multiple} but got {size}")
        if self.height is None and self.policy is not ResizePolicy.LETTERBOX:
            raise ValueError(f"input.height must be a number for the policy {self.policy} but got {BY_ASPECT!r}")
        if self.other_shapes and (self.height is None or self.policy is not ResizePolicy.LETTERBOX):
            raise ValueError("input.other_shapes must be left out with the policy stretch or a height by aspect")
        if len(self.other_shapes) >= MAX_SHAPES:
            raise ValueError(f"input.other_shapes must be fewer than {MAX_SHAPES} but got {len(self.other_shapes)}")
        if len({(self.width, self.height), *self.other_shapes}) <= len(self.other_shapes):
            raise ValueError(f"input.other_shapes must be distinct, and not the first, but got {self.other_shapes}")

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Every (width, height) that the model takes, in the order of the manifest; none with a height by aspect."""
        return () if self.height is None else ((self.width, self.height), *self.other_shapes)


class InputSize(NamedTuple):
    """A model's input for one shape of video, in pixels; the frame fills the content, at the top left."""

    input_w: int
    input_h: int
    content_w: int
    content_h: int


BY_ASPECT = "by_aspect"
"""How JSON writes an input height that follows the video."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a model is called, takes and promises; the file itself is found by its digest."""

    name: str
    version: str
    sha256: str
    """Hex digest of the ONNX file."""
    task: ModelTask
    labels: tuple[str, ...]
    """A detection's label is an index into these."""
    input: ModelInput
    score_floor: float
    """No row at or below this is stored, so no later question can ask for less."""
    score_default: float
    """The threshold of best F1: what a reader gets who asks for none."""
    max_detections: int | None
    """Detection only: rows per frame, at most; a frame that fills them all says so."""
    nms_iou: float | None
    """Detection only: None for a model that finds each thing once by itself."""
    licence: str
    """SPDX identifier."""
    source: str
    """Where the weights came from."""
    adapter: str
    """What compiled the model to canonical form."""
    clip_frames: int | None = None
    """Clip classification only: frames in a clip."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,62}", self.name):
            raise ValueError(f"name must be lower-case letters, digits, dots and dashes but got {self.name!r}")
        if not self.version:
            raise ValueError("version must not be empty")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 must be 64 hexadecimal digits but got {self.sha256!r}")
        if not 0 < len(self.labels) <= MAX_LABELS:
            raise ValueError(f"labels must number 1 to {MAX_LABELS} but got {len(self.labels)}")
        if len(set(self.labels)) != len(self.labels) or not all(self.labels):
            raise ValueError("labels must be distinct and not empty")
        if not 0 < self.score_floor <= self.score_default <= 1:
            raise ValueError(
                "scores must be 0 < score_floor <= score_default <= 1"
                f" but got score_floor {self.score_floor} and score_default {self.score_default}"
            )
        self._check_fields_of_task()

    def _check_fields_of_task(self) -> None:
        is_detector = self.task is ModelTask.DETECTION
        is_of_clips = self.task is ModelTask.CLIP_CLASSIFICATION
        for name, value, is_wanted in (
            ("max_detections", self.max_detections, is_detector),
            ("nms_iou", self.nms_iou, is_detector),
            ("clip_frames", self.clip_frames, is_of_clips),
        ):
            if value is not None and not is_wanted:
                raise ValueError(f"{name} must be left out for the task {self.task} but got {value}")
        if is_detector and not 0 < (self.max_detections or 0) <= 1000:
            raise ValueError(f"max_detections must be 1 to 1000 but got {self.max_detections}")
        if self.nms_iou is not None and not 0 < self.nms_iou <= 1:
            raise ValueError(f"nms_iou must be above 0 and at most 1 but got {self.nms_iou}")
        if is_of_clips and not 0 < (self.clip_frames or 0) <= MAX_CLIP_FRAMES:
            raise ValueError(f"clip_frames must be 1 to {MAX_CLIP_FRAMES} but got {self.clip_frames}")

    def to_json(self) -> dict[str, Any]:
        """The manifest as JSON objects write it; `manifest_from_json` reads it back."""
        other_shapes = [list(shape) for shape in self.input.other_shapes]
        document = {
            "name": self.name,
            "version": self.version,
            "sha256": self.sha256,
            "task": self.task.value,
            "labels": list(self.labels),
            "input": {
                "policy": self.input.policy.value,
                "width": self.input.width,
                "height": BY_ASPECT if self.input.height is None else self.input.height,
                "multiple": self.input.multiple,
                **({"other_shapes": other_shapes} if other_shapes else {}),
            },
            "score_floor": self.score_floor,
            "score_default": self.score_default,
            "max_detections": self.max_detections,
            "nms_iou": self.nms_iou,
            "clip_frames": self.clip_frames,
            "licence": self.licence,
            "source": self.source,
            "adapter": self.adapter,
        }
        return {name: value for name, value in document.items() if value is not None}


def manifest_from_json(document: Mapping[str, Any]) -> Manifest:
    """Read a manifest from decoded JSON.

    Raises:
        ValueError: a field is missing, unknown, of the wrong type or out of range; the message names it.
    """
    fields = _Fields(document, "")
    size = _Fields(fields.take("input", dict), "input.")
    height = size.take("height", int, str)
    if isinstance(height, str) and height != BY_ASPECT:
        raise ValueError(f"input.height must be a number or {BY_ASPECT!r} but got {height!r}")
    nms_iou = fields.take_if_there("nms_iou", float, int)
    manifest = Manifest(
        name=fields.take("name", str),
        version=fields.take("version", str),
        sha256=fields.take("sha256", str),
        task=ModelTask(fields.take("task", str)),
        labels=_strings(fields.take("labels", list)),
        input=ModelInput(
            policy=ResizePolicy(size.take("policy", str)),
            width=size.take("width", int),
            height=None if height == BY_ASPECT else height,
            multiple=size.take("multiple", int),
            other_shapes=_shapes(size.take_if_there("other_shapes", list) or []),
        ),
        score_floor=float(fields.take("score_floor", float, int)),
        score_default=float(fields.take("score_default", float, int)),
        max_detections=fields.take_if_there("max_detections", int),
        nms_iou=None if nms_iou is None else float(nms_iou),
        clip_frames=fields.take_if_there("clip_frames", int),
        licence=fields.take("licence", str),
        source=fields.take("source", str),
        adapter=fields.take("adapter", str),
    )
    size.refuse_the_rest()
    fields.refuse_the_rest()
    return manifest


def input_size(manifest: Manifest, shown_width: int, shown_height: int) -> InputSize:
    """The input for a video of this size, as shown (rotation applied).

    Letterbox: the content keeps the aspect, rounded to whole pixels, half up; the input is the content padded to the
    right and below. With a height by aspect, the input is as low as the content allows. Of several shapes it is the
    one that the content fills most, and of equals the first.
    """
    if shown_width < 1 or shown_height < 1:
        raise ValueError(f"a frame must have pixels but got {shown_width} x {shown_height}")
    size = manifest.input
    if size.height is None:
        max_height = _round_down(size.width * MAX_HEIGHT_PER_WIDTH, size.multiple)
        fitted = _letterbox(size.width, max_height, shown_width, shown_height)
        return fitted._replace(input_h=_round_up(fitted.content_h, size.multiple))
    if size.policy is ResizePolicy.STRETCH:
        return InputSize(size.width, size.height, size.width, size.height)
    return max((_letterbox(*shape, shown_width, shown_height) for shape in size.shapes), key=_filled)


def _letterbox(width: int, height: int, shown_width: int, shown_height: int) -> InputSize:
    """The largest content of the video's aspect in an input of this size."""
    content_w, content_h = width, _scale(width, shown_height, shown_width)
    if content_h > height:
        content_w, content_h = _scale(height, shown_width, shown_height), height
    return InputSize(width, height, content_w, content_h)


def _filled(size: InputSize) -> Fraction:
    """The part of the input that is content."""
    return Fraction(size.content_w * size.content_h, size.input_w * size.input_h)


def _scale(length: int, numerator: int, denominator: int) -> int:
    """`length` times a ratio, rounded half up in whole numbers, at least 1."""
    return max(1, (2 * length * numerator + denominator) // (2 * denominator))


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _round_down(length: int, multiple: int) -> int:
    return length // multiple * multiple


def _shapes(values: list[Any]) -> tuple[tuple[int, int], ...]:
    for value in values:
        if not isinstance(value, list) or [type(side) for side in value] != [int, int]:
            raise ValueError(f"input.other_shapes must be pairs of a width and a height but got {value!r}")
    return tuple((width, height) for width, height in values)


def _strings(values: list[Any]) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise ValueError("labels must all be strings")
    return tuple(values)


class _Fields:
    """Takes fields out of a JSON object, and knows which were never asked for."""

    def __init__(self, document: Mapping[str, Any], prefix: str) -> None:
        self._left = dict(document)
        self._prefix = prefix

    def take(self, name: str, *types: type) -> Any:
        """The field, which must be of one of `types`."""
        if name not in self._left:
            raise ValueError(f"the manifest must have the field {self._prefix}{name}")
        value = self._left.pop(name)
        # JSON's true is no number, though Python's True is.
        if not isinstance(value, types) or isinstance(value, bool):
            expected = " or ".join(kind.__name__ for kind in types)
            raise ValueError(f"{self._prefix}{name} must be {expected} but got {value!r}")
        return value

    def take_if_there(self, name: str, *types: type) -> Any:
        """The field, or None where the object does not have it."""
        return self.take(name, *types) if name in self._left else None

    def refuse_the_rest(self) -> None:
        """Say which fields are unknown, if any are left."""
        if self._left:
            raise ValueError(
                f"the manifest has unknown fields: {', '.join(self._prefix + name for name in self._left)}"
            )
