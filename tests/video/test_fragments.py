"""Fragmented MP4: indexes are proved before they are followed; what fragments leave out is filled in by the book."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.media import MediaLimits, WholeReason
from gpu_batch.containers import fragment_walk
from gpu_batch.containers.fragment_index import find_places
from gpu_batch.containers.probe import probe_video
from gpu_batch.containers.table import SampleTable
from gpu_batch.errors import BadInput
from gpu_batch.video.damage import Damage
from gpu_batch.video.decode import decode_cells
from gpu_batch.video.source import BytesSource
from tests.video.corpus import TICKS_PER_FRAME
from tests.video.muxer import Style, mux_fragments, take_stream
from tests.video.reading import (
    LIMITS,
    CountingSource,
    Seen,
    cells_of,
    decode_in_runs,
    probe_bytes,
    runs_of,
    single_pass,
    table_of,
)

SIDX_REFERENCES_AT = 32
"""From the start of a segment index of version 0 to its first reference."""


def fragments_of(path: Path, style: Style, size: int = 24) -> bytes:
    stream = take_stream(path)
    return mux_fragments(stream, range(0, len(stream.samples), size), style)


def frames_of(content: bytes) -> list[Seen]:
    return decode_in_runs(table_of(content), BytesSource(content), 2).frames


def walked(path: Path) -> list[Seen]:
    """What libav makes of the same frames in plain fragments, without any index."""
    return single_pass(fragments_of(path, Style()))


def end_of_moov(content: bytes) -> int:
    at = content.index(b"moov") - 4
    return at + int.from_bytes(content[at : at + 4])


def test_an_index_in_front_names_every_fragment(corpus: dict[str, Path]) -> None:
    content = fragments_of(corpus["h264_closed"], Style(sidx="front"))
    places = find_places(BytesSource(content), end_of_moov(content), LIMITS)
    starts = [at - 4 for at in range(len(content)) if content[at : at + 4] == b"moof"]
    assert (sorted(places.starts), places.end, places.has_sidx) == (starts, len(content), True)


def test_an_index_of_indexes_names_every_fragment(corpus: dict[str, Path]) -> None:
    content = fragments_of(corpus["h264_closed"], Style(sidx="tree"))
    places = find_places(BytesSource(content), end_of_moov(content), LIMITS)
    starts = [at - 4 for at in range(len(content)) if content[at : at + 4] == b"moof"]
    assert (sorted(places.starts), places.end) == (starts, len(content))


def test_an_index_behind_names_every_fragment(corpus: dict[str, Path]) -> None:
    content = fragments_of(corpus["h264_closed"], Style(mfra=True))
    places = find_places(BytesSource(content), end_of_moov(content), LIMITS)
    starts = [at - 4 for at in range(len(content)) if content[at : at + 4] == b"moof"]
    assert (sorted(places.starts), places.has_sidx) == (starts, False)


@pytest.mark.parametrize("style", [Style(sidx="front"), Style(sidx="tree"), Style(mfra=True)], ids=str)
def test_every_index_gives_the_frames_of_a_walk(
    corpus: dict[str, Path], style: Style, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fragment_walk, "NEAR_BYTES", 1)
    assert frames_of(fragments_of(corpus["h264_open"], style)) == walked(corpus["h264_open"])


@pytest.mark.parametrize("seed", range(8))
def test_an_index_that_lies_changes_nothing(
    corpus: dict[str, Path], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fragment_walk, "NEAR_BYTES", 1)
    content = bytearray(fragments_of(corpus["h264_closed"], Style(sidx="front")))
    chance = random.Random(seed)
    # The second reference: the first place behind it is wrong, and so are all that follow.
    at = content.index(b"sidx") - 4 + SIDX_REFERENCES_AT + 12 * chance.randrange(3)
    (size,) = struct.unpack_from(">I", content, at)
    struct.pack_into(">I", content, at, size + chance.randrange(-size, 5000))
    assert frames_of(bytes(content)) == walked(corpus["h264_closed"])


def test_runs_that_do_not_say_where_their_data_starts_follow_each_other(corpus: dict[str, Path]) -> None:
    """libav reads such runs from the start of the fragment again, against the book."""
    content = fragments_of(corpus["h264_closed"], Style(has_offsets=False, runs=3))
    assert frames_of(content) == walked(corpus["h264_closed"])


def test_two_track_fragments_without_a_time_in_one_fragment_are_left_to_libav(corpus: dict[str, Path]) -> None:
    probe = probe_bytes(fragments_of(corpus["h264_closed"], Style(trafs=2, has_tfdt=False)))
    assert (probe.table, probe.whole_reason) == (None, WholeReason.NOT_MONOTONIC)


def test_an_index_without_times_in_the_fragments_is_left_to_libav(corpus: dict[str, Path]) -> None:
    probe = probe_bytes(fragments_of(corpus["h264_closed"], Style(sidx="front", has_tfdt=False)))
    assert (probe.table, probe.whole_reason) == (None, WholeReason.NOT_MONOTONIC)


def bytes_of_job(content: bytes, table: SampleTable, run_length: int) -> int:
    source = CountingSource(BytesSource(content))
    probe_video(source, LIMITS)
    for run in runs_of(cells_of(table), run_length):
        list(decode_cells(table.config, run, source, LIMITS, Damage()))
    return source.bytes_read


@pytest.mark.parametrize("style", [Style(sidx="front"), Style()], ids=str)
def test_a_whole_job_reads_little_more_than_the_file(corpus: dict[str, Path], style: Style) -> None:
    stream = take_stream(corpus["h264_closed"])
    padded = tuple(replace(one, content=with_filler(one.content)) for one in stream.samples)
    content = mux_fragments(replace(stream, samples=padded), range(0, 96, 24), style)
    assert bytes_of_job(content, table_of(content), 1) <= 1.1 * len(content)


def with_filler(content: bytes) -> bytes:
    """An H.264 sample with 20,000 bytes of filler data behind its picture."""
    return content + (20_000).to_bytes(4) + b"\x0c".ljust(19_999, b"\xff") + b"\x80"


FRAGMENT_CUT_OFF = ["frag_default_base", "frag_sidx", "frag_hevc_open", "box_frag_front"]


@pytest.mark.parametrize("name", FRAGMENT_CUT_OFF)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_a_file_that_is_cut_off_inside_a_fragment_says_so(corpus: dict[str, Path], name: str, share: float) -> None:
    content = corpus[name].read_bytes()
    starts = [at - 4 for at in range(len(content)) if content[at : at + 4] == b"moof"]
    cut = content[: starts[2] + 12 + int(share * (starts[3] - starts[2]))]
    table = table_of(cut)
    decoded = decode_in_runs(table, BytesSource(cut), 1000)
    assert decode_in_runs(table, BytesSource(cut), 1) == decoded
    assert decoded.damaged
    assert decoded.frames == [
        frame
        for frame in single_pass(corpus[name])
        if frame.pts < decoded.damaged[-1].end_pts
        and not any(one.start_pts <= frame.pts < one.end_pts for one in decoded.damaged)
    ]


def test_an_index_in_front_tells_how_much_a_file_that_was_cut_off_lacks(corpus: dict[str, Path]) -> None:
    content = corpus["frag_sidx"].read_bytes()
    starts = [at - 4 for at in range(len(content)) if content[at : at + 4] == b"moof"]
    decoded = decode_in_runs(table_of(content[: starts[2]]), BytesSource(content[: starts[2]]), 1)
    last_pts = single_pass(corpus["frag_sidx"])[-1].pts
    assert [one.end_pts for one in decoded.damaged] == [last_pts + TICKS_PER_FRAME]


def code_of(content: bytes, limits: MediaLimits) -> ErrorCode:
    with pytest.raises(BadInput) as refused:
        probe_video(BytesSource(content), limits)
    return refused.value.failure.code


@pytest.mark.parametrize(
    "limits",
    [MediaLimits(max_duration_seconds=3), MediaLimits(max_index_bytes=1100), MediaLimits(max_pixels=159 * 96)],
    ids=["duration", "index", "pixels"],
)
def test_limits_hold_for_fragments(corpus: dict[str, Path], limits: MediaLimits) -> None:
    assert code_of(corpus["frag_default_base"].read_bytes(), limits) is ErrorCode.RESOURCE_LIMIT


def test_too_many_fragments_are_refused(corpus: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragment_walk, "MAX_FRAGMENTS", 20)
    assert code_of(corpus["frag_every_frame"].read_bytes(), LIMITS) is ErrorCode.RESOURCE_LIMIT


def with_run_count(content: bytes, count: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(">I", changed, content.index(b"trun") + 8, count)
    return bytes(changed)


def test_more_samples_than_a_run_holds_are_malformed(corpus: dict[str, Path]) -> None:
    assert code_of(with_run_count(corpus["frag_default_base"].read_bytes(), 1000), LIMITS) is ErrorCode.MALFORMED


def test_a_fragmented_file_without_a_fragment_is_malformed(corpus: dict[str, Path]) -> None:
    content = corpus["frag_default_base"].read_bytes()
    assert code_of(content[: content.index(b"moof") - 4], LIMITS) is ErrorCode.MALFORMED
