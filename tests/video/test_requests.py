"""How often, and for how much, a probe asks: few requests, and hardly more bytes than the index has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gpu_batch.containers.boxes import HEAD_BYTES
from gpu_batch.containers.held import HeldSource
from gpu_batch.containers.probe import Probe, probe_video
from gpu_batch.video.source import BytesSource, FileSource
from tests.video.corpus import RECIPES
from tests.video.long_movie import write_long_movie
from tests.video.muxer import Style, mux_fragments, take_stream
from tests.video.reading import LIMITS, CountingSource


def probe_counting(source: BytesSource | FileSource) -> tuple[Probe, CountingSource]:
    counting = CountingSource(source)
    return probe_video(counting, LIMITS), counting


@pytest.mark.parametrize("index_at_end", [True, False])
def test_two_hours_are_probed_with_four_requests_for_little_more_than_the_index(
    corpus: dict[str, Path], tmp_path: Path, index_at_end: bool
) -> None:
    path = tmp_path / "long.mp4"
    index_bytes = write_long_movie(path, corpus["h264_gop_250"], hours=2, index_at_end=index_at_end)
    probe, source = probe_counting(FileSource(path))
    assert probe.media.frame_count == 2 * 3600 * 30
    # 250 frames are 10 s here, and a cell lasts 20.
    assert len(probe.cells) == 2 * 3600 * 30 // 500
    assert len(source.ranges) <= 4
    assert source.bytes_read <= 1.02 * index_bytes


@pytest.mark.parametrize("name", ["h264_closed", "h264_faststart", "h264_gop_250", "hevc_open", "mjpeg_mov"])
def test_no_byte_is_asked_for_twice(corpus: dict[str, Path], name: str) -> None:
    _, source = probe_counting(FileSource(corpus[name]))
    ends = 0
    for offset, size in sorted(source.ranges):
        assert offset >= ends
        ends = offset + size


def test_a_file_as_small_as_the_head_is_one_request(corpus: dict[str, Path]) -> None:
    _, source = probe_counting(FileSource(corpus["h264_one_keyframe"]))
    assert source.size_bytes <= HEAD_BYTES
    assert source.ranges == [(0, source.size_bytes)] or source.ranges == [(0, HEAD_BYTES)]


def test_a_held_source_asks_only_for_what_it_does_not_hold() -> None:
    counting = CountingSource(BytesSource(bytes(range(100))))
    source = HeldSource(counting)
    source.hold(10, 20)
    source.hold(30, 10)
    assert source.read(15, 40) == bytes(range(15, 55))
    assert source.read(12, 8) == bytes(range(12, 20))
    assert source.read(95, 20) == bytes(range(95, 100))
    assert counting.ranges == [(10, 20), (30, 10), (40, 15), (95, 5)]


LARGE_FRAME_BYTES = 12_000


def with_filler(content: bytes) -> bytes:
    """An H.264 sample with a NAL unit of filler data behind its picture."""
    size = max(LARGE_FRAME_BYTES, len(content) + 6) - len(content) - 4
    return content + size.to_bytes(4) + b"\x0c".ljust(size - 1, b"\xff") + b"\x80"


@pytest.mark.parametrize("style", [Style(sidx="front"), Style(mfra=True), Style()], ids=["sidx", "mfra", "hops"])
def test_fragments_are_found_without_the_media_between_them(corpus: dict[str, Path], style: Style) -> None:
    stream = take_stream(corpus["h264_gop_250"])
    padded = tuple(replace(one, content=with_filler(one.content)) for one in stream.samples)
    content = mux_fragments(replace(stream, samples=padded), range(0, len(padded), 50), style)
    probe, source = probe_counting(BytesSource(content))
    assert probe.media.frame_count == len(padded)
    assert source.bytes_read <= 0.1 * len(content)
    # The head, an index of fragments, one look at each of twelve, and the later keyframe.
    assert len(source.ranges) <= 12 + 5


def test_small_fragments_are_read_in_large_blocks(corpus: dict[str, Path]) -> None:
    stream = take_stream(corpus["h264_gop_250"])
    content = mux_fragments(stream, range(len(stream.samples)))
    _, source = probe_counting(BytesSource(content))
    assert len(source.ranges) <= 16
    assert RECIPES["h264_gop_250"].frames == len(stream.samples)
