"""The promise: however a video is cut, its frames are those of a single pass, bit for bit, from few bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.contracts.sample_table import SampleFlag
from chalicelib.domain.media import WholeReason
from gpu_batch.containers.whole import decode_whole
from gpu_batch.video.damage import Damage
from gpu_batch.video.decode import decode_cells
from gpu_batch.video.source import FileSource
from tests.video.corpus import RECIPES
from tests.video.reading import (
    LIMITS,
    CountingSource,
    cells_of,
    decode_in_runs,
    probe_bytes,
    runs_of,
    see,
    single_pass,
    table_of,
)

MANY_CELLS = [
    "h264_closed",
    "h264_faststart",
    "h264_long_gop",
    "h264_gop_250",
    "h264_open",
    "h264_open_pyramid",
    "h264_short_gops",
    "h264_short_open_gops",
    "h264_mov",
    "h264_interlaced",
    "h264_negative_cts",
    "h264_vfr",
    "h264_edit",
    "h264_edit_between_frames",
    "h264_vfr_edit",
    "h264_empty_edit",
    "h264_start_later",
    "h264_rotated_90",
    "h264_no_vui",
    "hevc_closed",
    "hevc_open",
    "hevc_open_edit",
    "hevc_10bit",
    "vp9",
    "av1",
    "mjpeg_mov",
    "mpegts",
    "mpegts_open",
    "mpegts_hevc",
    "mpegts_audio",
    "mpegts_audio_first",
    "mpegts_narrow",
    "mpegts_new_size",
    "mpegts_shallow_no_vui",
    "mpegts_short_gops",
    "mpegts_wrap",
    "mpegts_from_the_middle",
    "mpegts_open_from_the_middle",
    "mpegts_cut_off",
    "m2ts",
    "mkv",
    "mkv_open",
    "mkv_hevc",
    "mkv_audio",
    "mkv_live",
    "mkv_small_clusters",
    "mkv_vfr",
    "mkv_interlaced",
    "mkv_new_size",
    "mkv_new_size_once",
    "mkv_plain",
    "mkv_groups",
    "mkv_mjpeg",
    "webm",
    "webm_hidden_frames",
    "webm_vp8",
    "webm_av1",
    "mjpeg_avi",
    "flv",
    "flv_repeated_header",
    "h264_shallow_reorder",
    "h264_shallow_no_vui",
    "h264_in_band_change",
    "h264_two_descriptions",
    "h264_audio_first",
    "h264_fragmented",
    "frag_default_base",
    "frag_sidx",
    "frag_dash",
    "frag_audio",
    "frag_separate",
    "frag_negative_cts",
    "frag_several_gops",
    "frag_short",
    "frag_every_frame",
    "frag_edit",
    "frag_open",
    "frag_hevc_open",
    "frag_vfr",
    "box_frag",
    "box_frag_offset",
    "box_frag_implicit",
    "box_frag_defaults",
    "box_frag_no_time",
    "box_frag_signed",
    "box_frag_front",
    "box_frag_mfra",
    "box_frag_gaps",
    "box_frag_rounded",
    "box_frag_edit",
    "box_frag_late",
]
REASON_BY_ONE_CELL = {
    "h264_one_keyframe": WholeReason.SHORT,
    "h264_one_frame": WholeReason.SHORT,
    "h264_intra_refresh": WholeReason.UNPROVED_KEYFRAMES,
    "h264_in_band_once": WholeReason.UNPROVED_KEYFRAMES,
}
REASON_BY_WHOLE = {
    "frag_hybrid": WholeReason.NOT_INDEXED,
    "box_frag_torn": WholeReason.NOT_MONOTONIC,
    "box_frag_back": WholeReason.NOT_MONOTONIC,
    "box_frag_shift": WholeReason.NOT_MONOTONIC,
    "h264_three_edits": WholeReason.NOT_MONOTONIC,
    "h264_two_edits": WholeReason.NOT_MONOTONIC,
    "mpeg4": WholeReason.NOT_INDEXED,
    "mpegts_mpeg2": WholeReason.NOT_INDEXED,
    "mpegts_twice": WholeReason.NOT_INDEXED,
    "mpegts_packet_lost": WholeReason.NOT_INDEXED,
    "mpegts_no_vui": WholeReason.NOT_MONOTONIC,
    "mkv_no_vui": WholeReason.NOT_MONOTONIC,
    "mkv_prores": WholeReason.NOT_INDEXED,
    "mkv_cut_off": WholeReason.NOT_INDEXED,
    "flv_no_vui": WholeReason.NOT_MONOTONIC,
    "flv_new_header": WholeReason.NOT_INDEXED,
    "mkv_laced": WholeReason.NOT_MONOTONIC,
    "mkv_stripped": WholeReason.NOT_INDEXED,
    "h264_avi": WholeReason.NOT_MONOTONIC,
    "mpeg_ps": WholeReason.NOT_INDEXED,
}


@pytest.mark.parametrize("name", MANY_CELLS)
def test_a_video_with_proved_keyframes_is_cut_into_several_cells(corpus: dict[str, Path], name: str) -> None:
    probe = probe_bytes(corpus[name].read_bytes())
    assert (len(probe.cells) > 1, probe.whole_reason) == (True, None)


@pytest.mark.parametrize("name", [*MANY_CELLS, *REASON_BY_ONE_CELL])
@pytest.mark.parametrize("length", [1, pytest.param(2, marks=pytest.mark.slow), 1000])
def test_runs_of_any_length_give_the_frames_of_a_single_pass(corpus: dict[str, Path], name: str, length: int) -> None:
    decoded = decode_in_runs(table_of(corpus[name]), FileSource(corpus[name]), length)
    assert decoded.frames == single_pass(corpus[name])
    assert decoded.damaged == ()


@pytest.mark.parametrize("name", [*MANY_CELLS, *REASON_BY_ONE_CELL])
def test_cells_tile_the_shown_timeline(corpus: dict[str, Path], name: str) -> None:
    table, shown = table_of(corpus[name]), [frame.pts for frame in single_pass(corpus[name])]
    bounds = [cell.start_pts for cell in table.cells] + [table.cells[-1].end_pts]
    assert [cell.end_pts for cell in table.cells] == bounds[1:]
    assert bounds[0] == shown[0]
    assert bounds[-1] > shown[-1]
    assert [cell.frames for cell in table.cells] == [
        sum(cell.start_pts <= pts < cell.end_pts for pts in shown) for cell in table.cells
    ]


@pytest.mark.parametrize("name", MANY_CELLS)
def test_a_chunk_knows_the_shown_frames_around_its_cell(corpus: dict[str, Path], name: str) -> None:
    shown = [frame.pts for frame in single_pass(corpus[name])]
    for cell in cells_of(table_of(corpus[name])):
        assert cell.prev_pts == max((pts for pts in shown if pts < cell.start_pts), default=None)
        assert cell.next_pts == min((pts for pts in shown if pts >= cell.end_pts), default=None)


@pytest.mark.parametrize("name", MANY_CELLS)
def test_a_run_is_one_request_for_the_span_of_its_samples(corpus: dict[str, Path], name: str) -> None:
    table = table_of(corpus[name])
    for run in runs_of(cells_of(table), 2):
        source = CountingSource(FileSource(corpus[name]))
        assert list(decode_cells(table.config, run, source, LIMITS, Damage()))
        cells = [table.cells[cell.index] for cell in run]
        start, end = min(cell.byte_start for cell in cells), max(cell.byte_end for cell in cells)
        assert source.ranges == [(start, end - start)]


@pytest.mark.parametrize("name", ["h264_closed", "mpegts", "m2ts", "mpegts_audio", "mkv_audio", "flv"])
def test_cutting_everywhere_reads_hardly_more_than_the_file(corpus: dict[str, Path], name: str) -> None:
    source = CountingSource(FileSource(corpus[name]))
    decode_in_runs(table_of(corpus[name]), source, 1)
    assert source.bytes_read <= 1.02 * source.size_bytes


@pytest.mark.parametrize(("name", "reason"), REASON_BY_ONE_CELL.items())
def test_one_cell_says_why(corpus: dict[str, Path], name: str, reason: WholeReason) -> None:
    probe = probe_bytes(corpus[name].read_bytes())
    assert (len(probe.cells), probe.whole_reason) == (1, reason)


@pytest.mark.parametrize(("name", "reason"), REASON_BY_WHOLE.items())
def test_a_container_without_a_table_says_why(corpus: dict[str, Path], name: str, reason: WholeReason) -> None:
    probe = probe_bytes(corpus[name].read_bytes())
    assert (probe.table, len(probe.cells), probe.whole_reason) == (None, 1, reason)


DAMAGED = {"mpegts_twice", "mpegts_packet_lost", "mkv_cut_off"}


def test_frames_without_times_have_the_pixels_of_a_single_pass(corpus: dict[str, Path]) -> None:
    frames = [see(frame) for frame in decode_whole(FileSource(corpus["mkv_laced"]), LIMITS, Damage())]
    assert [frame.md5 for frame in frames] == [frame.md5 for frame in single_pass(corpus["mkv_laced"])]


@pytest.mark.parametrize("name", sorted(set(REASON_BY_WHOLE) - DAMAGED - {"mkv_laced"}))
def test_a_container_without_a_table_gives_the_frames_of_a_single_pass(corpus: dict[str, Path], name: str) -> None:
    damage = Damage()
    frames = [see(frame) for frame in decode_whole(FileSource(corpus[name]), LIMITS, damage)]
    assert frames == single_pass(corpus[name])
    assert damage.ranges == ()


@pytest.mark.parametrize("name", sorted(DAMAGED))
def test_what_is_sound_of_a_damaged_container_is_as_in_a_single_pass(corpus: dict[str, Path], name: str) -> None:
    damage = Damage()
    frames = [see(frame) for frame in decode_whole(FileSource(corpus[name]), LIMITS, damage)]
    sound = [frame for frame in frames if not damage.covers(frame.pts)]
    assert sound == [frame for frame in single_pass(corpus[name]) if not damage.covers(frame.pts)]
    assert damage.ranges


def test_a_keyframe_whose_parameter_sets_were_sent_before_starts_no_cell(corpus: dict[str, Path]) -> None:
    with_sets, without = (table_of(corpus[name]) for name in ("mkv_new_size", "mkv_new_size_once"))
    assert [cell.start_pts for cell in without.cells] == [cell.start_pts for cell in with_sets.cells[:-1]]


def test_a_frame_that_is_not_to_be_shown_is_decoded_and_not_counted(corpus: dict[str, Path]) -> None:
    cells = cells_of(table_of(corpus["webm_hidden_frames"]))
    flags = [flag for cell in cells for flag in cell.samples.flags]
    assert len(flags) == 96
    assert (
        sum(not flag & SampleFlag.SHOWN for flag in flags) == 96 - len(single_pass(corpus["webm_hidden_frames"])) > 10
    )


def test_without_the_reorder_depth_frames_would_be_lost(corpus: dict[str, Path]) -> None:
    table, source = table_of(corpus["h264_no_vui"]), FileSource(corpus["h264_no_vui"])
    unaware = replace(table, config=replace(table.config, reorder_depth=0))
    assert decode_in_runs(unaware, source, 1).frames != single_pass(corpus["h264_no_vui"])


def test_every_recipe_of_the_corpus_is_tested_for_exactness(corpus: dict[str, Path]) -> None:
    tested = {*MANY_CELLS, *REASON_BY_ONE_CELL, *REASON_BY_WHOLE}
    material = {"h264_main_profile", "h264_in_band", "h264_in_band_other"}
    assert set(RECIPES) - tested == material
    assert set(corpus) - tested == material | {"h264_rotated_180", "h264_rotated_270"}
