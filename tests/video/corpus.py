"""Small odd videos, made with PyAV: every timeline and container trick that exact reading has to survive.

`make_corpus(folder)` writes each file once and gives `{name: path}`; the frames are synthetic.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import av
import numpy as np

from gpu_batch.video.nal_units import nal_units
from tests.video.matroska import Storage, hide_frames, restore
from tests.video.muxer import Edit, Stream, Style, box, mux_fragments, mux_plain, take_stream

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes its settings to the terminal otherwise

WIDTH, HEIGHT = 160, 96
TIMEBASE = Fraction(1, 12800)
TICKS_PER_FRAME = 512
"""25 frames a second."""


@dataclass(frozen=True)
class Recipe:
    """How one file is encoded: everything that is not said is an ordinary 25 fps H.264 MP4."""

    file_name: str
    codec: str = "libx264"
    frames: int = 96
    gop: int = 24
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    pixel_format: str = "yuv420p"
    codec_tag: str | None = None
    pts: Callable[[int], int] = lambda index: index * TICKS_PER_FRAME
    with_audio: bool = False
    width: int = WIDTH
    audio_is_first: bool = False
    """The sound is the first track."""
    encoder_timebase: Fraction = TIMEBASE


SAME_264 = "threads=1:mbtree=0"
"""The same bytes each time: macroblock trees differ now and then, for reasons of libx264."""
SAME_FILE = {"fflags": "+bitexact"}
"""Matroska draws the numbers of its tracks at random otherwise."""


def x264(params: str) -> dict[str, str]:
    """Options of libx264 with `params` on top of a fixed, scene-cut-free B-frame set-up."""
    return {"preset": "veryfast", "x264-params": f"scenecut=0:bframes=3:{SAME_264}:{params}"}


def x265(params: str) -> dict[str, str]:
    """Options of libx265, the same way."""
    return {"preset": "ultrafast", "x265-params": f"log-level=none:scenecut=0:bframes=3:pools=none:{params}"}


OPEN_264 = x264("keyint=24:min-keyint=24:open-gop=1")
OPEN_265 = x265("keyint=24:min-keyint=24:open-gop=1")
MPEG4_OPTIONS = {"bf": "2", "qscale": "5", "g": "24", "sc_threshold": "1000000000"}

RECIPES = {
    "h264_closed": Recipe("h264_closed.mp4", options=x264("keyint=24:min-keyint=24"), with_audio=True),
    "h264_faststart": Recipe(
        "h264_faststart.mp4",
        options=x264("keyint=24:min-keyint=24"),
        container_options={"movflags": "faststart"},
        with_audio=True,
    ),
    "h264_long_gop": Recipe("h264_long_gop.mp4", frames=150, options=x264("keyint=60:min-keyint=60")),
    "h264_gop_250": Recipe("h264_gop_250.mp4", frames=600, options=x264("keyint=250:min-keyint=250")),
    "h264_open": Recipe("h264_open.mp4", options=OPEN_264),
    "h264_open_pyramid": Recipe(
        "h264_open_pyramid.mp4",
        options=x264("keyint=24:min-keyint=24:open-gop=1:bframes=7:b-adapt=0:b-pyramid=normal:ref=4:weightp=2"),
    ),
    "h264_short_gops": Recipe("h264_short_gops.mp4", frames=200, options=x264("keyint=4:min-keyint=4")),
    "h264_short_open_gops": Recipe(
        "h264_short_open_gops.mp4", frames=200, options=x264("keyint=5:min-keyint=5:open-gop=1:b-adapt=0")
    ),
    "h264_audio_first": Recipe(
        "h264_audio_first.mp4", options=x264("keyint=24:min-keyint=24"), with_audio=True, audio_is_first=True
    ),
    "h264_mov": Recipe("h264_mov.mov", options=x264("keyint=24:min-keyint=24")),
    "h264_interlaced": Recipe("h264_interlaced.mp4", options=x264("keyint=24:min-keyint=24:tff=1")),
    "h264_one_keyframe": Recipe("h264_one_keyframe.mp4", frames=40, options=x264("keyint=250:min-keyint=250")),
    "h264_one_frame": Recipe("h264_one_frame.mp4", frames=1, options=x264("keyint=24:min-keyint=24")),
    "h264_negative_cts": Recipe(
        "h264_negative_cts.mp4",
        options=x264("keyint=24:min-keyint=24"),
        container_options={"movflags": "negative_cts_offsets"},
    ),
    "h264_vfr": Recipe(
        "h264_vfr.mp4",
        options=x264("keyint=24:min-keyint=24"),
        pts=lambda index: index * TICKS_PER_FRAME + (index * index * 37) % 450,
    ),
    "h264_main_profile": Recipe(
        "h264_main_profile.mp4", options=x264("keyint=24:min-keyint=24:open-gop=1") | {"profile": "main"}
    ),
    "h264_shallow_reorder": Recipe(
        "h264_shallow_reorder.mp4",
        options={
            "preset": "veryfast",
            "profile": "main",
            "x264-params": f"scenecut=0:bframes=1:b-pyramid=none:{SAME_264}:keyint=24:min-keyint=24",
        },
    ),
    "h264_intra_refresh": Recipe("h264_intra_refresh.mp4", options=x264("keyint=24:intra-refresh=1:bframes=0")),
    "h264_fragmented": Recipe(
        "h264_fragmented.mp4",
        options=x264("keyint=24:min-keyint=24"),
        container_options={"movflags": "frag_keyframe+empty_moov"},
    ),
    **{
        f"frag_{name}": Recipe(
            f"frag_{name}.mp4",
            options=x264("keyint=24:min-keyint=24"),
            container_options={"movflags": f"empty_moov+{flags}"} | more,
            with_audio=name in ("sidx", "dash", "audio", "separate"),
        )
        for name, flags, more in (
            ("default_base", "frag_keyframe+default_base_moof", {}),
            ("sidx", "frag_keyframe+default_base_moof+global_sidx", {}),
            ("dash", "frag_keyframe+default_base_moof+dash", {}),
            ("audio", "frag_keyframe", {}),
            ("separate", "frag_keyframe+separate_moof", {}),
            ("negative_cts", "frag_keyframe+negative_cts_offsets", {}),
            ("several_gops", "skip_sidx", {"frag_duration": "2000000"}),
            ("short", "default_base_moof", {"frag_duration": "200000"}),
            ("every_frame", "frag_every_frame", {}),
            ("edit", "frag_keyframe+delay_moov", {}),
        )
    },
    "frag_hybrid": Recipe(
        "frag_hybrid.mp4", options=x264("keyint=24:min-keyint=24"), container_options={"movflags": "frag_keyframe"}
    ),
    "frag_open": Recipe(
        "frag_open.mp4",
        options=x264("keyint=24:min-keyint=24:open-gop=1:bframes=7:b-adapt=0:b-pyramid=normal:ref=4:weightp=2"),
        container_options={"movflags": "empty_moov+frag_keyframe"},
    ),
    "frag_hevc_open": Recipe(
        "frag_hevc_open.mp4",
        "libx265",
        options=OPEN_265,
        codec_tag="hvc1",
        container_options={"movflags": "empty_moov+frag_keyframe+default_base_moof"},
    ),
    "frag_vfr": Recipe(
        "frag_vfr.mp4",
        options=x264("keyint=24:min-keyint=24"),
        pts=lambda index: index * TICKS_PER_FRAME + (index * index * 37) % 450,
        container_options={"movflags": "empty_moov+frag_keyframe"},
    ),
    "h264_in_band": Recipe("h264_in_band.mp4", options=x264("keyint=24:min-keyint=24:repeat-headers=1")),
    "h264_in_band_other": Recipe(
        "h264_in_band_other.mp4", options=x264("keyint=24:min-keyint=24:repeat-headers=1:cabac=0:ref=2:bframes=1")
    ),
    "hevc_closed": Recipe(
        "hevc_closed.mp4", "libx265", options=x265("keyint=24:min-keyint=24:open-gop=0"), codec_tag="hev1"
    ),
    "hevc_open": Recipe("hevc_open.mp4", "libx265", options=OPEN_265, codec_tag="hvc1"),
    "hevc_10bit": Recipe(
        "hevc_10bit.mp4",
        "libx265",
        options=x265("keyint=24:min-keyint=24:open-gop=0"),
        pixel_format="yuv420p10le",
        codec_tag="hvc1",
    ),
    "vp9": Recipe("vp9.mp4", "libvpx-vp9", options={"cpu-used": "8", "deadline": "realtime", "g": "24"}),
    "av1": Recipe("av1.mp4", "libsvtav1", options={"preset": "12", "g": "24", "svtav1-params": "lp=1"}),
    "mpeg4": Recipe("mpeg4.mp4", "mpeg4", options=MPEG4_OPTIONS, encoder_timebase=Fraction(1, 25)),
    "mjpeg_mov": Recipe("mjpeg_mov.mov", "mjpeg", frames=40, pixel_format="yuvj420p"),
    "mpegts": Recipe("mpegts.ts", options=x264("keyint=24:min-keyint=24")),
    "mpegts_open": Recipe("mpegts_open.ts", options=OPEN_264),
    "mpegts_hevc": Recipe("mpegts_hevc.ts", "libx265", options=OPEN_265),
    "mpegts_audio": Recipe("mpegts_audio.ts", options=x264("keyint=24:min-keyint=24"), with_audio=True),
    "mpegts_audio_first": Recipe(
        "mpegts_audio_first.ts", options=x264("keyint=24:min-keyint=24"), with_audio=True, audio_is_first=True
    ),
    "mpegts_narrow": Recipe("mpegts_narrow.ts", options=x264("keyint=24:min-keyint=24"), frames=48, width=128),
    "mpegts_short_gops": Recipe(
        "mpegts_short_gops.ts", frames=200, options=x264("keyint=5:min-keyint=5:open-gop=1:b-adapt=0"), with_audio=True
    ),
    "mpegts_wrap": Recipe(
        "mpegts_wrap.ts",
        options=x264("keyint=24:min-keyint=24"),
        # Two seconds before the 33 bits of a PTS are full.
        container_options={"output_ts_offset": "95441.7"},
    ),
    "mpegts_mpeg2": Recipe(
        "mpegts_mpeg2.ts",
        "mpeg2video",
        frames=60,
        options={"bf": "2", "g": "12", "b": "2000000"},
        encoder_timebase=Fraction(1, 25),
    ),
    "m2ts": Recipe(
        "m2ts.m2ts",
        options=x264("keyint=24:min-keyint=24"),
        container_options={"mpegts_m2ts_mode": "1"},
        with_audio=True,
    ),
    "mkv": Recipe("mkv.mkv", options=x264("keyint=24:min-keyint=24")),
    "mkv_open": Recipe("mkv_open.mkv", options=OPEN_264),
    "mkv_hevc": Recipe("mkv_hevc.mkv", "libx265", options=OPEN_265),
    "mkv_audio": Recipe("mkv_audio.mkv", options=x264("keyint=24:min-keyint=24"), with_audio=True),
    "mkv_live": Recipe(
        "mkv_live.mkv", options=x264("keyint=24:min-keyint=24"), container_options={"live": "1"}, with_audio=True
    ),
    "mkv_small_clusters": Recipe(
        "mkv_small_clusters.mkv",
        options=x264("keyint=24:min-keyint=24"),
        container_options={"cluster_time_limit": "200"},
    ),
    "mkv_vfr": Recipe(
        "mkv_vfr.mkv",
        options=x264("keyint=24:min-keyint=24"),
        pts=lambda index: index * TICKS_PER_FRAME + (index * index * 37) % 450,
    ),
    "mkv_interlaced": Recipe("mkv_interlaced.mkv", options=x264("keyint=24:min-keyint=24:tff=1")),
    "mkv_mjpeg": Recipe("mkv_mjpeg.mkv", "mjpeg", frames=40, pixel_format="yuvj420p"),
    "mkv_prores": Recipe("mkv_prores.mkv", "prores_ks", frames=20, pixel_format="yuv422p10le"),
    "webm": Recipe("webm.webm", "libvpx-vp9", options={"cpu-used": "8", "deadline": "realtime", "g": "24"}),
    "webm_vp8": Recipe("webm_vp8.webm", "libvpx", options={"cpu-used": "8", "deadline": "realtime", "g": "24"}),
    "webm_av1": Recipe("webm_av1.webm", "libsvtav1", options={"preset": "12", "g": "24", "svtav1-params": "lp=1"}),
    "mjpeg_avi": Recipe("mjpeg_avi.avi", "mjpeg", frames=40, pixel_format="yuvj420p"),
    "h264_avi": Recipe("h264_avi.avi", options=x264("keyint=24:min-keyint=24"), encoder_timebase=Fraction(1, 25)),
    "flv": Recipe("flv.flv", options=x264("keyint=24:min-keyint=24"), with_audio=True),
    "mpeg_ps": Recipe(
        "mpeg_ps.mpg",
        "mpeg2video",
        frames=60,
        options={"bf": "2", "g": "12", "b": "2000000"},
        encoder_timebase=Fraction(1, 25),
    ),
}


def make_corpus(folder: Path) -> dict[str, Path]:
    """Every file of the corpus in `folder`, made where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / recipe.file_name for name, recipe in RECIPES.items()}
    for name, recipe in RECIPES.items():
        if not paths[name].exists():
            _encode(recipe, paths[name])
    for name, (source, derive) in DERIVED.items():
        paths[name] = folder / f"{name}{paths[source].suffix}"
        if not paths[name].exists():
            derive(paths[source], paths[name])
    return paths


