"""What one pass over a container costs, and what it refuses to make a table of."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import pytest

from chalicelib.domain.media import WholeReason
from gpu_batch.containers.first_frame import shows_first
from gpu_batch.containers.probe import probe_video
from gpu_batch.containers.scan import NoTable, Scan, scan_container
from gpu_batch.containers.sniff import SNIFF_BYTES, sniff_container, transport_layout
from gpu_batch.errors import BadInput, Passing
from gpu_batch.video.source import BytesSource, FileSource, Source
from tests.video.reading import LIMITS, CountingSource, probe_bytes


def scan_of(source: Source) -> Scan:
    return scan_container(source, sniff_container(source.read(0, SNIFF_BYTES)), LIMITS)


@pytest.mark.parametrize("name", ["mpegts", "m2ts", "mkv_audio", "mkv_live", "webm", "flv", "mjpeg_avi"])
def test_a_scan_reads_the_file_once(corpus: dict[str, Path], name: str) -> None:
    source = CountingSource(FileSource(corpus[name]))
    scan_of(source)
    assert source.bytes_read <= source.size_bytes + 4 * SNIFF_BYTES


@pytest.mark.parametrize("name", ["mpegts_mpeg2", "mpeg_ps", "h264_avi", "mkv_cut_off"])
def test_a_file_that_can_have_no_table_is_not_read_to_its_end(corpus: dict[str, Path], name: str) -> None:
    source = CountingSource(FileSource(corpus[name]))
    with pytest.raises(NoTable):
        scan_of(source)
    assert sum(size for offset, size in source.ranges if offset) == 0


def test_positions_of_packets_are_those_of_their_bytes(corpus: dict[str, Path]) -> None:
    track, content = scan_of(FileSource(corpus["mkv_audio"])).track, corpus["mkv_audio"].read_bytes()
    with av.open(str(corpus["mkv_audio"])) as opened:
        packets = [bytes(packet) for packet in opened.demux(video=0) if packet.size]
    places = zip(track.offsets.tolist(), track.sizes.tolist(), strict=True)
    assert [content[offset : offset + size] for offset, size in places] == packets


def test_only_proved_keyframes_are_marked(corpus: dict[str, Path]) -> None:
    scan = scan_of(FileSource(corpus["mkv_new_size_once"]))
    assert scan.refuted == 1
    assert scan.track.is_key.nonzero()[0].tolist() == list(scan.verdicts)


def test_decoding_times_rise_and_are_never_after_the_frame_is_shown(corpus: dict[str, Path]) -> None:
    timeline = scan_of(FileSource(corpus["mkv_open"])).timeline
    assert (timeline.dts[1:] > timeline.dts[:-1]).all()
    assert (timeline.dts <= timeline.pts).all()


def test_a_second_stream_whose_times_start_again_speaks_against_a_table(corpus: dict[str, Path]) -> None:
    content = corpus["mpegts"].read_bytes()
    # The second copy goes on where the counters of the first end, so that only the times tell.
    again = bytearray(content * 2)
    counters: dict[int, int] = {}
    for start in range(0, len(again), 188):
        pid = int.from_bytes(again[start + 1 : start + 3]) & 0x1FFF
        counters[pid] = (counters.get(pid, -1) + 1) % 16
        again[start + 3] = again[start + 3] & 0xF0 | counters[pid]
    with pytest.raises(NoTable, match="go backwards") as refused:
        scan_of(BytesSource(bytes(again)))
    assert refused.value.reason is WholeReason.NOT_MONOTONIC


@pytest.mark.parametrize(("name", "layout"), [("mpegts", (188, 0)), ("m2ts", (192, 4))])
def test_the_layout_of_a_transport_stream_is_told_from_its_head(
    corpus: dict[str, Path], name: str, layout: tuple[int, int]
) -> None:
    assert transport_layout(corpus[name].read_bytes()[:SNIFF_BYTES]) == layout


class FailingLater:
    """A source whose network fails in the middle of the file."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size_bytes = 64 << 20

    def read(self, offset: int, size: int) -> bytes:
        if offset:
            raise Passing("the network is down")
        return self._content[:size].ljust(size, b"\0")


@pytest.mark.parametrize("name", ["mpegts", "mkv_live", "flv"])
def test_a_source_that_fails_in_the_middle_is_passing(corpus: dict[str, Path], name: str) -> None:
    with pytest.raises(Passing, match="down"):
        scan_of(FailingLater(corpus[name].read_bytes()))


def first_frame(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as opened:
        return next(opened.decode(video=0))


def test_a_first_frame_of_other_pixels_is_noticed(corpus: dict[str, Path]) -> None:
    scan, other = scan_of(FileSource(corpus["mkv"])), first_frame(corpus["mkv_hevc"])
    samples = [(0, scan.first_samples[0])]
    assert shows_first(scan.config, samples, first_frame(corpus["mkv"]), LIMITS)
    assert not shows_first(scan.config, samples, other, LIMITS)


def test_a_first_frame_of_other_colours_is_noticed(corpus: dict[str, Path]) -> None:
    scan, expected = scan_of(FileSource(corpus["mkv"])), first_frame(corpus["mkv"])
    expected.color_range = 1 if expected.color_range != 1 else 2
    assert not shows_first(scan.config, [(0, scan.first_samples[0])], expected, LIMITS)


def test_a_decoder_that_gives_nothing_shows_no_first_frame(corpus: dict[str, Path]) -> None:
    scan, expected = scan_of(FileSource(corpus["mkv"])), first_frame(corpus["mkv"])
    assert not shows_first(replace(scan.config, codec="vp9"), [(0, b"\0")], expected, LIMITS)


@pytest.mark.parametrize("name", ["mpegts_audio", "m2ts", "mpegts_hevc", "mkv_audio", "webm", "flv", "mjpeg_avi"])
@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_anywhere_raise_nothing_but_bad_input(corpus: dict[str, Path], name: str, seed: int) -> None:
    chance, content = random.Random(seed), bytearray(corpus[name].read_bytes())
    for _ in range(40):
        content[chance.randrange(1024, len(content))] = chance.randrange(256)
    with suppress(BadInput):
        probe_bytes(bytes(content))


def test_a_probe_of_a_scanned_file_is_the_same_twice(corpus: dict[str, Path]) -> None:
    source = FileSource(corpus["mpegts_audio"])
    assert probe_video(source, LIMITS).table == probe_video(source, LIMITS).table
