"""What a decoder knows of parameter sets, and when a fresh one knows the same."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from gpu_batch.video.h264_sps import Bits, Unreadable, read_sps
from gpu_batch.video.nal_units import nal_units, without_emulation
from gpu_batch.video.parameter_sets import ParameterSets, nal_length_size_of, units_of_extradata

ONE, TWO = "00000001", "00000010"


def packed(bits: str) -> bytes:
    """Bits, and the one that ends them, as bytes."""
    bits += "1"
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8))


def number(value: int) -> str:
    """Exp-Golomb."""
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def sps(number_of_set: int = 0, *, is_frames_only: bool = True, reorder: int | None = None, level: str = ONE) -> bytes:
    """A set of the main profile with frame numbers of 4 bits."""
    size = "0" + number(9) + number(5) + ("1" if is_frames_only else "00") + "10"
    usability = "0"
    if reorder is not None:
        usability = "1" + "0" * 4 + "0" * 4 + "1" + "1" + "".join(map(number, (0, 0, 10, 10, reorder, 4)))
    bits = f"{77:08b}" + ONE + level + number(number_of_set) + number(0) + number(0) + number(0) + number(1)
    return b"\x67" + packed(bits + size + usability)


def pps(number_of_set: int = 0, sps_number: int = 0, more: str = "11") -> bytes:
    return b"\x68" + packed(number(number_of_set) + number(sps_number) + more)


def slice_of(fields: str, pps_number: int = 0) -> bytes:
    return b"\x41" + packed(number(0) + number(5) + number(pps_number) + "0101" + fields)


def test_a_set_is_what_was_added_last() -> None:
    single = ParameterSets("h264", [sps(), pps(), sps(level=TWO), pps()])
    assert single == ParameterSets("h264", [sps(level=TWO), pps()])
    assert single != ParameterSets("h264", [sps(), pps()])


def test_a_set_that_was_only_in_front_of_the_first_keyframe_is_missed() -> None:
    assert ParameterSets("h264", [sps(), pps(), pps(1)]) != ParameterSets("h264", [sps(), pps()])


def test_a_set_whose_base_changed_is_not_the_one_that_was_sent_again() -> None:
    forgotten = ParameterSets("h264", [sps(), pps(), sps(level=TWO)])
    assert forgotten != ParameterSets("h264", [sps(level=TWO), pps()])


def test_sending_a_set_again_changes_nothing() -> None:
    assert ParameterSets("h264", [sps(), pps(), sps()]) == ParameterSets("h264", [sps(), pps()])


def test_units_that_are_no_sets_are_passed_over() -> None:
    assert ParameterSets("h264", [b"\x06\x05", sps()]) == ParameterSets("h264", [sps()])


def test_a_set_that_ends_too_early_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        ParameterSets("h264", [sps()[:5]])


@pytest.mark.parametrize(
    ("fields", "is_lone"),
    [(["0"], False), (["10"], True), (["11"], True), (["10", "11"], False), (["10", "10"], True)],
)
def test_one_field_without_the_other_is_no_frame(fields: list[str], is_lone: bool) -> None:
    sets = ParameterSets("h264", [sps(is_frames_only=False), pps()])
    assert sets.has_lone_field(map(slice_of, fields)) is is_lone


def test_a_stream_of_frames_only_has_no_fields() -> None:
    assert not ParameterSets("h264", [sps(), pps()]).has_lone_field([slice_of("10")])


def test_a_slice_of_a_set_that_is_not_there_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="picture parameter set"):
        ParameterSets("h264", [sps(is_frames_only=False), pps()]).has_lone_field([slice_of("10", pps_number=3)])


@pytest.mark.parametrize(
    ("units", "depth", "is_promised"),
    [
        ([sps(reorder=2)], 2, True),
        ([sps(reorder=1)], 2, False),
        ([sps()], 0, False),
        ([sps(reorder=2), sps(1, reorder=0)], 2, False),
    ],
)
def test_the_reorder_depth_is_promised_by_every_set(units: list[bytes], depth: int, is_promised: bool) -> None:
    assert ParameterSets("h264", units).promise_order(depth) is is_promised


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("h264_closed", "h264"),
        ("hevc_closed", "hevc"),
        ("mpegts", "h264"),
        ("mpegts_hevc", "hevc"),
        ("mkv_hevc", "hevc"),
    ],
)
def test_sets_of_the_extradata_are_those_of_the_stream(corpus: dict[str, Path], name: str, codec: str) -> None:
    with av.open(str(corpus[name])) as opened:
        extradata = opened.streams.video[0].codec_context.extradata or b""
        first = bytes(next(opened.demux(video=0)))
    known = ParameterSets(codec, units_of_extradata(codec, extradata))
    assert known != ParameterSets(codec)
    again = ParameterSets(codec, units_of_extradata(codec, extradata))
    for unit in nal_units(nal_length_size_of(codec, extradata), first):
        again.add(unit)
    assert again == known


@pytest.mark.parametrize("name", ["h264_closed", "hevc_closed"])
def test_extradata_that_is_cut_off_anywhere_is_read_as_far_as_it_goes(corpus: dict[str, Path], name: str) -> None:
    with av.open(str(corpus[name])) as opened:
        extradata = opened.streams.video[0].codec_context.extradata or b""
    whole = list(units_of_extradata(name[:4], extradata))
    for end in range(23, len(extradata)):
        assert len(list(units_of_extradata(name[:4], extradata[:end]))) <= len(whole)


@pytest.mark.parametrize(
    ("name", "is_frames_only", "reorder"),
    [("h264_closed", True, 2), ("h264_interlaced", False, 2), ("h264_no_vui", True, None)],
)
def test_a_set_of_a_real_encoder_is_read(
    corpus: dict[str, Path], name: str, is_frames_only: bool, reorder: int | None
) -> None:
    with av.open(str(corpus[name])) as opened:
        extradata = opened.streams.video[0].codec_context.extradata or b""
    (unit,) = (unit for unit in units_of_extradata("h264", extradata) if unit[0] & 0x1F == 7)
    assert (read_sps(unit).is_frames_only, read_sps(unit).reorder_depth) == (is_frames_only, reorder)


def test_bits_are_taken_from_the_front() -> None:
    bits = Bits(b"\xa6\x42")
    assert (bits.take(1), bits.take(3), bits.number(), bits.number()) == (1, 2, 2, 3)


@pytest.mark.parametrize("zeros", [0, 1, 3])
def test_units_are_parted_by_start_codes_and_zeros(zeros: int) -> None:
    sample = bytes(zeros) + b"\0\0\1\x09\xf0" + bytes(zeros) + b"\0\0\1\x65\x88\x84" + bytes(zeros)
    assert list(nal_units(0, sample)) == [b"\x09\xf0", b"\x65\x88\x84"]


def test_emulation_prevention_is_taken_out() -> None:
    assert without_emulation(b"\x67\0\0\3\1\0\0\3\0") == b"\x67\0\0\1\0\0\0"
