"""What the compiler is told about a network that the file itself does not say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from chalicelib.domain.models import ResizePolicy


class ChannelOrder(StrEnum):
    """The order in which a network takes the colours of a pixel."""

    RGB = "rgb"
    BGR = "bgr"
    """As OpenCV reads pictures."""


class Activation(StrEnum):
    """What turns a network's numbers into scores of 0..1."""

    NONE = "none"
    """They are scores already."""
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"


class BoxForm(StrEnum):
    """What the four numbers of a finished box are, as parts of the input's sides (0..1)."""

    XYXY = "xyxy"
    YXYX = "yxyx"
    CXCYWH = "cxcywh"


@dataclass(frozen=True, slots=True)
class Pixels:
    """The numbers that a network takes: (level * scale - mean) / deviation, for levels of 0..255."""

    channel_order: ChannelOrder
    scale: float
    mean: tuple[float, ...]
    """One for each channel, in `channel_order`."""
    deviation: tuple[float, ...]
    """Likewise."""


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """What some adapters have to know of the heads; None stands for what the usual exporter does."""

    decoded: bool | None = None
    """yolox: the export put the boxes into pixels already."""
    strides: tuple[int, ...] | None = None
    """yolox, nanodet: pixels per cell of each level, in the order of the output."""
    cell_centre: float | None = None
    """nanodet: where in a cell distances start, in cells: 0 (NanoDet-Plus) or 0.5 (before)."""
    box_form: BoxForm | None = None
    """ssd: what boxes are when there are no anchors."""
    anchors: npt.NDArray[np.float32] | None = None
    """ssd: float32 (A, 4) cx, cy, w, h in 0..1; with them, boxes are codes (dx, dy, log w, log h)."""
    variances: tuple[float, float] | None = None
    """ssd: what the codes of centre and size were divided by."""

    def given(self) -> list[str]:
        """The names of the options that were set."""
        return [name for name in self.__dataclass_fields__ if getattr(self, name) is not None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that is said about one network; defaults of the adapter filled in."""

    name: str
    version: str
    adapter: str
    columns: tuple[str | None, ...]
    """The label of each column of the scores, in the network's order; None for a column that is left out."""
    policy: ResizePolicy
    sizes: tuple[tuple[int, int | None], ...]
    """Input shapes (width, height; height None: by aspect); empty for the shape that the network has."""
    multiple: int
    pixels: Pixels
    activation: Activation
    score_floor: float
    score_default: float
    nms_iou: float
    max_detections: int
    clip_frames: int | None
    """Frames of a clip, where the network leaves it open."""
    outputs: tuple[str, ...]
    """Which outputs of the network to read; empty for all."""
    head: HeadOptions
    licence: str
    source: str

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the manifest has, in the order of the columns that are kept."""
        return tuple(label for label in self.columns if label is not None)


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody said about a network; None stands for what the usual exporter of the adapter does."""

    name: str
    version: str
    columns: tuple[str | None, ...]
    policy: ResizePolicy
    sizes: tuple[tuple[int, int | None], ...]
    multiple: int
    channel_order: ChannelOrder | None
    scale: float | None
    mean: tuple[float, ...] | None
    deviation: tuple[float, ...] | None
    activation: Activation | None
    score_floor: float | None
    score_default: float | None
    nms_iou: float | None
    max_detections: int
    clip_frames: int | None
    outputs: tuple[str, ...]
    head: HeadOptions
    licence: str
    source: str
