"""What goes into the fold and what comes out: the rows of one frame, and their track ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FrameKey: TypeAlias = str | int | tuple[str | int, ...]
"""The caller's name of a frame, handed back with its ids."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameRows:
    """The detections of one frame, in an order that is always the same for it: new tracks are numbered by it."""

    pts: int
    ordinal: int
    labels: NDArray[Any]
    """Integers (n,)."""
    scores: NDArray[np.float64]
    """float64 (n,), 0 to 1."""
    boxes: NDArray[np.float64]
    """float64 (n, 4) xyxy in pixels of the frame as shown."""
    key: FrameKey

    def __post_init__(self) -> None:
        count = len(self.labels)
        if self.labels.shape != (count,) or self.scores.shape != (count,) or self.boxes.shape != (count, 4):
            raise ValueError(
                "labels, scores and boxes must be (n,), (n,) and (n, 4) but got "
                f"{self.labels.shape}, {self.scores.shape} and {self.boxes.shape}"
            )
        if not (np.isfinite(self.scores).all() and np.isfinite(self.boxes).all()):
            raise ValueError(f"scores and boxes must be finite but those of frame {self.key!r} are not")


@dataclass(frozen=True, slots=True, eq=False)
class FrameTracks:
    """The settled track ids of one frame, row for row; they never change again."""

    key: FrameKey
    ids: NDArray[np.int64]
    """int64 (n,); 0 = on no track."""
