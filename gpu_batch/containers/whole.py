"""Reading a container as a whole, through libav's own demuxer: for everything that has no sample table."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import av

from chalicelib.domain.media import Media, MediaLimits, Pts
from gpu_batch.containers.boxes import malformed
from gpu_batch.containers.limits import check_duration, check_pixels
from gpu_batch.containers.rotation import quarter_turn_of_side_data
from gpu_batch.containers.sniff import SNIFF_BYTES, Container, sniff_container
from gpu_batch.containers.stated_size import is_cut_off
from gpu_batch.containers.untrusted import LIBAV_ESCAPES, first_video_stream, open_untrusted
from gpu_batch.errors import BadInput, Passing
from gpu_batch.video.damage import Damage, DamageCause, DamagedRange
from gpu_batch.video.decode import Frame
from gpu_batch.video.source import Source


class Rational(Protocol):
    """A timebase: `Fraction` in PyAV 18, a type of its own from 19 on."""

    @property
    def numerator(self) -> int:
        """Above the line."""

    @property
    def denominator(self) -> int:
        """Below the line."""


MAX_FAILURES_IN_A_ROW = 10_000
"""Reads that libav may fail at in a row before the rest is given up: a broken file must not be read for ever."""


@dataclass(frozen=True, slots=True)
class WholeFacts:
    """What libav says of a container, and its first frame."""

    media: Media
    first: Frame
    end_pts: Pts
    """About where the timeline ends."""


def probe_whole(source: Source, container: Container, limits: MediaLimits) -> WholeFacts:
    """The facts that libav finds, proved by the first frame.

    Raises:
        BadInput: NO_VIDEO_STREAM, UNSUPPORTED_CODEC, RESOURCE_LIMIT, or MALFORMED when no frame comes out.
    """
    with open_untrusted(source, container, limits) as opened:
        stream = first_video_stream(opened)
        codec = stream.codec_context
        check_pixels(codec.width, codec.height, limits)
        timebase = fraction_of(stream.time_base)
        duration_ticks = _stated_duration(opened, stream)
        check_duration(float(duration_ticks * timebase), limits)
        frame = next(_frames(opened, stream, _Gops()), None)
        if frame is None:
            raise malformed("no frame of the video can be decoded")
        check_pixels(frame.image.width, frame.image.height, limits)
        rotation = _rotation_of(frame.image)
        size = (frame.image.width, frame.image.height)
        width, height = size if rotation in (0, 180) else size[::-1]
        media = Media(
            container=container.name,
            codec=codec.codec.canonical_name,
            width=width,
            height=height,
            rotation=rotation,
            timebase=timebase,
            duration_seconds=float(duration_ticks * timebase),
            frame_count=None,
            keyframes=0,
        )
        return WholeFacts(media, frame, frame.pts + max(1, duration_ticks))


def decode_whole(source: Source, limits: MediaLimits, damage: Damage) -> Iterator[Frame]:
    """Every frame of the video in a single pass, in the order in which libav shows them.

    Times that are missing are made up so that they rise. A frame may come before its GOP turns out damaged: ask
    `damage` after the last frame, and drop what it covers.

    Raises:
        BadInput: not one frame comes out.
        Passing: the source failed.
    """
    container = sniff_container(source.read(0, SNIFF_BYTES))
    gops = _Gops()
    with open_untrusted(source, container, limits) as opened:
        stream = first_video_stream(opened)
        duration_ticks = _stated_duration(opened, stream)
        yield from _frames(opened, stream, gops)
    if gops.end is None:
        raise malformed("no frame of the video can be decoded")
    if is_cut_off(source, container):
        gops.add_missing_end(duration_ticks)
    gops.report(damage)


def fraction_of(timebase: Rational) -> Fraction:
    """A timebase of PyAV, which is no `Fraction` any more from PyAV 19 on, as one.

    Raises:
        BadInput: it is not positive.
    """
    if timebase.numerator <= 0 or timebase.denominator <= 0:
        raise malformed(f"the stream's timebase must be positive but is {timebase}")
    return Fraction(timebase.numerator, timebase.denominator)


def _stated_duration(opened: av.container.InputContainer, stream: av.VideoStream) -> int:
    """Ticks of the stream's timebase that the container says it lasts; 0 when it does not say."""
    return stream.duration or int((opened.duration or 0) / (av.time_base * fraction_of(stream.time_base)))


