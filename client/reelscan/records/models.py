"""What the routes of models answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NotRequired, TypedDict

from reelscan.records.shared import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name of a version that can be moved."""

    alias: str
    version: str
    moves: tuple[AliasMove, ...]


class AliasForm(TypedDict):
    """Where an alias is to be moved."""

    version: str
    from_version: NotRequired[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMove:
    """Who let an alias name which version, and when."""

    version: str
    from_version: str | None = None
    moved_at: datetime
    moved_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputCost:
    """What a model costs at one size of input."""

    input: str
    cpu_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that jobs can name."""

    name: str
    version: str
    sha256: str
    task: str
    labels: tuple[str, ...]
    licence: str
    score_floor: float
    score_default: float
    state: str | None = None


class ModelForm(TypedDict):
    """A model to be uploaded."""

    filename: NotRequired[str | None]
    size_bytes: int
    sha256: NotRequired[str | None]
    manifest: ModelManifestForm


class ModelHeadForm(TypedDict):
    """What some adapters have to know of the network's outputs (docs/models.md)."""

    activation: NotRequired[Literal["none", "sigmoid", "softmax"] | None]
    outputs: NotRequired[list[str] | None]
    decoded: NotRequired[bool | None]
    strides: NotRequired[list[int] | None]
    cell_centre: NotRequired[float | None]
    box_form: NotRequired[Literal["xyxy", "yxyx", "cxcywh"] | None]
    anchors: NotRequired[list[list[float]] | None]
    variances: NotRequired[list[float] | None]


class ModelInputForm(TypedDict):
    """How frames are brought to the network."""

    policy: NotRequired[Literal["letterbox", "stretch"]]
    shapes: NotRequired[list[ModelShapeForm] | None]
    multiple: NotRequired[int]
    channel_order: NotRequired[Literal["rgb", "bgr"] | None]
    scale: NotRequired[float | None]
    mean: NotRequired[list[float] | None]
    std: NotRequired[list[float] | None]


class ModelManifestForm(TypedDict):
    """What a network is, and how it is to be run; what is unset is as the adapter's usual exporter has it."""

    name: str
    version: NotRequired[str]
    task: Literal["detection", "classification", "clip_classification"]
    adapter: Literal["yolox", "yolov8", "detr", "ssd", "nanodet", "logits", "clip-logits"]
    labels: list[str | None]
    input: NotRequired[ModelInputForm]
    head: NotRequired[ModelHeadForm]
    score_floor: NotRequired[float | None]
    score_default: NotRequired[float | None]
    nms_iou: NotRequired[float | None]
    max_detections: NotRequired[int]
    clip_frames: NotRequired[int | None]
    licence: NotRequired[str]
    source: NotRequired[str]


class ModelShapeForm(TypedDict):
    """A shape of input; without `height` it follows the aspect of each video."""

    width: int
    height: NotRequired[int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a model."""

    name: str
    version: str
    state: str
    task: str
    adapter: str
    labels: tuple[str, ...]
    licence: str
    source: str
    is_public: bool
    created_at: datetime | None = None
    ready_at: datetime | None = None
    filename: str | None = None
    size_bytes: int | None = None
    registered_by: str | None = None
    sha256: str | None = None
    score_floor: float | None = None
    score_default: float | None = None
    trial: Trial | None = None
    error: Failure | None = None
    reasons: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedModel:
    """Everything that one name stands for."""

    name: str
    versions: tuple[ModelVersion, ...]
    aliases: tuple[Alias, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the trial of a model measured."""

    inputs: tuple[InputCost, ...]
    memory_mb: float
