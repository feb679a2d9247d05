"""What decoding could not give: ranges of PTS that are left out whole, each with its cause."""

from __future__ import annotations

from bisect import bisect_right
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
        self._by_start: dict[Pts, DamagedRange] = {}

    def add(self, damaged: DamagedRange) -> None:
        """Record a range; the first cause of a range stays."""
        self._by_start.setdefault(damaged.start_pts, damaged)

    @property
    def ranges(self) -> tuple[DamagedRange, ...]:
        """All ranges, in order of time; they do not overlap."""
        return tuple(self._by_start[start] for start in sorted(self._by_start))

    def covers(self, pts: Pts) -> bool:
        """Whether a frame at `pts` is left out."""
        ranges = self.ranges
        position = bisect_right([damaged.start_pts for damaged in ranges], pts) - 1
        return position >= 0 and pts < ranges[position].end_pts