@lru_cache(maxsize=1)
def _texture() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def picture(index: int) -> np.ndarray:
    """Frame `index` of the scene, uint8 (96, 160, 3) RGB: a drifting texture and a moving box."""
    image = np.roll(_texture(), (index // 2, index * 2), axis=(0, 1)).copy()
    left, top = (index * 3) % (WIDTH - 40), (index * 5) % (HEIGHT - 30)
    image[top : top + 30, left : left + 40] = (index * 2 % 256, 200, 255 - index % 200)
    return image


def _encode(recipe: Recipe, path: Path) -> None:
    with av.open(str(path), "w", options=SAME_FILE | recipe.container_options) as output:
        audio = _add_noise(output) if recipe.audio_is_first else None
        stream = cast("av.VideoStream", output.add_stream(recipe.codec, rate=25))
        stream.width, stream.height, stream.pix_fmt = recipe.width, HEIGHT, recipe.pixel_format
        stream.codec_context.thread_count = 1
        stream.codec_context.gop_size = recipe.gop
        stream.codec_context.options = dict(recipe.options)
        stream.codec_context.time_base = recipe.encoder_timebase
        if recipe.codec_tag:
            stream.codec_context.codec_tag = recipe.codec_tag
        audio = audio or (_add_noise(output) if recipe.with_audio else None)
        for index in range(recipe.frames):
            image = np.ascontiguousarray(picture(index)[:, : recipe.width])
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=recipe.pixel_format)
            frame.time_base = recipe.encoder_timebase
            frame.pts = int(recipe.pts(index) * TIMEBASE / recipe.encoder_timebase)
            output.mux(stream.encode(frame))
            if audio:
                output.mux(audio(index))
        output.mux(stream.encode(None))


def _add_noise(output: av.container.OutputContainer) -> Callable[[int], list[av.Packet[Any]]]:
    stream = output.add_stream("aac", rate=16000)
    noise = np.random.default_rng(1).normal(0, 0.05, (1, 640)).astype(np.float32)

    def encode(index: int) -> list[av.Packet[Any]]:
        frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 16000, Fraction(1, 16000), index * 640
        return stream.encode(frame)

    return encode


def make_audio_only(path: Path) -> None:
    """An MP4 with sound and nothing else."""
    with av.open(str(path), "w") as output:
        encode = _add_noise(output)
        for index in range(50):
            output.mux(encode(index))


def make_unlisted_codec(path: Path) -> None:
    """An AVI whose codec libav decodes but no untrusted file may reach."""
    _encode(Recipe(path.name, "huffyuv", frames=3, pixel_format="yuv422p", encoder_timebase=Fraction(1, 25)), path)


def _remux(shift: int, container: str = "mp4", **container_options: str) -> Callable[[Path, Path], None]:
    """Copy the video packets with their time moved by `shift` ticks of the corpus timebase."""

    def derive(source: Path, target: Path) -> None:
        with (
            av.open(str(source)) as opened,
            av.open(str(target), "w", format=container, options=SAME_FILE | container_options) as output,
        ):
            stream = output.add_stream_from_template(opened.streams.video[0])
            for packet in _packets(opened):
                packet.pts, packet.dts = (packet.pts or 0) + shift, (packet.dts or 0) + shift
                packet.stream = stream
                output.mux(packet)

    return derive


def _packets(opened: av.container.InputContainer) -> Iterator[av.Packet[Any]]:
    for packet in opened.demux(opened.streams.video[0]):
        if packet.dts is not None:
            yield packet


def _patch(change: Callable[[bytearray], None]) -> Callable[[Path, Path], None]:
    """Copy the file with some bytes of its index changed."""

    def derive(source: Path, target: Path) -> None:
        content = bytearray(source.read_bytes())
        change(content)
        target.write_bytes(content)

    return derive


def _join(second: str, container: str, *, sets_once: bool = False) -> Callable[[Path, Path], None]:
    """Copy the video packets, and behind them those of another file of the corpus, on one timeline.

    With `sets_once`, only the first keyframe of the second file comes with its parameter sets.
    """

    def derive(source: Path, target: Path) -> None:
        with av.open(str(source)) as opened, av.open(str(target), "w", format=container, options=SAME_FILE) as output:
            stream = output.add_stream_from_template(opened.streams.video[0])
            end = 0
            for path in (source, source.with_name(RECIPES[second].file_name)):
                with av.open(str(path)) as part:
                    start = end
                    for packet in _packets(part):
                        is_bare = sets_once and start and packet.is_keyframe and packet.pts != 7200
                        copy = av.Packet(_without_sets(bytes(packet)) if is_bare else bytes(packet))
                        copy.pts, copy.dts = (packet.pts or 0) + start, (packet.dts or 0) + start
                        copy.is_keyframe, copy.time_base, copy.stream = packet.is_keyframe, packet.time_base, stream
                        end = max(end, copy.pts + 3600)
                        output.mux(copy)

    return derive


def _without_sets(sample: bytes, nal_length_size: int = 0) -> bytes:
    """An H.264 sample without its parameter sets; 0 for start codes."""
    kept = [unit for unit in nal_units(nal_length_size, sample) if unit[0] & 0x1F not in (7, 8)]
    return b"".join((len(unit).to_bytes(4) if nal_length_size else b"\0\0\0\1") + unit for unit in kept)


def _flv_tags(content: bytes) -> Iterator[bytes]:
    """The tags of an FLV file, each with the size that follows it."""
    position = 13
    while position < len(content):
        size = 11 + int.from_bytes(content[position + 1 : position + 4]) + 4
        yield content[position : position + size]
        position += size


def _repeat_flv_header(change: Callable[[bytes], bytes]) -> Callable[[Path, Path], None]:
    """Put the decoder configuration in front of the second keyframe again, changed."""

    def derive(source: Path, target: Path) -> None:
        content = source.read_bytes()
        tags = list(_flv_tags(content))
        header = next(tag for tag in tags if tag[0] == 9 and tag[11:13] == b"\x17\0")
        second = [index for index, tag in enumerate(tags) if tag[0] == 9 and tag[11:13] == b"\x17\1"][1]
        again = header[:4] + tags[second][4:8] + header[8:]
        target.write_bytes(content[:13] + b"".join([*tags[:second], change(again), *tags[second:]]))

    return derive


def _splice(first: slice, *more: slice) -> Callable[[Path, Path], None]:
    """Put parts of a transport stream, counted in its packets, one behind the other."""

    def derive(source: Path, target: Path) -> None:
        content = source.read_bytes()
        packets = [content[start : start + 188] for start in range(0, len(content), 188)]
        target.write_bytes(b"".join(packet for part in (first, *more) for packet in packets[part]))

    return derive


def _keep_bytes(share: float) -> Callable[[Path, Path], None]:
    """Cut the file off."""

    def derive(source: Path, target: Path) -> None:
        content = source.read_bytes()
        target.write_bytes(content[: int(len(content) * share)])

    return derive


def _rotate(*matrix: int) -> Callable[[bytearray], None]:
    """Write a, b, c, d of the track's display matrix."""

    def change(content: bytearray) -> None:
        at = content.index(b"tkhd") + 4 + 40
        a, b, c, d = (one << 16 for one in matrix)
        struct.pack_into(">5i", content, at, a, b, 0, c, d)

    return change


def _make_first_edit_real(content: bytearray) -> None:
    struct.pack_into(">Ii", content, content.index(b"elst") + 12, 12800, 1024)


def _drop_vui(content: bytearray) -> None:
    """Take the VUI out of the H.264 parameter set, so that it does not say how many frames a decoder must hold back."""
    start = content.index(b"avcC") + 4 + 6
    size = int.from_bytes(content[start : start + 2])
    unit = bytes(content[start + 2 : start + 2 + size])
    bits = "".join(f"{byte:08b}" for byte in unit)
    position = 32

    def skip_number() -> int:
        nonlocal position
        zeros = bits.index("1", position) - position
        position += 2 * zeros + 1
        return int(bits[position - zeros - 1 : position], 2) - 1

    assert unit[1] == 77, "the layout of a parameter set of the main profile is meant"
    for _ in range(2):
        skip_number()
    assert skip_number() == 0, "picture order count type 0 is meant"
    for _ in range(2):
        skip_number()
    position += 1
    for _ in range(2):
        skip_number()
    position += 3
    assert bits[position] == "1", "the parameter set has no VUI to take out"
    kept = bits[:position] + "01"
    kept = kept.ljust(size * 8, "0")
    content[start + 2 : start + 2 + size] = int(kept, 2).to_bytes(size)


def _as_fragments(style: Style, fragment_samples: int = 24, edits: Sequence[Edit] = ()) -> Callable[[Path, Path], None]:
    """The same frames in fragments of so many samples."""

    def derive(source: Path, target: Path) -> None:
        stream = take_stream(source)
        cuts = range(0, len(stream.samples), fragment_samples)
        target.write_bytes(mux_fragments(stream, cuts, style, edits))

    return derive


def _in_band(stream: Stream, tag: bytes, record: bytes) -> Stream:
    """The track under another name, its configuration record cut down to the sizes that it states."""
    (entry,) = stream.entries
    at = entry.index(record)
    size = int.from_bytes(entry[at - 4 : at])
    bare = box(record, entry[at + 4 : at + 9] + b"\xe0\0")
    entry = entry[8 : at - 4] + bare + entry[at - 4 + size :]
    return replace(stream, entries=(box(tag, entry),))


def _forget_sets(source: Path, target: Path) -> None:
    """Parameter sets in band, and only in front of the first keyframe."""
    stream = _in_band(take_stream(source), b"avc3", b"avcC")
    samples = [stream.samples[0], *(replace(one, content=_without_sets(one.content, 4)) for one in stream.samples[1:])]
    target.write_bytes(mux_plain(replace(stream, samples=tuple(samples))))


def _append(other: str, *, in_band: bool) -> Callable[[Path, Path], None]:
    """The file, then another one: with a sample description each, or with one and all parameter sets in band."""

    def derive(source: Path, target: Path) -> None:
        first, second = take_stream(source), take_stream(source.with_name(f"{other}.mp4"))
        if in_band:
            first, second = (_in_band(stream, b"avc3", b"avcC") for stream in (first, second))
            joined = replace(first, samples=first.samples + second.samples)
        else:
            joined = first.then(second)
        target.write_bytes(mux_plain(joined))

    return derive


def _with_edits(*edits: Edit) -> Callable[[Path, Path], None]:
    def derive(source: Path, target: Path) -> None:
        target.write_bytes(mux_plain(take_stream(source), edits))

    return derive


DERIVED = {
    "h264_in_band_change": ("h264_in_band", _append("h264_in_band_other", in_band=True)),
    "h264_in_band_once": ("h264_in_band", _forget_sets),
    "h264_two_descriptions": ("h264_in_band", _append("h264_main_profile", in_band=False)),
    "h264_three_edits": ("h264_open", _with_edits(Edit(1000, 1024), Edit(800, 20480), Edit(900, 8192))),
    "box_frag": ("h264_open_pyramid", _as_fragments(Style())),
    "box_frag_offset": ("h264_open_pyramid", _as_fragments(Style(base="offset", runs=3))),
    "box_frag_implicit": ("h264_open_pyramid", _as_fragments(Style(base="implicit", runs=2), 10)),
    "box_frag_defaults": ("h264_closed", _as_fragments(Style(defaults=True))),
    "box_frag_no_time": ("h264_open_pyramid", _as_fragments(Style(has_tfdt=False), 11)),
    "box_frag_signed": ("h264_negative_cts", _as_fragments(Style(signed=True, runs=2), 31)),
    "box_frag_front": ("h264_open_pyramid", _as_fragments(Style(sidx="front"), 17)),
    "box_frag_mfra": ("h264_open_pyramid", _as_fragments(Style(mfra=True), 5)),
    "box_frag_gaps": ("h264_closed", _as_fragments(Style(tfdt_step=700), 24)),
    "box_frag_rounded": ("h264_open_pyramid", _as_fragments(Style(tfdt_step=1), 7)),
    "box_frag_torn": ("h264_open_pyramid", _as_fragments(Style(tfdt_step=700), 24)),
    "box_frag_edit": ("h264_open_pyramid", _as_fragments(Style(), 24, [Edit(0, 1536)])),
    "box_frag_late": ("h264_open_pyramid", _as_fragments(Style(), 24, [Edit(1000, -1), Edit(0, 1024)])),
    "box_frag_back": ("h264_open_pyramid", _as_fragments(Style(tfdt_step=-700), 24)),
    "box_frag_shift": ("h264_negative_cts", _as_fragments(Style(signed=True, sidx="front"), 1)),
    "h264_edit": ("h264_closed", _remux(-33 * TICKS_PER_FRAME)),
    "h264_edit_between_frames": ("h264_closed", _remux(-33 * TICKS_PER_FRAME - 200)),
    "h264_vfr_edit": ("h264_vfr", _remux(-33 * TICKS_PER_FRAME)),
    "hevc_open_edit": ("hevc_open", _remux(-33 * TICKS_PER_FRAME)),
    "h264_empty_edit": ("h264_closed", _remux(2 * 12800)),
    "h264_start_later": ("h264_closed", _remux(3 * 12800, use_editlist="0")),
    "h264_two_edits": ("h264_empty_edit", _patch(_make_first_edit_real)),
    "h264_rotated_90": ("h264_closed", _patch(_rotate(0, 1, -1, 0))),
    "h264_rotated_180": ("h264_closed", _patch(_rotate(-1, 0, 0, -1))),
    "h264_rotated_270": ("h264_closed", _patch(_rotate(0, -1, 1, 0))),
    "h264_no_vui": ("h264_main_profile", _patch(_drop_vui)),
    "mpegts_no_vui": ("h264_no_vui", _remux(0, "mpegts")),
    "mkv_no_vui": ("h264_no_vui", _remux(0, "matroska")),
    "flv_no_vui": ("h264_no_vui", _remux(0, "flv")),
    "h264_shallow_no_vui": ("h264_shallow_reorder", _patch(_drop_vui)),
    "mpegts_shallow_no_vui": ("h264_shallow_no_vui", _remux(0, "mpegts")),
    "mpegts_new_size": ("mpegts", _join("mpegts_narrow", "mpegts")),
    "mkv_new_size": ("mpegts", _join("mpegts_narrow", "matroska")),
    "mkv_new_size_once": ("mpegts", _join("mpegts_narrow", "matroska", sets_once=True)),
    "flv_repeated_header": ("flv", _repeat_flv_header(bytes)),
    "flv_new_header": ("flv", _repeat_flv_header(lambda tag: tag[:-8] + bytes([tag[-8] ^ 1]) + tag[-7:])),
    "mkv_plain": ("mkv", restore(Storage.PLAIN)),
    "mkv_groups": ("mkv", restore(Storage.GROUPS)),
    "mkv_laced": ("mkv", restore(Storage.LACED)),
    "mkv_stripped": ("mkv", restore(Storage.STRIPPED)),
    "webm_hidden_frames": ("webm_vp8", hide_frames),
    "mpegts_twice": ("mpegts", _splice(slice(None), slice(None))),
    "mpegts_from_the_middle": ("mpegts", _splice(slice(0, 3), slice(60, None))),
    "mpegts_open_from_the_middle": ("mpegts_open", _splice(slice(0, 3), slice(60, None))),
    "mpegts_cut_off": ("mpegts_audio", _keep_bytes(0.7)),
    "mpegts_packet_lost": ("mpegts", _splice(slice(0, 200), slice(201, None))),
    "mkv_cut_off": ("mkv", _keep_bytes(0.7)),
}
