"""What decoding could not give: ranges of PTS that are left out whole, each with its cause."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.domain.media import Pts


class DamageCause(StrEnum):
    """Why a range is left out, as a person reads it."""

    UNDECODABLE = "a frame could not be decoded"
    CORRUPT = "a frame was decoded with errors"
    MISSING_BYTES = "the file ends before the bytes of a frame"
    MISSING_FRAMES = "fewer frames came out than the index states"
    CUT_OFF = "the file cannot be read to its end"


@dataclass(frozen=True, slots=True, order=True)
class DamagedRange:
    """A GOP, as PTS in [start_pts, end_pts), that is left out whole."""

    start_pts: Pts
    end_pts: Pts
    cause: DamageCause


class Damage:
    """Collects damaged ranges while frames are decoded.

    Frames of a GOP come before it is known whether the whole GOP is sound, so a consumer that is done with a decoder
    asks `covers(pts)` and drops what is covered. Ranges do not depend on how a video was cut into runs.
    """

    def __init__(self) -> None:
        self._ranges: list[DamagedRange] = []

    def add(self, damaged: DamagedRange) -> None:
        """Record a range that overlaps no other."""
        insort(self._ranges, damaged)

    @property
    def ranges(self) -> tuple[DamagedRange, ...]:
        """All ranges, in order of time."""
        return tuple(self._ranges)

    def covers(self, pts: Pts) -> bool:
        """Whether a frame at `pts` is left out."""
        position = bisect_right(self._ranges, pts, key=lambda damaged: damaged.start_pts) - 1
        return position >= 0 and pts < self._ranges[position].end_pts
