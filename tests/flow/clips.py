"""Clips that are made of the demo clip."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TURNED_FRAMES = 75
QUARTER_TURN = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
"""The matrix of a track header by which a player turns frames by 90° clockwise. Source: ISO/IEC 14496-12, 8.3.2."""
MATRIX_OFFSET = 44
"""Of the matrix, from the type of a track header box of version 0."""


def make_turned(clip: Path, target: Path) -> None:
    """The first 3 s of a clip as a phone held upright stores them: coded lying on their side, shown upright."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height = source.streams.video[0].height, source.streams.video[0].width
        stream.pix_fmt = "yuv420p"
        stream.options = {
            "preset": "veryfast",
            "x264-params": "keyint=25:min-keyint=25:scenecut=0:threads=1:mbtree=0",
        }
        for number, frame in zip(range(TURNED_FRAMES), source.decode(video=0), strict=False):
            lying = np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24")))
            image = av.VideoFrame.from_ndarray(lying, format="rgb24")
            image.pts, image.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(image))
        output.mux(stream.encode(None))
    content = bytearray(target.read_bytes())
    start = content.index(b"tkhd") + MATRIX_OFFSET
    struct.pack_into(">9i", content, start, *QUARTER_TURN)
    target.write_bytes(content)


def remux(source: Path, target: Path, later_seconds: int = 0) -> None:
    """The same pictures in another container, and later."""
    with av.open(str(source)) as opened, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(opened.streams.video[0])
        for packet in opened.demux(video=0):
            if packet.dts is not None and packet.pts is not None and packet.time_base is not None:
                shift = int(later_seconds / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = stream
                output.mux(packet)
