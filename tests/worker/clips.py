"""Small H.264 clips with a keyframe every 12 frames, 25 frames a second."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import av

from tests.video.corpus import HEIGHT, TICKS_PER_FRAME, TIMEBASE, WIDTH, picture, x264

GOP = 12


@cache
def make_clip(frames: int = 60, container: str = "mp4") -> bytes:
    """A clip as the bytes of its file."""
    target = io.BytesIO()
    with av.open(target, "w", format=container) as output:
        stream: Any = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = x264(f"keyint={GOP}:min-keyint={GOP}")
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = TIMEBASE
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24").reformat(format="yuv420p")
            frame.time_base, frame.pts = TIMEBASE, index * TICKS_PER_FRAME
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return target.getvalue()


def damage_frame(clip: bytes, number: int) -> bytes:
    """The clip with the bytes of packet `number` overwritten, headers of its slices included."""
    with av.open(io.BytesIO(clip), "r") as opened:
        packets = [packet for packet in opened.demux(video=0) if packet.pos is not None and packet.size]
    packet = packets[number]
    assert packet.pos is not None
    start = packet.pos + 4
    return clip[:start] + b"\xff" * (packet.size - 4) + clip[packet.pos + packet.size :]
