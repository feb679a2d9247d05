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
MAX_WITHIN_SECONDS = 3600
GAP_SECONDS = 2
KEYFRAME_GAP_SECONDS = 20
"""Keyframes are rarely further apart than 10 s."""
Item = TypeVar("Item")


class SamplingKind(StrEnum):
    """The ways to choose frames."""

    EVERY_FRAME = "every_frame"
    PER_SECOND = "per_second"
    KEYFRAMES = "keyframes"


@dataclass(frozen=True, slots=True)
class Sampling:
    """A choice of frames.

    The JSON form is `{"kind": "every_frame"}`, `{"kind": "per_second", "n": 2}`, `{"kind": "keyframes"}` or
    `{"kind": "keyframes", "n": 2, "within_seconds": 0.5}`.
    """

    kind: SamplingKind = SamplingKind.EVERY_FRAME
    n: Fraction | None = None
    """Points per second of media time, at most `MAX_PER_SECOND`: 1/2 is one every two seconds. Needed for per_second;
    with keyframes it thins them out, and comes with `within_seconds`."""
    within_seconds: Fraction | None = None
    """How far a keyframe may be from the point that it stands for; points without one so near are skipped."""

    def __post_init__(self) -> None:
        needs_n = self.kind is SamplingKind.PER_SECOND or self.within_seconds is not None
        if needs_n != (self.n is not None):
            raise ValueError(f"n must be given for per_second, or with within_seconds, but got {self.kind}, n={self.n}")
        if self.within_seconds is not None and self.kind is not SamplingKind.KEYFRAMES:
            raise ValueError(f"within_seconds must be given for keyframes only but got {self.kind}")
        if self.n is not None and not 0 < self.n <= MAX_PER_SECOND:
            raise ValueError(f"n must be over 0 and at most {MAX_PER_SECOND} but got {self.n}")
        if self.within_seconds is not None and not 0 < self.within_seconds <= MAX_WITHIN_SECONDS:
            raise ValueError(
                f"within_seconds must be over 0 and at most {MAX_WITHIN_SECONDS} but got {self.within_seconds}"
            )

    @classmethod
    def from_json(cls, value: object) -> Sampling:
        """Read the JSON form. A number like 0.5 or 29.97 is taken as the decimal that it is written as.

        Raises:
            InvalidRequest: for anything else than these forms.
        """
        if not isinstance(value, Mapping) or value.get("kind") not in list(SamplingKind):
            raise InvalidRequest(f'sampling must be {{"kind": one of {", ".join(SamplingKind)}}} but got {value!r}')
        kind = SamplingKind(value["kind"])
        is_thinned = kind is SamplingKind.KEYFRAMES and set(value) != {"kind"}
        wanted_fields = {"kind"}
        if kind is SamplingKind.PER_SECOND or is_thinned:
            wanted_fields.add("n")
        if is_thinned:
            wanted_fields.add("within_seconds")
        if set(value) != wanted_fields:
            raise InvalidRequest(
                f"sampling {kind} must have the fields {sorted(wanted_fields)} but got {sorted(value)}"
            )
        n = _number(value, "n", MAX_PER_SECOND) if "n" in value else None
        within_seconds = _number(value, "within_seconds", MAX_WITHIN_SECONDS) if is_thinned else None
        return cls(kind, n, within_seconds)

    def to_json(self) -> dict[str, str | int | float]:
        """The JSON form; `from_json` gives back an equal value."""
        numbers = {"n": self.n, "within_seconds": self.within_seconds}
        return {"kind": self.kind.value} | {
            name: int(number) if number.denominator == 1 else float(number)
            for name, number in numbers.items()
            if number is not None
        }


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


