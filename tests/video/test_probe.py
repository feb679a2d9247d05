"""The facts that a probe gives, and how little it reads for them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from chalicelib.contracts.sample_table import DecoderConfig
from chalicelib.domain.media import Media
from gpu_batch.containers.probe import probe_video
from gpu_batch.video.source import FileSource
from tests.video.reading import LIMITS, CountingSource, probe_bytes


def media_of(path: Path) -> Media:
    return probe_bytes(path.read_bytes()).media


def test_media_of_an_mp4_comes_from_its_index(corpus: dict[str, Path]) -> None:
    assert media_of(corpus["h264_closed"]) == Media(
        container="mp4",
        codec="h264",
        width=160,
        height=96,
        rotation=0,
        timebase=Fraction(1, 12800),
        duration_seconds=3.84,
        frame_count=96,
        keyframes=4,
    )


def test_frames_outside_of_the_edit_list_are_not_counted(corpus: dict[str, Path]) -> None:
    assert media_of(corpus["h264_edit"]).frame_count == 63


@pytest.mark.parametrize(("name", "rotation"), [("h264_rotated_90", 90), ("h264_rotated_270", 270)])
def test_a_quarter_turn_swaps_width_and_height(corpus: dict[str, Path], name: str, rotation: int) -> None:
    media = media_of(corpus[name])
    assert (media.rotation, media.width, media.height) == (rotation, 96, 160)


def test_a_half_turn_keeps_width_and_height(corpus: dict[str, Path]) -> None:
    media = media_of(corpus["h264_rotated_180"])
    assert (media.rotation, media.width, media.height) == (180, 160, 96)


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("h264_mov", "mov", "h264"),
        ("hevc_closed", "mp4", "hevc"),
        ("vp9", "mp4", "vp9"),
        ("av1", "mp4", "av1"),
        ("mjpeg_mov", "mov", "mjpeg"),
        ("mpeg4", "mp4", "mpeg4"),
        ("mkv", "matroska", "h264"),
        ("webm", "webm", "vp9"),
        ("mpegts", "mpegts", "h264"),
        ("mjpeg_avi", "avi", "mjpeg"),
        ("mpeg_ps", "mpegps", "mpeg2video"),
        ("flv", "flv", "h264"),
    ],
)
def test_container_and_codec_are_named(corpus: dict[str, Path], name: str, container: str, codec: str) -> None:
    media = media_of(corpus[name])
    assert (media.container, media.codec) == (container, codec)


def test_a_container_without_a_table_proves_no_frame_count(corpus: dict[str, Path]) -> None:
    media = media_of(corpus["mkv_prores"])
    assert (media.frame_count, media.keyframes) == (None, 0)


@pytest.mark.parametrize("name", ["mkv", "mpegts", "flv"])
def test_a_container_that_was_read_once_has_exact_facts(corpus: dict[str, Path], name: str) -> None:
    media = media_of(corpus[name])
    assert (media.frame_count, media.keyframes, media.duration_seconds) == (96, 4, 3.84)


def test_an_index_at_the_end_is_found_and_read_once(corpus: dict[str, Path]) -> None:
    source = CountingSource(FileSource(corpus["h264_closed"]))
    probe_video(source, LIMITS)
    moov = corpus["h264_closed"].read_bytes().rindex(b"moov") + 4
    assert sum(offset <= moov + 8 < offset + size for offset, size in source.ranges) == 1


def test_a_probe_reads_little_of_a_long_video(corpus: dict[str, Path]) -> None:
    source = CountingSource(FileSource(corpus["h264_gop_250"]))
    probe_video(source, LIMITS)
    assert len(source.ranges) <= 8
    assert source.bytes_read < source.size_bytes / 2


def test_the_decoder_configuration_survives_json(corpus: dict[str, Path]) -> None:
    table = probe_bytes(corpus["h264_open_pyramid"].read_bytes()).table
    assert table is not None
    assert DecoderConfig.from_json(table.config.to_json()) == table.config


def test_the_same_file_has_the_same_table(corpus: dict[str, Path]) -> None:
    content = corpus["hevc_open"].read_bytes()
    assert probe_bytes(content).table == probe_bytes(content).table
