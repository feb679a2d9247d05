"""Damage is a contract: a GOP that is not sound is left out whole, in every cut, and its neighbours are untouched."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from gpu_batch.containers.table import SampleTable
from gpu_batch.containers.whole import decode_whole
from gpu_batch.video.damage import Damage, DamageCause, DamagedRange
from gpu_batch.video.decode import decode_cells
from gpu_batch.video.source import BytesSource
from tests.video.corpus import TICKS_PER_FRAME
from tests.video.reading import (
    LIMITS,
    Decoded,
    Seen,
    cells_of,
    decode_in_runs,
    probe_bytes,
    see,
    single_pass,
    table_of,
)

CODECS = ["h264_closed", "h264_open_pyramid", "hevc_closed", "hevc_open", "vp9", "av1"]


def spoil(content: bytes, table: SampleTable, cell: int, sample: int, change: Callable[[bytes], bytes]) -> bytes:
    """The file with one sample of one cell changed."""
    samples = cells_of(table)[cell].samples
    start, end = samples.offsets[sample], samples.offsets[sample] + samples.sizes[sample]
    changed = change(content[start:end])
    assert len(changed) == end - start
    return content[:start] + changed + content[end:]


def zeros(sample: bytes) -> bytes:
    return bytes(len(sample))


def garble(sample: bytes) -> bytes:
    # From a quarter on: what follows a half is now and then another legal picture.
    quarter = len(sample) // 4
    return sample[:quarter] + bytes(byte ^ 0x5A for byte in sample[quarter:])


def outside(frames: list[Seen], damaged: tuple[DamagedRange, ...]) -> list[Seen]:
    return [frame for frame in frames if not any(one.start_pts <= frame.pts < one.end_pts for one in damaged)]


def decode_in_every_cut(table: SampleTable, content: bytes) -> Decoded:
    """What all cells in one run give, and cell by cell alike."""
    as_one = decode_in_runs(table, BytesSource(content), 1000)
    assert decode_in_runs(table, BytesSource(content), 1) == as_one
    return as_one


@pytest.mark.parametrize("name", CODECS)
def test_a_zeroed_sample_takes_its_gop_and_no_other(corpus: dict[str, Path], name: str) -> None:
    table, content = table_of(corpus[name]), corpus[name].read_bytes()
    decoded = decode_in_every_cut(table, spoil(content, table, 1, 9, zeros))
    assert [(one.start_pts, one.end_pts) for one in decoded.damaged] == [
        (table.cells[1].start_pts, table.cells[1].end_pts)
    ]
    assert decoded.frames == outside(single_pass(corpus[name]), decoded.damaged)


@pytest.mark.parametrize("name", ["h264_open_pyramid", "hevc_open"])
def test_a_zeroed_keyframe_of_an_open_gop_takes_the_gop_before_as_well(corpus: dict[str, Path], name: str) -> None:
    table, content = table_of(corpus[name]), corpus[name].read_bytes()
    decoded = decode_in_every_cut(table, spoil(content, table, 2, 0, zeros))
    assert [one.start_pts for one in decoded.damaged] == [cell.start_pts for cell in table.cells[1:3]]
    assert decoded.frames == outside(single_pass(corpus[name]), decoded.damaged)


@pytest.mark.parametrize("name", ["h264_open", "h264_open_pyramid", "mkv_open"])
def test_a_keyframe_decoded_with_errors_takes_the_leading_pictures_that_refer_to_it(
    corpus: dict[str, Path], name: str
) -> None:
    table, content = table_of(corpus[name]), corpus[name].read_bytes()
    decoded = decode_in_every_cut(table, spoil(content, table, 2, 0, garble))
    assert [one.start_pts for one in decoded.damaged] == [cell.start_pts for cell in table.cells[1:3]]
    assert decoded.frames == outside(single_pass(corpus[name]), decoded.damaged)


@pytest.mark.parametrize("gop", [0, 1])
@pytest.mark.parametrize("sample", [0, 2])
def test_damage_takes_one_gop_of_a_cell_that_has_several(corpus: dict[str, Path], gop: int, sample: int) -> None:
    table, content = table_of(corpus["h264_short_gops"]), corpus["h264_short_gops"].read_bytes()
    cell = cells_of(table)[5]
    assert cell.own == 8
    decoded = decode_in_every_cut(table, spoil(content, table, 5, 4 * gop + sample, zeros))
    (damaged,) = decoded.damaged
    assert (damaged.start_pts, damaged.end_pts) == (
        cell.start_pts + 4 * gop * TICKS_PER_FRAME,
        cell.start_pts + 4 * (gop + 1) * TICKS_PER_FRAME,
    )
    assert decoded.frames == outside(single_pass(corpus["h264_short_gops"]), decoded.damaged)


@pytest.mark.parametrize("sample", range(10))
def test_damage_inside_a_cell_of_open_gops_leaves_all_others_untouched(corpus: dict[str, Path], sample: int) -> None:
    table, content = table_of(corpus["h264_short_open_gops"]), corpus["h264_short_open_gops"].read_bytes()
    assert cells_of(table)[5].own == 10
    decoded = decode_in_every_cut(table, spoil(content, table, 5, sample, zeros))
    assert 1 <= len(decoded.damaged) <= 2
    assert decoded.frames == outside(single_pass(corpus["h264_short_open_gops"]), decoded.damaged)


def test_a_zeroed_keyframe_of_a_closed_gop_leaves_the_gop_before_whole(corpus: dict[str, Path]) -> None:
    table, content = table_of(corpus["h264_closed"]), corpus["h264_closed"].read_bytes()
    decoded = decode_in_every_cut(table, spoil(content, table, 2, 0, zeros))
    assert [one.start_pts for one in decoded.damaged] == [table.cells[2].start_pts]


@pytest.mark.parametrize("name", ["h264_open_pyramid", "hevc_open"])
def test_a_zeroed_leading_picture_takes_the_interval_that_it_is_displayed_in(
    corpus: dict[str, Path], name: str
) -> None:
    table, content = table_of(corpus[name]), corpus[name].read_bytes()
    decoded = decode_in_every_cut(table, spoil(content, table, 2, 1, zeros))
    assert [one.start_pts for one in decoded.damaged] == [table.cells[1].start_pts]
    assert decoded.frames == outside(single_pass(corpus[name]), decoded.damaged)


def flip_at_random(chance: random.Random) -> Callable[[bytes], bytes]:
    def flip(sample: bytes) -> bytes:
        changed = bytearray(sample)
        changed[chance.randrange(len(sample))] ^= 1 << chance.randrange(8)
        return bytes(changed)

    return flip


@pytest.mark.parametrize("name", ["h264_closed", "h264_open_pyramid", "vp9", "av1"])
def test_flipped_bits_never_make_the_cut_visible(corpus: dict[str, Path], name: str) -> None:
    table, content, chance = table_of(corpus[name]), corpus[name].read_bytes(), random.Random(11)
    for _ in range(8):
        decode_in_every_cut(table, spoil(content, table, 1, chance.randrange(24), flip_at_random(chance)))


@pytest.mark.parametrize("name", CODECS)
def test_flipped_bits_never_reach_frames_of_other_gops(corpus: dict[str, Path], name: str) -> None:
    table, content, chance = table_of(corpus[name]), corpus[name].read_bytes(), random.Random(12)
    reached = (table.cells[0].start_pts, table.cells[1].end_pts)
    untouched = [frame for frame in single_pass(corpus[name]) if not reached[0] <= frame.pts < reached[1]]
    for _ in range(8):
        spoiled = spoil(content, table, 1, chance.randrange(20), flip_at_random(chance))
        frames = decode_in_runs(table, BytesSource(spoiled), 1000).frames
        assert [frame for frame in frames if not reached[0] <= frame.pts < reached[1]] == untouched


def test_most_garbled_h264_slices_are_noticed(corpus: dict[str, Path]) -> None:
    """CABAC has no checksum, so some damage decodes to other legal pictures; libav tells most."""
    table, content = table_of(corpus["h264_mov"]), corpus["h264_mov"].read_bytes()

    noticed = sum(
        bool(decode_in_every_cut(table, spoil(content, table, 1, sample, garble)).damaged) for sample in range(1, 13)
    )
    assert noticed >= 6


def test_a_table_made_of_a_damaged_file_gives_the_same_frames(corpus: dict[str, Path]) -> None:
    healthy, content = table_of(corpus["h264_closed"]), corpus["h264_closed"].read_bytes()
    spoiled = spoil(content, healthy, 2, 0, zeros)
    table = table_of(spoiled)
    assert len(table.cells) == 3
    decoded = decode_in_every_cut(table, spoiled)
    assert [(one.start_pts, one.end_pts) for one in decoded.damaged] == [
        (healthy.cells[2].start_pts, healthy.cells[2].end_pts)
    ]
    assert decoded.frames == outside(single_pass(corpus["h264_closed"]), decoded.damaged)


def test_a_damaged_first_keyframe_does_not_refuse_the_video(corpus: dict[str, Path]) -> None:
    healthy, content = table_of(corpus["h264_closed"]), corpus["h264_closed"].read_bytes()
    spoiled = spoil(content, healthy, 0, 0, zeros)
    decoded = decode_in_every_cut(table_of(spoiled), spoiled)
    assert [one.start_pts for one in decoded.damaged] == [healthy.cells[0].start_pts]
    assert decoded.frames == outside(single_pass(corpus["h264_closed"]), decoded.damaged)


def test_a_file_that_ends_early_gives_the_gops_that_are_there(corpus: dict[str, Path]) -> None:
    content = corpus["h264_faststart"].read_bytes()
    healthy = table_of(content)
    truncated = content[: healthy.cells[2].byte_start + 3000]
    table = table_of(truncated)
    decoded = decode_in_every_cut(table, truncated)
    assert {one.cause for one in decoded.damaged} == {DamageCause.MISSING_BYTES}
    assert decoded.damaged[0].start_pts == healthy.cells[2].start_pts
    assert decoded.damaged[-1].end_pts == healthy.cells[-1].end_pts
    assert decoded.frames == outside(single_pass(corpus["h264_faststart"]), decoded.damaged)
    assert decoded.frames


def test_a_damaged_range_names_its_cause(corpus: dict[str, Path]) -> None:
    table, content = table_of(corpus["h264_closed"]), corpus["h264_closed"].read_bytes()
    (damaged,) = decode_in_every_cut(table, spoil(content, table, 1, 9, zeros)).damaged
    assert damaged.cause == "a frame could not be decoded"


def test_no_frame_of_a_corrupt_picture_is_given_out(corpus: dict[str, Path]) -> None:
    table, content = table_of(corpus["h264_closed"]), corpus["h264_closed"].read_bytes()
    spoiled = spoil(content, table, 1, 9, zeros)
    damage = Damage()
    frames = list(decode_cells(table.config, cells_of(table), BytesSource(spoiled), LIMITS, damage))
    assert not any(frame.image.is_corrupt for frame in frames)


@pytest.mark.parametrize("name", ["mkv", "mpegts"])
def test_a_damaged_gop_of_a_container_without_a_table_is_left_out_whole(corpus: dict[str, Path], name: str) -> None:
    healthy = single_pass(corpus[name])
    content = bytearray(corpus[name].read_bytes())
    middle = len(content) // 2
    # More than one frame: half of one is now and then another legal picture.
    content[middle : middle + 1200] = bytes(1200)
    damage = Damage()
    frames = [see(frame) for frame in decode_whole(BytesSource(bytes(content)), LIMITS, damage)]
    sound = [frame for frame in frames if not damage.covers(frame.pts)]
    assert damage.ranges
    assert sound == outside(healthy, damage.ranges)
    assert len(sound) >= len(healthy) / 3


def decode_as_probed(content: bytes) -> Decoded:
    """What a job gives for a file: cell by cell where it has a table, else as a whole."""
    table = probe_bytes(content).table
    return decode_in_every_cut(table, content) if table else decode_as_whole(content)


def decode_as_whole(content: bytes) -> Decoded:
    damage = Damage()
    frames = [see(frame) for frame in decode_whole(BytesSource(content), LIMITS, damage)]
    return Decoded([frame for frame in frames if not damage.covers(frame.pts)], damage.ranges)


@pytest.mark.parametrize("name", ["mkv", "mkv_open", "mpegts", "mpegts_audio", "flv", "webm"])
@pytest.mark.parametrize("seed", range(6))
def test_a_container_damaged_before_the_probe_gives_sound_frames_or_those_of_a_single_pass(
    corpus: dict[str, Path], name: str, seed: int
) -> None:
    content, healthy = bytearray(corpus[name].read_bytes()), single_pass(corpus[name])
    start = random.Random(seed).randrange(len(content) // 4, len(content) - 700)
    content[start : start + 600] = bytes(600)
    decoded = decode_as_probed(bytes(content))
    assert set(decoded.frames) <= {*healthy, *decode_as_whole(bytes(content)).frames}
    assert len(decoded.frames) >= len(healthy) / 3


def test_probing_a_damaged_file_says_nothing_of_damage(corpus: dict[str, Path]) -> None:
    table, content = table_of(corpus["h264_closed"]), corpus["h264_closed"].read_bytes()
    probe = probe_bytes(spoil(content, table, 1, 9, zeros))
    assert (probe.media.frame_count, len(probe.cells)) == (96, 4)


@pytest.mark.parametrize("name", ["mkv", "webm", "mjpeg_avi"])
def test_a_recording_that_was_cut_off_says_so(corpus: dict[str, Path], name: str) -> None:
    content = corpus[name].read_bytes()
    sound, damage = Damage(), Damage()
    frames = list(decode_whole(BytesSource(content), LIMITS, sound))
    left = list(decode_whole(BytesSource(content[: len(content) * 2 // 3]), LIMITS, damage))
    assert sound.ranges == ()
    assert 0 < len(left) < len(frames)
    assert damage.ranges[-1].cause is DamageCause.CUT_OFF


@pytest.mark.parametrize("name", ["mkv", "webm"])
def test_what_is_missing_reaches_to_the_end_that_the_recording_states(corpus: dict[str, Path], name: str) -> None:
    content = corpus[name].read_bytes()
    damage = Damage()
    list(decode_whole(BytesSource(content[: len(content) * 2 // 3]), LIMITS, damage))
    assert damage.covers(list(decode_whole(BytesSource(content), LIMITS, Damage()))[-1].pts)


def test_two_recordings_in_one_file_keep_every_frame_apart(corpus: dict[str, Path]) -> None:
    content = corpus["mpegts"].read_bytes()
    once = list(decode_whole(BytesSource(content), LIMITS, Damage()))
    twice = list(decode_whole(BytesSource(content * 2), LIMITS, Damage()))
    places = [(frame.pts, frame.ordinal) for frame in twice]
    assert len(set(places)) == len(places) > len(once)
