"""The limits: bare libav, without anything of the product. What is below these cannot be had."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from bench.at_once import count_at_once
from bench.clock import Clock, Done, Variant


def decode(clock: Clock, *, clip: str, copies: str = "1") -> Done:
    """Demux and decode every frame, and do nothing with it: one thread for each of `copies` that run at once."""
    with clock:
        count = count_at_once(int(copies), lambda: sum(1 for _ in frames_of(clip)))
    return Done(count)


def decode_first_frame(clock: Clock, *, clip: str) -> Done:
    """From the first packet that is sent to the decoder, on one thread, to the first frame that comes out."""
    with _open_on_one_thread(clip) as opened:
        packets = opened.demux(opened.streams.video[0])
        packet = next(packets)
        with clock:
            started = time.perf_counter()
            while not packet.decode():
                packet = next(packets)
            seconds = time.perf_counter() - started
    return Done(1, {"first_frame_ms": seconds * 1000})


def read_segment_with_libav(clock: Clock, *, url: str, start_seconds: str, end_seconds: str) -> Done:
    """What a worker without a plan does: open the URL, seek, decode up to the end of the segment."""
    start, end = float(start_seconds), float(end_seconds)
    count = 0
    with clock, av.open(url) as opened:
        stream = opened.streams.video[0]
        assert stream.time_base is not None
        origin = stream.start_time or 0
        opened.seek(origin + round(start / stream.time_base), stream=stream)
        for frame in opened.decode(stream):
            assert frame.pts is not None
            seconds = float((frame.pts - origin) * stream.time_base)
            if seconds >= end:
                break
            count += seconds >= start
    return Done(count)


def open_with_libav(clock: Clock, *, url: str) -> Done:
    """What a planner without a parser does: let libav open the URL, and walk its index (which has no PTS)."""
    with clock, av.open(url) as opened:
        entries = opened.streams.video[0].index_entries
        keyframes = sum(1 for index in range(len(entries)) if entries[index].is_keyframe)
    return Done(1, {"keyframes": keyframes})


def span_of(clip: Path, start_seconds: float, end_seconds: float) -> int:
    """Bytes from the first to the end of the last packet of video in [start, end), sound in between included.

    As libav's demuxer places them, so that the product does not mark its own work.
    """
    first: int | None = None
    end = 0
    with av.open(str(clip)) as opened:
        stream = opened.streams.video[0]
        assert stream.time_base is not None
        origin = stream.start_time or 0
        opened.seek(max(0, origin + round((start_seconds - 1) / stream.time_base)), stream=stream)
        for packet in opened.demux(stream):
            if packet.pts is None or packet.pos is None:
                continue
            seconds = float((packet.pts - origin) * stream.time_base)
            if seconds >= end_seconds + 1:
                break
            # Half a frame of tolerance: bounds were rounded on their way here.
            if start_seconds - 0.01 <= seconds < end_seconds - 0.01:
                first = packet.pos if first is None else min(first, packet.pos)
                end = max(end, packet.pos + packet.size)
    if first is None:
        raise ValueError(f"{clip.name} has no packets between {start_seconds} s and {end_seconds} s")
    return end - first


def moov_bytes(clip: Path) -> int:
    """Size of the index of an MP4 file, its header included."""
    with clip.open("rb") as file:
        while head := file.read(8):
            size, kind = struct.unpack(">I4s", head)
            taken = 8
            if size == 1:
                (size,) = struct.unpack(">Q", file.read(8))
                taken = 16
            if kind == b"moov":
                return int(size)
            file.seek(size - taken, 1)
    raise ValueError(f"{clip.name} has no moov")


def frames_of(clip: str) -> Iterator[av.VideoFrame]:
    """Every frame, decoded on the thread that asks for it and on no other."""
    with _open_on_one_thread(clip) as opened:
        yield from opened.decode(video=0)


def _open_on_one_thread(clip: str) -> InputContainer:
    """The clip, whose decoder takes no thread of its own: left alone, libav takes one for each slice of a picture."""
    opened = av.open(clip)
    context: Any = opened.streams.video[0].codec_context
    context.thread_type, context.thread_count = "NONE", 1
    return opened


VARIANTS: Mapping[str, Variant] = {
    "decode": decode,
    "decode_first_frame": decode_first_frame,
    "read_segment_with_libav": read_segment_with_libav,
    "open_with_libav": open_with_libav,
}
