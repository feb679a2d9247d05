"""What queries are asked of: rows, one for each detection, in the order of results."""

from __future__ import annotations

from typing import Protocol

from chalicelib.domain.media import Pts

SCORE_UNITS = 10_000
"""To a score of 1."""
BOX_UNITS = 16
"""To a pixel."""
Box = tuple[int, int, int, int]


class SeenRow(Protocol):
    """One detection."""

    @property
    def pts(self) -> Pts:
        """When."""
        ...

    @property
    def ordinal(self) -> int:
        """Which of the frames of that PTS."""
        ...

    @property
    def minus_score(self) -> int:
        """Ten-thousandths, negative."""
        ...

    @property
    def label(self) -> str:
        """What."""
        ...

    @property
    def box(self) -> Box:
        """Sixteenths of a pixel: left, top, right, bottom."""
        ...

    @property
    def model_index(self) -> int:
        """Which of the job's models."""
        ...

    @property
    def track_id(self) -> int:
        """0 = none."""
        ...

    @property
    def frame_index(self) -> int | None:
        """Rank of the frame among the shown ones; None until it is known."""
        ...
