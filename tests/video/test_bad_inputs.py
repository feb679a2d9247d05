"""Every bad file gets a code, a cause and a hint: never a hang, never another exception."""

from __future__ import annotations

import random
import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.media import MediaLimits
from gpu_batch.containers.probe import probe_video
from gpu_batch.containers.track import MAX_SAMPLES, refuse_overlaps
from gpu_batch.containers.whole import decode_whole
from gpu_batch.errors import BadInput, Passing
from gpu_batch.video.damage import Damage
from gpu_batch.video.source import BytesSource
from tests.video.corpus import make_audio_only, make_unlisted_codec
from tests.video.reading import LIMITS, CountingSource, probe_bytes


def refusal_of(content: bytes, limits: MediaLimits = LIMITS) -> BadInput:
    with pytest.raises(BadInput) as refused:
        probe_video(BytesSource(content), limits)
    assert refused.value.failure.detail
    assert refused.value.failure.hint
    return refused.value


def code_of(content: bytes, limits: MediaLimits = LIMITS) -> ErrorCode:
    return refusal_of(content, limits).failure.code


def replaced(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new, 1)


def test_an_empty_file_is_empty() -> None:
    assert code_of(b"") is ErrorCode.EMPTY_FILE


DISGUISED = {
    "text": b"hello, this is my holiday video\n" * 40,
    "HLS playlist": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:4,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat script": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "SDP": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "DASH manifest": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
    "subtitles": b"1\n00:00:01,000 --> 00:00:02,000\nHi\n",
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(100),
    "HEIC": struct.pack(">I", 24) + b"ftypheic" + bytes(100),
    "WAV": b"RIFF\x00\x10\x00\x00WAVEfmt " + bytes(100),
    "zeros": bytes(4096),
    "one byte": b"G",
}


@pytest.mark.parametrize("content", DISGUISED.values(), ids=DISGUISED)
def test_what_is_no_video_container_is_not_allowed(content: bytes) -> None:
    assert code_of(content) is ErrorCode.FORMAT_NOT_ALLOWED


def test_a_playlist_behind_a_video_box_header_reads_no_other_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    playlist = f"#EXTM3U\n#EXTINF:4,\n{secret}\n".encode()
    assert code_of(struct.pack(">I", 8) + b"free" + playlist) is ErrorCode.MALFORMED


def test_no_moov_is_malformed(corpus: dict[str, Path]) -> None:
    content = corpus["h264_closed"].read_bytes()
    assert code_of(content[: content.rindex(b"moov") - 4]) is ErrorCode.MALFORMED


def test_a_moov_that_is_cut_off_is_malformed(corpus: dict[str, Path]) -> None:
    assert code_of(corpus["h264_closed"].read_bytes()[:-200]) is ErrorCode.MALFORMED


def test_an_index_in_front_of_nothing_is_malformed(corpus: dict[str, Path]) -> None:
    content = corpus["h264_faststart"].read_bytes()
    assert code_of(content[: content.index(b"mdat") + 4]) is ErrorCode.MALFORMED


def test_an_index_in_front_of_zeros_is_malformed(corpus: dict[str, Path]) -> None:
    content = corpus["h264_faststart"].read_bytes()
    media_start = content.index(b"mdat") + 4
    assert code_of(content[:media_start] + bytes(len(content) - media_start)) is ErrorCode.MALFORMED


def test_sound_alone_has_no_video_stream(tmp_path: Path) -> None:
    make_audio_only(tmp_path / "audio.mp4")
    assert code_of((tmp_path / "audio.mp4").read_bytes()) is ErrorCode.NO_VIDEO_STREAM


def test_an_unknown_codec_is_unsupported(corpus: dict[str, Path]) -> None:
    content = corpus["h264_closed"].read_bytes()
    assert code_of(replaced(content, b"avc1\0\0\0\0", b"zzzz\0\0\0\0")) is ErrorCode.UNSUPPORTED_CODEC


def test_a_codec_that_no_untrusted_file_may_reach_is_unsupported(tmp_path: Path) -> None:
    make_unlisted_codec(tmp_path / "huffyuv.avi")
    assert code_of((tmp_path / "huffyuv.avi").read_bytes()) is ErrorCode.UNSUPPORTED_CODEC


def test_an_encrypted_track_is_encrypted(corpus: dict[str, Path]) -> None:
    content = corpus["h264_closed"].read_bytes()
    assert code_of(replaced(content, b"avc1\0\0\0\0", b"encv\0\0\0\0")) is ErrorCode.ENCRYPTED


@pytest.mark.parametrize("name", ["h264_closed", "mkv", "mpegts"])
def test_too_many_pixels_in_the_header_are_refused(corpus: dict[str, Path], name: str) -> None:
    assert code_of(corpus[name].read_bytes(), MediaLimits(max_pixels=159 * 96)) is ErrorCode.RESOURCE_LIMIT


@pytest.mark.parametrize("name", ["h264_closed", "hevc_open", "av1"])
def test_too_many_pixels_in_the_bitstream_alone_are_refused(corpus: dict[str, Path], name: str) -> None:
    content = replaced(corpus[name].read_bytes(), struct.pack(">HH", 160, 96), struct.pack(">HH", 16, 16))
    assert code_of(content, MediaLimits(max_pixels=159 * 96)) is ErrorCode.RESOURCE_LIMIT


