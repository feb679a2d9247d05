"""The recipe of a model: what its owner says about a network that the file itself does not say.

JSON, in the record of a model and in the order of its admission. `docs/models.md` tells what each field means; a field
that is left out takes the usual value of the adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from chalicelib.domain.models import ModelTask, ResizePolicy

TASK_BY_ADAPTER = {
    "yolox": ModelTask.DETECTION,
    "yolov8": ModelTask.DETECTION,
    "detr": ModelTask.DETECTION,
    "ssd": ModelTask.DETECTION,
    "nanodet": ModelTask.DETECTION,
    "logits": ModelTask.CLASSIFICATION,
    "clip-logits": ModelTask.CLIP_CLASSIFICATION,
}
"""What the compiler has an adapter for; a test compares."""
NO_LICENCE = "NOASSERTION"
"""Source: SPDX, for what nothing is said of."""


@dataclass(frozen=True, slots=True)
class ModelRecipe:
    """See the module's docstring."""

    name: str
    version: str
    adapter: str
    labels: tuple[str | None, ...]
    """Of each column of the scores, in the network's order; None for a column that is left out."""
    policy: str = ResizePolicy.LETTERBOX
    shapes: tuple[tuple[int, int | None], ...] = ()
    """Input shapes (width, height; height None: by aspect); empty for the shape that the network has."""
    multiple: int = 32
    channel_order: str | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    activation: str | None = None
    score_floor: float | None = None
    score_default: float | None = None
    nms_iou: float | None = None
    max_detections: int = 100
    clip_frames: int | None = None
    outputs: tuple[str, ...] = ()
    decoded: bool | None = None
    strides: tuple[int, ...] | None = None
    cell_centre: float | None = None
    box_form: str | None = None
    anchors: tuple[tuple[float, ...], ...] | None = None
    variances: tuple[float, ...] | None = None
    licence: str = NO_LICENCE
    source: str = ""

    @property
    def task(self) -> ModelTask:
        """What a model with this adapter answers."""
        return TASK_BY_ADAPTER[self.adapter]

    def to_json(self) -> dict[str, Any]:
        """What differs from what is usual."""
        usual = {field.name: field.default for field in fields(self)}
        return {name: _plain(value) for name, value in asdict(self).items() if value != usual[name]}

    @staticmethod
    def from_json(form: Mapping[str, Any]) -> ModelRecipe:
        """The recipe that `to_json` wrote."""
        return ModelRecipe(**{name: _frozen(value) for name, value in form.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    # Enums as their wire strings.
    return str(value) if isinstance(value, str) else value


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
