"""Files that are not what they should be, each made of a sound one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BOMB_WIDTH, BOMB_HEIGHT = 8192, 4608
"""5 % above the limit of 8192 × 4352 pixels."""

Maker = Callable[[dict[str, Path], Path], None]
"""Writes the file, given the corpus and where to."""


def from_bytes(content: bytes) -> Maker:
    return lambda _, target: void(target.write_bytes(content))


def cut(name: str, share: float) -> Maker:
    """The first `share` of a file."""

    def make(corpus: dict[str, Path], target: Path) -> None:
        content = corpus[name].read_bytes()
        target.write_bytes(content[: int(len(content) * share)])

    return make


def make_pixel_bomb(_: dict[str, Path], target: Path) -> None:
    """Few bytes that decode to a frame of hundreds of megabytes with all that a decoder needs beside it."""
    with av.open(str(target), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = BOMB_WIDTH, BOMB_HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "x264-params": "threads=1"}
        frame = av.VideoFrame(BOMB_WIDTH, BOMB_HEIGHT, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def make_lying_header(corpus: dict[str, Path], target: Path) -> None:
    """A header that states more pixels than there are."""
    content = corpus["h264_closed"].read_bytes()
    sizes = struct.pack(">HH", 160, 96)
    assert sizes in content
    target.write_bytes(content.replace(sizes, struct.pack(">HH", 65535, 65535), 1))


def make_audio_only(_: dict[str, Path], target: Path) -> None:
    with av.open(str(target), "w") as output:
        stream = output.add_stream("aac", rate=16000)
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, number * 1024, Fraction(1, 16000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def damage_frames(source: Path, target: Path, *, positions: range) -> None:
    """The file with the bytes of some frames, counted in order of decoding, made zero."""
    content = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        for packet in packets[positions.start : positions.stop]:
            assert packet.pos is not None
            content[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    target.write_bytes(content)


def make_large(clip: Path, target: Path, size_bytes: int) -> None:
    """The same video in a larger file: with a box at its end that players pass over."""
    content = clip.read_bytes()
    padding = size_bytes - len(content)
    target.write_bytes(content + struct.pack(">I", padding) + b"free" + bytes(padding - 8))


def void(_: object) -> None:
    """For lambdas whose value nobody wants."""