def _rotation_of(image: av.VideoFrame) -> int:
    matrix = image.side_data.get("DISPLAYMATRIX")
    return quarter_turn_of_side_data(bytes(matrix)) if matrix is not None else 0


class _Gops:
    """Keyframes and troubles as they pass by; which GOPs are damaged is clear only at the end."""

    def __init__(self) -> None:
        self.starts = array("q")
        self.troubles: dict[Pts, DamageCause] = {}
        self.end: Pts | None = None

    def add_missing_end(self, duration_ticks: int) -> None:
        """Count what the file was cut off before as one more GOP, from the last frame that came to the stated end."""
        assert self.end is not None
        self.starts.append(self.end)
        self.troubles.setdefault(self.end, DamageCause.CUT_OFF)
        self.end = max(self.end + 1, min(self.starts) + duration_ticks)

    def report(self, damage: Damage) -> None:
        """Name the GOPs that troubles fall in, each by its first."""
        assert self.end is not None
        starts = sorted({min([*self.starts, *self.troubles]), *self.starts})
        ends = [*starts[1:], max(self.end, starts[-1] + 1, *(pts + 1 for pts in self.troubles))]
        cause_by_gop: dict[int, DamageCause] = {}
        for pts in sorted(self.troubles):
            cause_by_gop.setdefault(bisect_right(starts, pts) - 1, self.troubles[pts])
        for index, cause in cause_by_gop.items():
            damage.add(DamagedRange(starts[index], ends[index], cause))


def _frames(opened: av.container.InputContainer, stream: av.VideoStream, gops: _Gops) -> Iterator[Frame]:
    clock = _Clock(stream)
    last_pts: Pts | None = None
    for frames, packet_pts, cause in _decoded(opened, stream):
        if cause is not None:
            at = packet_pts if packet_pts is not None else (last_pts + 1 if last_pts is not None else 0)
            gops.troubles.setdefault(at, cause)
        for image in frames:
            pts, ordinal, duration = clock.place(image)
            last_pts = pts
            gops.end = max(gops.end or pts + 1, pts + duration)
            # libav calls some frames keyframes that it decoded with errors: those start nothing sound.
            if (image.key_frame and not image.is_corrupt) or not gops.starts:
                gops.starts.append(pts)
            if image.is_corrupt:
                gops.troubles.setdefault(pts, DamageCause.CORRUPT)
            else:
                yield Frame(pts, ordinal, bool(image.key_frame), image)


def _decoded(
    opened: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[tuple[list[av.VideoFrame], Pts | None, DamageCause | None]]:
    """By packet: the frames that came out, its time, and what went wrong."""
    packets = opened.demux(stream)
    failures = 0
    while failures < MAX_FAILURES_IN_A_ROW:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (BadInput, Passing):
            raise
        except LIBAV_ESCAPES:
            yield [], None, DamageCause.CUT_OFF
            break
        pts = packet.pts if packet.pts is not None else packet.dts
        cause = DamageCause.CORRUPT if packet.is_corrupt else None
        try:
            frames = list(stream.decode(packet))
            failures = 0
        except LIBAV_ESCAPES:
            frames, cause, failures = [], DamageCause.UNDECODABLE, failures + 1
        yield frames, pts, cause
    try:
        yield list(stream.decode(None)), None, None
    except LIBAV_ESCAPES:
        yield [], None, DamageCause.UNDECODABLE


class _Clock:
    """Gives each frame its identity: its PTS, made up when it has none, and how many came before it with the same."""

    def __init__(self, stream: av.VideoStream) -> None:
        timebase = fraction_of(stream.time_base)
        rate = stream.average_rate
        self._step = max(1, round(1 / (Fraction(rate.numerator, rate.denominator) * timebase))) if rate else 1
        self._next: Pts = 0
        self._seen = array("q")
        self._repeats: Counter[Pts] | None = None

    def place(self, image: av.VideoFrame) -> tuple[Pts, int, int]:
        """PTS, ordinal and duration of the next frame."""
        pts = image.pts if image.pts is not None else self._next
        duration = image.duration or self._step
        ordinal = 0
        if self._repeats is None and self._seen and pts <= self._seen[-1]:
            # Only now must every time be remembered by count: nearly all videos never come here.
            self._repeats = Counter(self._seen)
        if self._repeats is None:
            self._seen.append(pts)
        else:
            ordinal = self._repeats[pts]
            self._repeats[pts] += 1
        self._next = pts + duration
        return pts, ordinal, duration
