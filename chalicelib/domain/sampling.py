"""Sampling: which frames of a video a job looks at, decided from PTS alone: every cut of it chooses the same frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from typing import TypeVar

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.media import Pts

MAX_PER_SECOND = 1000
Item = TypeVar("Item")


class SamplingKind(StrEnum):
    """The ways to choose frames."""

    EVERY_FRAME = "every_frame"
    PER_SECOND = "per_second"
    KEYFRAMES = "keyframes"


@dataclass(frozen=True, slots=True)
class Sampling:
    """A choice of frames.

    The JSON form is `{"kind": "every_frame"}`, `{"kind": "per_second", "n": 2}` or `{"kind": "keyframes"}`.
    """

    kind: SamplingKind = SamplingKind.EVERY_FRAME
    n: Fraction | None = None
    """Frames per second of media time, at most `MAX_PER_SECOND`; only for per_second. 1/2 is one every two seconds."""

    def __post_init__(self) -> None:
        if (self.kind is SamplingKind.PER_SECOND) != (self.n is not None):
            raise ValueError(f"n must be given for per_second and for nothing else but got {self.kind} with n={self.n}")
        if self.n is not None and not 0 < self.n <= MAX_PER_SECOND:
            raise ValueError(f"n must be over 0 and at most {MAX_PER_SECOND} but got {self.n}")

    @classmethod
    def from_json(cls, value: object) -> Sampling:
        """Read the JSON form. A number like 0.5 or 29.97 is taken as the decimal that it is written as.

        Raises:
            InvalidRequest: for anything else than the three forms.
        """
        if not isinstance(value, Mapping) or value.get("kind") not in list(SamplingKind):
            raise InvalidRequest(f'sampling must be {{"kind": one of {", ".join(SamplingKind)}}} but got {value!r}')
        kind = SamplingKind(value["kind"])
        wanted_fields = {"kind", "n"} if kind is SamplingKind.PER_SECOND else {"kind"}
        if set(value) != wanted_fields:
            raise InvalidRequest(
                f"sampling {kind} must have the fields {sorted(wanted_fields)} but got {sorted(value)}"
            )
        if kind is not SamplingKind.PER_SECOND:
            return cls(kind)
        n = _fraction_of(value["n"])
        if n is None or not 0 < n <= MAX_PER_SECOND:
            raise InvalidRequest(
                f"sampling n must be a number over 0 and at most {MAX_PER_SECOND} but got {value['n']!r}"
            )
        return cls(kind, n)

    def to_json(self) -> dict[str, str | int | float]:
        """The JSON form; `from_json` gives back an equal value."""
        if self.n is None:
            return {"kind": self.kind.value}
        return {"kind": self.kind.value, "n": int(self.n) if self.n.denominator == 1 else float(self.n)}


def is_sampled(
    sampling: Sampling, prev_pts: Pts | None, pts: Pts, next_pts: Pts | None, *, is_key: bool, timebase: Fraction
) -> bool:
    """Whether the frame at `pts` is one that the job looks at.

    per_second chooses, for every grid point k/n seconds (k = 0, 1, 2, …) of the unshifted timeline, the frame with the
    nearest PTS; at a tie the earlier. So a frame is chosen when a grid point falls in (middle between it and the one
    before, middle between it and the one after]. The first frame also takes the points before it; the grid ends with
    the PTS of the last.

    Args:
        sampling: the choice.
        prev_pts: PTS of the shown frame before this one, None when there is none.
        pts: PTS of this frame.
        next_pts: PTS of the shown frame after this one, None when there is none.
        is_key: whether it is a keyframe.
        timebase: seconds per tick.
    """
    if sampling.kind is SamplingKind.EVERY_FRAME:
        return True
    if sampling.kind is SamplingKind.KEYFRAMES:
        return is_key
    assert sampling.n is not None
    # Counted in half ticks, so that the middle of two frames is a whole number; grid point k lies at k * step.
    step = 2 / (timebase * sampling.n)
    first_point = 0 if prev_pts is None else max(0, math.floor((prev_pts + pts) / step) + 1)
    if next_pts is None:
        return prev_pts is None or first_point * step <= 2 * pts
    return first_point <= math.floor((pts + next_pts) / step)


def select_sampled(
    frames: Iterable[Item],
    sampling: Sampling,
    timebase: Fraction,
    *,
    pts_of: Callable[[Item], Pts],
    is_key: Callable[[Item], bool],
    prev_pts: Pts | None = None,
    next_pts: Pts | None = None,
) -> Iterator[Item]:
    """The sampled ones of `frames`, which come in presentation order; holds one frame back to look ahead.

    Args:
        frames: in presentation order.
        sampling: the choice.
        timebase: seconds per tick.
        pts_of: gives the PTS of a frame.
        is_key: tells whether a frame is a keyframe.
        prev_pts: PTS of the shown frame just before the first one, None at the start of the video.
        next_pts: PTS of the shown frame just after the last one, None at the end of the video.
    """
    held: list[Item] = []
    for frame in frames:
        if held:
            if is_sampled(
                sampling, prev_pts, pts_of(held[0]), pts_of(frame), is_key=is_key(held[0]), timebase=timebase
            ):
                yield held[0]
            prev_pts = pts_of(held[0])
        held[:] = [frame]
    if held and is_sampled(sampling, prev_pts, pts_of(held[0]), next_pts, is_key=is_key(held[0]), timebase=timebase):
        yield held[0]


def _fraction_of(value: object) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        return Fraction(Decimal(str(value)))
    except (InvalidOperation, ValueError, OverflowError):
        return None
