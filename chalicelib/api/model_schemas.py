"""The wire forms of models that tenants register. No rules, only forms."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from chalicelib.api.schemas import ErrorOut, HexSha256, In, ModelOut, Out, Text, UploadOut
from chalicelib.contracts.model_recipe import NO_LICENCE
from chalicelib.domain.model_versions import NAME_PATTERN, WORD_PATTERN
from chalicelib.domain.models import MAX_CLIP_FRAMES, MAX_SHAPES

ModelName = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN.pattern}$")]
Word = Annotated[str, StringConstraints(pattern=f"^{WORD_PATTERN.pattern}$")]
"""A version or an alias."""
Side = Annotated[int, Field(ge=1, le=8192)]
Share = Annotated[float, Field(gt=0, le=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Short = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Long = Annotated[str, StringConstraints(max_length=1000)]


class ModelShapeIn(In):
    """A shape of input; without `height` it follows the aspect of each video."""

    width: Side
    height: Side | None = None


class ModelInputIn(In):
    """How frames are brought to the network."""

    policy: Literal["letterbox", "stretch"] = "letterbox"
    shapes: Annotated[list[ModelShapeIn], Field(max_length=MAX_SHAPES)] | None = None
    """Unset: the one shape that the network has."""
    multiple: Annotated[int, Field(ge=1, le=1024)] = 32
    """What sides must be multiples of: the deepest stride of the network."""
    channel_order: Literal["rgb", "bgr"] | None = None
    scale: Positive | None = None
    """The network gets (level * scale - mean) / std, for levels of 0..255."""
    mean: Annotated[list[Number], Field(min_length=3, max_length=3)] | None = None
    std: Annotated[list[Positive], Field(min_length=3, max_length=3)] | None = None


class ModelHeadIn(In):
    """What some adapters have to know of the network's outputs (docs/models.md)."""

    activation: Literal["none", "sigmoid", "softmax"] | None = None
    outputs: Annotated[list[Short], Field(max_length=20)] | None = None
    """Which outputs to read; unset: all."""
    decoded: bool | None = None
    strides: Annotated[list[Annotated[int, Field(ge=1, le=1024)]], Field(min_length=1, max_length=10)] | None = None
    cell_centre: Annotated[float, Field(ge=0, le=1)] | None = None
    box_form: Literal["xyxy", "yxyx", "cxcywh"] | None = None
    anchors: list[Annotated[list[Number], Field(min_length=4, max_length=4)]] | None = None
    variances: Annotated[list[Positive], Field(min_length=2, max_length=2)] | None = None


class ModelManifestIn(In):
    """What a network is, and how it is to be run; what is unset is as the adapter's usual exporter has it."""

    name: ModelName
    version: Word = "1"
    task: Literal["detection", "classification", "clip_classification"]
    adapter: Literal["yolox", "yolov8", "detr", "ssd", "nanodet", "logits", "clip-logits"]
    labels: Annotated[list[Short | None], Field(min_length=1, max_length=10_000)]
    """Of each column of the scores, in the network's order; null for a column that is left out."""
    input: ModelInputIn = ModelInputIn()
    head: ModelHeadIn = ModelHeadIn()
    score_floor: Share | None = None
    """Nothing at or below it is ever stored."""
    score_default: Share | None = None
    nms_iou: Share | None = None
    max_detections: Annotated[int, Field(ge=1, le=1000)] = 100
    clip_frames: Annotated[int, Field(ge=1, le=MAX_CLIP_FRAMES)] | None = None
    licence: Short = NO_LICENCE
    """SPDX identifier of the weights."""
    source: Long = ""
    """Where the weights came from."""

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> ModelManifestIn:
        known = [label for label in self.labels if label is not None]
        if len(set(known)) != len(known) or not known:
            raise ValueError("labels must be distinct, and not all of them null")
        return self


class ModelIn(In):
    """A model to be uploaded."""

    filename: Text | None = None
    size_bytes: Annotated[int, Field(ge=1)]
    sha256: HexSha256 | None = None
    manifest: ModelManifestIn


class AliasIn(In):
    """Where an alias is to be moved."""

    version: Word
    from_version: Word | None = None
    """Only if the alias names this version at this moment."""


class ModelVersionQuery(In):
    """Which version of a name; unset: all of them, and the name with them."""

    version: Word | None = None


class InputCostOut(Out):
    """What a model costs at one size of input."""

    input: str
    """Width x height."""
    cpu_ms: float
    """Median CPU milliseconds of one frame or clip, on one thread."""


class TrialOut(Out):
    """What the trial of a model measured."""

    inputs: list[InputCostOut]
    memory_mb: float
    """What the model adds to a process that runs it."""


class ModelVersionOut(Out):
    """One version of a model."""

    name: str
    version: str
    state: str
    """AWAITING_UPLOAD, UPLOADED, READY or REJECTED."""
    task: str
    adapter: str
    labels: list[str]
    licence: str
    source: str
    is_public: bool
    """Whether every tenant may use it; the others are the caller's own."""
    created_at: str | None = None
    """Of an own version."""
    ready_at: str | None = None
    filename: str | None = None
    size_bytes: int | None = None
    registered_by: str | None = None
    sha256: str | None = None
    """Of the file in canonical form, once it is READY: what a job pins."""
    score_floor: float | None = None
    score_default: float | None = None
    trial: TrialOut | None = None
    error: ErrorOut | None = None
    reasons: list[str] | None = None
    """Every reason why it was refused."""


class AliasMoveOut(Out):
    """Who let an alias name which version, and when."""

    version: str
    from_version: str | None = None
    moved_at: str
    moved_by: str


class AliasOut(Out):
    """A name of a version that can be moved."""

    alias: str
    version: str
    moves: list[AliasMoveOut]
    """The newest first, 20 at most."""


class NamedModelOut(Out):
    """Everything that one name stands for."""

    name: str
    versions: list[ModelVersionOut]
    """The newest first."""
    aliases: list[AliasOut]


class ModelCreatedOut(Out):
    """A new version of a model, and how to send its file; without `upload` when it is there already."""

    model: ModelVersionOut
    upload: UploadOut | None = None


class NamedModelEnvelope(Out):
    """One name."""

    model: NamedModelOut


class AliasEnvelope(Out):
    """One alias."""

    alias: AliasOut


class ModelsPage(Out):
    """A page of models by name and version; it may be short and still have a cursor."""

    items: list[ModelOut]
    next_cursor: str | None
