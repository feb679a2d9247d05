"""A proxy: an H.264 MP4 of a video that every browser plays, with every frame at its time; without sound.

The track's clock is that of the source, and the first frame is at zero: all PTS are those of the source, less the
first one, to the tick. An empty edit before it would keep them as they are, but Chromium takes the length without it
for the whole, and lets nobody seek behind that. A keyframe comes every two seconds, so that a player finds any frame
quickly; the index lies in front.

Frames that come with times out of order, as some AVI files have them, are put where their times say: there results are
drawn.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from chalicelib.contracts.work_order import OrderedMedia
from chalicelib.domain.errors import ErrorCode, Failure
from chalicelib.domain.jobs import MissingRange, join_missing
from chalicelib.domain.media import Pts
from chalicelib.domain.renditions import proxy_size
from gpu_batch.containers.boxes import malformed
from gpu_batch.frames import RunFrames
from gpu_batch.mp4 import Encoder, new_mp4
from gpu_batch.pictures import Size, matrix_of, to_yuv
from gpu_batch.source_frames import frames_of_run
from gpu_batch.video.damage import DamagedRange

KEYFRAME_SECONDS = 2
REORDERED_FRAMES = 16
"""How far a frame may come from its place. Source: H.264 and HEVC reorder no more."""
CODEC_OPTIONS = {
    "crf": "24",
    "preset": "veryfast",
    # Keyframes come by time; this only bounds what x264 does by itself.
    "g": "600",
    "forced-idr": "1",
}
DAMAGE_HINT = "Upload the file again from its origin; what is sound of it was kept"


@dataclass(frozen=True, slots=True)
class ProxyFacts:
    """What was written."""

    size: Size
    frames: int
    timebase: Fraction
    """Of the file's track."""
    first_pts: Pts
    """Of the first frame by the source's clock, in ticks of `timebase`."""
    missing: tuple[MissingRange, ...]
    """Ranges of which frames may be missing."""


@dataclass(frozen=True, slots=True)
class _Picture:
    """A frame as it is encoded."""

    ticks: Pts
    """By the source's clock, on the track's timebase."""
    image: av.VideoFrame


def write_proxy(
    runs: Iterable[RunFrames],
    media: OrderedMedia,
    end_pts: Pts | None,
    height_max: int,
    path: Path,
    check: Callable[[], None],
) -> ProxyFacts:
    """Write the proxy of the runs of a video; `end_pts` is when its last frame ends, None where nobody knows.

    Frames that repeat a time are left out. What is damaged is not decoded, and stated.

    Raises:
        BadInput: MALFORMED, there is not one frame.
    """
    size, source_timebase = proxy_size(media.width, media.height, height_max), Fraction(media.timebase)
    # A track has whole ticks in a second.
    timebase = Fraction(1, source_timebase.denominator)
    damaged: list[DamagedRange] = []

    def pictures() -> Iterator[_Picture]:
        for run in runs:
            check()
            for frame in frames_of_run(run, check):
                image = to_yuv(frame.image, size, media.rotation, media.height)
                yield _Picture(frame.pts * source_timebase.numerator, image)
            damaged.extend(run.damage.ranges)

    # By default the muxer would take another clock for the track, and milliseconds for its edit.
    scale = str(timebase.denominator)
    with new_mp4(path, {"video_track_timescale": scale, "movie_timescale": scale}) as container:
        encoder = Encoder(container, size, timebase, matrix_of(media.height), CODEC_OPTIONS)
        # A sample table has frames in order.
        ordered = pictures() if media.table_key else _in_order(pictures())
        first, last = _encode(encoder, ordered, timebase)
        end = None if end_pts is None else end_pts * source_timebase.numerator
        encoder.finish(max(0, end - last) if end is not None else 0)
    return ProxyFacts(size, encoder.frames, timebase, first, _missing(damaged, source_timebase))


def _encode(encoder: Encoder, pictures: Iterable[_Picture], timebase: Fraction) -> tuple[Pts, Pts]:
    """Encode them; the ticks of the first and the last one."""
    first: Pts | None = None
    key_at: Pts | None = None
    for picture in pictures:
        if first is None:
            first = picture.ticks
        ticks = picture.ticks - first
        if not encoder.is_later(ticks):
            continue
        is_key = _is_key_due(key_at, encoder.last_pts, ticks, timebase)
        key_at = ticks if is_key else key_at
        encoder.write(picture.image, ticks, 0, is_key=is_key)
    if first is None or encoder.last_pts is None:
        raise malformed("no frame of the video can be decoded")
    return first, encoder.last_pts + first


def _in_order(pictures: Iterable[_Picture]) -> Iterator[_Picture]:
    """The pictures in order of time, as far as they come near their places."""
    held: list[_Picture] = []
    for picture in pictures:
        insort(held, picture, key=lambda one: one.ticks)
        if len(held) > REORDERED_FRAMES:
            yield held.pop(0)
    yield from held


def _is_key_due(key_at: Pts | None, last: Pts | None, ticks: Pts, timebase: Fraction) -> bool:
    """Whether the next frame, if it comes as soon as this one did, would be too far from the last keyframe."""
    if key_at is None or last is None:
        return True
    return (ticks + (ticks - last) - key_at) * timebase > KEYFRAME_SECONDS


def _missing(damaged: Iterable[DamagedRange], timebase: Fraction) -> tuple[MissingRange, ...]:
    return join_missing(
        MissingRange(
            float(gap.start_pts * timebase),
            float(gap.end_pts * timebase),
            Failure(ErrorCode.DAMAGED_RANGES, gap.cause.value, DAMAGE_HINT),
        )
        for gap in sorted(damaged)
    )