def test_an_index_that_is_too_large_is_refused_unread(corpus: dict[str, Path]) -> None:
    source = CountingSource(BytesSource(corpus["h264_gop_250"].read_bytes()))
    with pytest.raises(BadInput) as refused:
        probe_video(source, MediaLimits(max_index_bytes=1000))
    assert refused.value.failure.code is ErrorCode.RESOURCE_LIMIT
    assert source.bytes_read < 70_000


def test_too_long_a_video_is_refused(corpus: dict[str, Path]) -> None:
    assert code_of(corpus["h264_closed"].read_bytes(), MediaLimits(max_duration_seconds=3)) is ErrorCode.RESOURCE_LIMIT


def test_media_data_in_another_file_is_malformed(corpus: dict[str, Path]) -> None:
    content = corpus["h264_closed"].read_bytes()
    assert code_of(replaced(content, b"url \0\0\0\1", b"url \0\0\0\0")) is ErrorCode.MALFORMED


COUNTED_BOXES = {b"stts": 4, b"ctts": 4, b"stss": 4, b"stsc": 4, b"stco": 4, b"elst": 4}


@pytest.mark.parametrize("kind", COUNTED_BOXES)
def test_a_count_that_its_box_cannot_hold_is_malformed(corpus: dict[str, Path], kind: bytes) -> None:
    content = bytearray(corpus["h264_closed"].read_bytes())
    struct.pack_into(">I", content, content.index(kind) + 4 + COUNTED_BOXES[kind], 0xFFFFFFFF)
    assert code_of(bytes(content)) is ErrorCode.MALFORMED


def with_sizes(content: bytes, fixed: int, count: int) -> bytes:
    """The file whose index states `count` frames of `fixed` bytes; 0 leaves each frame a size of its own."""
    changed = bytearray(content)
    struct.pack_into(">II", changed, content.index(b"stsz") + 8, fixed, count)
    return bytes(changed)


@pytest.mark.parametrize("fixed", [0, 1])
def test_billions_of_frames_are_refused(corpus: dict[str, Path], fixed: int) -> None:
    content = corpus["h264_closed"].read_bytes()
    assert code_of(with_sizes(content, fixed, 0xFFFFFFFF)) is ErrorCode.RESOURCE_LIMIT


def test_more_frames_than_its_box_holds_sizes_of_are_malformed(corpus: dict[str, Path]) -> None:
    assert code_of(with_sizes(corpus["h264_closed"].read_bytes(), 0, 97)) is ErrorCode.MALFORMED


def test_more_frames_of_a_fixed_size_than_the_file_holds_are_refused_in_little_memory(corpus: dict[str, Path]) -> None:
    content = with_sizes(corpus["h264_closed"].read_bytes(), 1, MAX_SAMPLES)
    tracemalloc.start()
    try:
        code, (_, peak) = code_of(content), tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (code, peak < 8 << 20) == (ErrorCode.MALFORMED, True)


def test_frames_that_share_their_bytes_are_malformed() -> None:
    offsets, sizes = np.zeros(40, np.int64), np.full(40, 1000, np.int64)
    with pytest.raises(BadInput, match="40000 bytes of frames in a file of 1000"):
        refuse_overlaps(offsets, sizes, 1000)


def test_frames_beyond_the_end_of_a_file_that_was_cut_off_share_nothing() -> None:
    offsets, sizes = np.arange(40, dtype=np.int64) * 1000, np.full(40, 1000, np.int64)
    refuse_overlaps(offsets, sizes, 3000)


def test_an_index_behind_thousands_of_boxes_is_not_called_missing(corpus: dict[str, Path]) -> None:
    content = corpus["h264_closed"].read_bytes()
    behind = content[:32] + (struct.pack(">I", 8) + b"free") * 2000 + content[32:]
    assert "among its first 1000 boxes" in refusal_of(behind).failure.detail


@pytest.mark.parametrize("name", ["h264_closed", "h264_faststart", "mkv", "mpegts", "mjpeg_avi", "flv", "mpeg_ps"])
@pytest.mark.parametrize("seed", range(6))
def test_random_bytes_in_a_file_raise_nothing_but_bad_input(corpus: dict[str, Path], name: str, seed: int) -> None:
    chance = random.Random(seed)
    content = bytearray(corpus[name].read_bytes())
    index = content.find(b"moov")
    start, end = (index, min(index + 4000, len(content))) if index >= 0 else (12, min(4000, len(content)))
    for _ in range(12):
        content[chance.randrange(start, end)] = chance.randrange(256)
    source = BytesSource(bytes(content[: chance.choice([len(content), len(content) // 2 + 2000])]))
    with suppress(BadInput):
        probe_video(source, LIMITS)
        list(decode_whole(source, LIMITS, Damage()))


class Broken:
    """A source whose network fails."""

    size_bytes = 1 << 20

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, offset: int, size: int) -> bytes:
        if offset or size > 4096:
            raise Passing("the network is down")
        return self._content[:size]


@pytest.mark.parametrize("name", ["h264_closed", "mkv"])
def test_a_failing_source_is_passing_and_not_the_fault_of_the_video(corpus: dict[str, Path], name: str) -> None:
    with pytest.raises(Passing):
        probe_video(Broken(corpus[name].read_bytes()), LIMITS)


def test_a_failing_source_stops_a_decode_as_a_whole(corpus: dict[str, Path]) -> None:
    with pytest.raises(Passing):
        list(decode_whole(Broken(corpus["mkv"].read_bytes()), LIMITS, Damage()))


def test_a_good_file_is_not_refused(corpus: dict[str, Path]) -> None:
    assert probe_bytes(corpus["h264_closed"].read_bytes()).media.codec == "h264"
