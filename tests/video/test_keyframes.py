"""What the first bytes of a sample prove, bit by bit."""

from __future__ import annotations

import pytest

from chalicelib.contracts.sample_table import Description
from gpu_batch.video.keyframes import Verdict, judge_keyframe
from gpu_batch.video.nal_units import MAX_UNITS

NALS = Description(b"", 160, 96, 4)
PLAIN = Description(b"", 160, 96, 0)
AV1_WITH_HEADER = Description(b"\x81\x00\x0c\x00\x0a\x0b", 160, 96, 0)


def sample(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4) + unit for unit in units)


def recovery_point(frames_bits: str) -> bytes:
    """An SEI unit with a recovery point whose payload starts with these bits."""
    return bytes([6, 6, 1, int(frames_bits.ljust(8, "0"), 2), 0x80])


IDR, NON_IDR = b"\x65\x88", b"\x41\x9a"


@pytest.mark.parametrize(
    ("units", "verdict"),
    [
        ([IDR], Verdict.PROVED_CLOSED),
        ([b"\x09\x10", b"\x67\x64", b"\x68\xee", IDR], Verdict.PROVED_CLOSED),
        ([NON_IDR], Verdict.REFUTED),
        ([recovery_point("11"), NON_IDR], Verdict.PROVED_OPEN),
        ([b"\x06\x05\x02\x00\x00\x80", recovery_point("11"), NON_IDR], Verdict.PROVED_OPEN),
        ([recovery_point("10"), NON_IDR], Verdict.REFUTED),
        ([recovery_point("010"), NON_IDR], Verdict.REFUTED),
        ([b"\x67\x64"], Verdict.MORE),
        ([b"", IDR], Verdict.REFUTED),
        ([b"\x09\x10"] * MAX_UNITS + [IDR], Verdict.REFUTED),
        ([b"\x09\x10"] * (MAX_UNITS - 1) + [IDR], Verdict.PROVED_CLOSED),
    ],
)
def test_h264_is_proved_by_an_idr_or_an_exact_recovery_point(units: list[bytes], verdict: Verdict) -> None:
    assert judge_keyframe("h264", NALS, sample(*units)) is verdict


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        (1, Verdict.REFUTED),
        (9, Verdict.REFUTED),
        (16, Verdict.PROVED_OPEN),
        (19, Verdict.PROVED_CLOSED),
        (20, Verdict.PROVED_CLOSED),
        (21, Verdict.PROVED_OPEN),
        (32, Verdict.MORE),
    ],
)
def test_hevc_is_proved_by_the_kind_of_its_first_picture(kind: int, verdict: Verdict) -> None:
    assert judge_keyframe("hevc", NALS, sample(bytes([kind << 1, 1, 0]))) is verdict


def test_an_empty_unit_refutes_an_hevc_keyframe() -> None:
    assert judge_keyframe("hevc", NALS, sample(b"", bytes([19 << 1, 1, 0]))) is Verdict.REFUTED


@pytest.mark.parametrize(
    ("first", "verdict"),
    [
        (0b10_00_0_0_00, Verdict.PROVED_CLOSED),
        (0b10_00_0_1_00, Verdict.REFUTED),
        (0b10_00_1_0_00, Verdict.REFUTED),
        (0b10_11_0_0_0_0, Verdict.PROVED_CLOSED),
        (0b10_11_0_0_1_0, Verdict.REFUTED),
    ],
)
def test_vp9_is_proved_by_its_frame_type(first: int, verdict: Verdict) -> None:
    assert judge_keyframe("vp9", PLAIN, bytes([first, 0, 0])) is verdict


def obu(kind: int, body: bytes) -> bytes:
    return bytes([kind << 3 | 2, len(body)]) + body


TEMPORAL_DELIMITER, SEQUENCE_HEADER = obu(2, b""), obu(1, b"\x0a\x0b")
KEY_FRAME, HIDDEN_KEY_FRAME, INTER_FRAME = obu(6, b"\x10"), obu(6, b"\x00"), obu(6, b"\x30")


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (TEMPORAL_DELIMITER + SEQUENCE_HEADER + KEY_FRAME, Verdict.PROVED_CLOSED),
        (TEMPORAL_DELIMITER + SEQUENCE_HEADER + HIDDEN_KEY_FRAME, Verdict.REFUTED),
        (TEMPORAL_DELIMITER + SEQUENCE_HEADER + INTER_FRAME, Verdict.REFUTED),
        (TEMPORAL_DELIMITER + KEY_FRAME, Verdict.REFUTED),
        (TEMPORAL_DELIMITER + SEQUENCE_HEADER, Verdict.MORE),
        (SEQUENCE_HEADER + TEMPORAL_DELIMITER * MAX_UNITS + KEY_FRAME, Verdict.REFUTED),
    ],
)
def test_av1_is_proved_by_a_shown_key_frame_with_its_sequence_header(content: bytes, verdict: Verdict) -> None:
    assert judge_keyframe("av1", PLAIN, content) is verdict


def test_av1_may_have_its_sequence_header_in_the_sample_description() -> None:
    assert judge_keyframe("av1", AV1_WITH_HEADER, TEMPORAL_DELIMITER + KEY_FRAME) is Verdict.PROVED_CLOSED


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1"])
def test_no_bytes_prove_nothing(codec: str) -> None:
    assert judge_keyframe(codec, NALS, b"") is Verdict.MORE


def test_every_frame_of_an_intra_codec_is_a_keyframe() -> None:
    assert judge_keyframe("mjpeg", PLAIN, b"\xff\xd8") is Verdict.PROVED_CLOSED