def is_nearest_keyframe(
    sampling: Sampling, prev_pts: Pts | None, pts: Pts, next_pts: Pts | None, *, last_pts: Pts, timebase: Fraction
) -> bool:
    """Whether the keyframe at `pts` is one that the job looks at.

    Without `within_seconds` all are. With it, a keyframe is chosen when it is the nearest one to some grid point k/n
    seconds, from 0 to the last frame, and no further from it than `within_seconds`; at a tie the earlier is nearer.

    Args:
        sampling: the choice, of kind keyframes.
        prev_pts: PTS of the keyframe before this one, None when there is none.
        pts: PTS of this keyframe.
        next_pts: PTS of the keyframe after this one, None when there is none.
        last_pts: PTS of the last frame of the video.
        timebase: seconds per tick.
    """
    if sampling.n is None or sampling.within_seconds is None:
        return True
    step = 2 / (timebase * sampling.n)
    # Half ticks again; everything below is the number k of a grid point.
    reach = 2 * sampling.within_seconds / timebase
    first_near = math.ceil((2 * pts - reach) / step)
    last_near = math.floor((2 * pts + reach) / step)
    first_own = 0 if prev_pts is None else math.floor((prev_pts + pts) / step) + 1
    last_own = math.floor((2 * last_pts if next_pts is None else pts + next_pts) / step)
    return max(0, first_near, first_own) <= min(last_near, last_own)


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
        sampling: the choice; one of keyframes needs the whole video, and none of the arguments about its surroundings.
        timebase: seconds per tick.
        pts_of: gives the PTS of a frame.
        is_key: tells whether a frame is a keyframe.
        prev_pts: PTS of the shown frame just before the first one, None at the start of the video.
        next_pts: PTS of the shown frame just after the last one, None at the end of the video.
    """
    if sampling.kind is SamplingKind.KEYFRAMES:
        yield from _select_keyframes(frames, sampling, timebase, pts_of, is_key)
        return
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


@dataclass(slots=True)
class PointCount:
    """Counts the grid points that a sampling with `within_seconds` was asked for, and those that it could serve.

    Grid points are k/n seconds from 0 to before the end of the video.
    """

    covered: int = 0
    next_point: int = 0
    """The first k that no frame so far is near to, or was before."""

    def add(self, sampling: Sampling, pts: Pts, end_pts: Pts, timebase: Fraction) -> None:
        """Count the points that the sampled frame at `pts` is near to; frames come in order of time."""
        assert sampling.n is not None
        assert sampling.within_seconds is not None
        step, reach = 1 / (timebase * sampling.n), sampling.within_seconds / timebase
        first = max(self.next_point, math.ceil((pts - reach) / step))
        after = min(points_before(sampling, end_pts, timebase), math.floor((pts + reach) / step) + 1)
        self.covered += max(0, after - first)
        self.next_point = max(self.next_point, after)


def points_before(sampling: Sampling, end_pts: Pts, timebase: Fraction) -> int:
    """How many grid points k/n seconds lie before `end_pts`, from 0 on."""
    assert sampling.n is not None
    return max(0, math.ceil(end_pts * timebase * sampling.n))


def _select_keyframes(
    frames: Iterable[Item],
    sampling: Sampling,
    timebase: Fraction,
    pts_of: Callable[[Item], Pts],
    is_key: Callable[[Item], bool],
) -> Iterator[Item]:
    """The chosen keyframes of a whole video; holds one back until the next."""
    held: list[Item] = []
    prev_pts: Pts | None = None
    last_pts = 0
    for frame in frames:
        last_pts = pts_of(frame)
        if not is_key(frame):
            continue
        if held:
            pts = pts_of(held[0])
            if is_nearest_keyframe(sampling, prev_pts, pts, last_pts, last_pts=last_pts, timebase=timebase):
                yield held[0]
            prev_pts = pts
        held[:] = [frame]
    if held and is_nearest_keyframe(sampling, prev_pts, pts_of(held[0]), None, last_pts=last_pts, timebase=timebase):
        yield held[0]


def _number(form: Mapping[str, object], name: str, most: int) -> Fraction:
    number = _fraction_of(form[name])
    if number is None or not 0 < number <= most:
        raise InvalidRequest(f"sampling {name} must be a number over 0 and at most {most} but got {form[name]!r}")
    return number


def _fraction_of(value: object) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        return Fraction(Decimal(str(value)))
    except (InvalidOperation, ValueError, OverflowError):
        return None


def gap_seconds(sampling: Sampling) -> Fraction:
    """The longest pause within an appearance: two samples may always be neighbours."""
    if sampling.kind is SamplingKind.KEYFRAMES:
        return Fraction(KEYFRAME_GAP_SECONDS)
    return max(Fraction(GAP_SECONDS), 2 / sampling.n) if sampling.n else Fraction(GAP_SECONDS)
