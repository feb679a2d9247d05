"""Which keyframes are proved before a track is cut at them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from chalicelib.contracts.sample_table import DecoderConfig, Description
from chalicelib.domain.media import WholeReason
from gpu_batch.containers.table import Cuts, Proof, find_cuts
from gpu_batch.containers.timeline import apply_edits
from gpu_batch.containers.track import Track
from gpu_batch.video.in_band import judge_sample
from gpu_batch.video.keyframes import Verdict
from tests.video.corpus import TIMEBASE
from tests.video.muxer import track_in as track_of

KEYS = [0, 24, 48, 72]


class Judge:
    """Refutes chosen samples, and remembers which it was asked for."""

    def __init__(self, *refuted: int) -> None:
        self.asked: list[int] = []
        self._refuted = refuted

    def __call__(self, positions: Sequence[int]) -> dict[int, Verdict]:
        self.asked += positions
        return {one: Verdict.REFUTED if one in self._refuted else Verdict.PROVED_CLOSED for one in positions}


def cut(track: Track, judge: Judge, proof: Proof) -> tuple[Cuts | None, WholeReason | None]:
    timeline = apply_edits(track)
    assert timeline is not None
    return find_cuts(judge, 1 << 30, track, timeline, proof=proof)


def keyframes_of(track: Track, judge: Judge, proof: Proof) -> tuple[int, ...]:
    cuts, _ = cut(track, judge, proof)
    assert cuts is not None
    return cuts.keyframes


def test_a_sound_first_and_a_sound_later_keyframe_are_enough(corpus: dict[str, Path]) -> None:
    judge = Judge()
    assert keyframes_of(track_of(corpus["h264_closed"]), judge, Proof.SPOT) == tuple(KEYS)
    assert judge.asked == [0, 48]


def test_a_keyframe_that_is_not_looked_at_stays_a_place_to_cut(corpus: dict[str, Path]) -> None:
    assert keyframes_of(track_of(corpus["h264_closed"]), Judge(24), Proof.SPOT) == tuple(KEYS)


def test_a_refuted_later_keyframe_has_all_judged(corpus: dict[str, Path]) -> None:
    judge = Judge(48)
    assert keyframes_of(track_of(corpus["h264_closed"]), judge, Proof.SPOT) == (0, 24, 72)
    assert sorted(judge.asked) == KEYS


def test_a_refuted_first_keyframe_has_all_judged(corpus: dict[str, Path]) -> None:
    judge = Judge(0)
    assert keyframes_of(track_of(corpus["h264_closed"]), judge, Proof.SPOT) == tuple(KEYS)
    assert sorted(judge.asked) == KEYS


def test_all_are_judged_where_that_is_asked_for(corpus: dict[str, Path]) -> None:
    judge = Judge(24)
    assert keyframes_of(track_of(corpus["h264_closed"]), judge, Proof.ALL) == (0, 48, 72)
    assert sorted(judge.asked) == KEYS


def test_keyframes_that_are_none_make_one_segment(corpus: dict[str, Path]) -> None:
    cuts, reason = cut(track_of(corpus["h264_closed"]), Judge(*KEYS[1:]), Proof.SPOT)
    assert cuts is not None
    assert (cuts.keyframes, reason) == ((0,), WholeReason.UNPROVED_KEYFRAMES)


AVCC_HEAD = b"\x01\x64\x00\x0b\xff"
WITHOUT_SETS = Description(AVCC_HEAD + b"\xe0\x00", 160, 96, 4)
WITH_SETS = Description(AVCC_HEAD + b"\xe1\x00\x02\x67\x64\x01\x00\x02\x68\xee", 160, 96, 4)
IDR, SPS, PPS = (len(unit).to_bytes(4) + unit for unit in (b"\x65\x88", b"\x67\x64", b"\x68\xee"))


@pytest.mark.parametrize(
    ("tag", "description", "sample", "verdict"),
    [
        ("avc3", WITHOUT_SETS, IDR, Verdict.REFUTED),
        ("avc3", WITHOUT_SETS, SPS + IDR, Verdict.REFUTED),
        ("avc3", WITHOUT_SETS, IDR + SPS + PPS, Verdict.REFUTED),
        ("avc3", WITHOUT_SETS, SPS + PPS + IDR, Verdict.PROVED_CLOSED),
        ("avc3", WITH_SETS, IDR, Verdict.PROVED_CLOSED),
        ("avc1", WITHOUT_SETS, IDR, Verdict.PROVED_CLOSED),
    ],
)
def test_a_keyframe_of_an_in_band_track_needs_its_parameter_sets(
    tag: str, description: Description, sample: bytes, verdict: Verdict
) -> None:
    config = DecoderConfig("h264", tag, TIMEBASE, 0, 2, (description,))
    assert judge_sample(config, 0, sample) is verdict


@pytest.mark.parametrize(("sets", "verdict"), [((33, 34), Verdict.PROVED_OPEN), ((33,), Verdict.REFUTED)])
def test_an_hevc_keyframe_in_band_needs_its_parameter_sets(sets: tuple[int, ...], verdict: Verdict) -> None:
    config = DecoderConfig("hevc", "hev1", TIMEBASE, 0, 2, (Description(bytes(23), 160, 96, 4),))
    units = [bytes([kind << 1, 1, 0]) for kind in (*sets, 21)]
    assert judge_sample(config, 0, b"".join(len(unit).to_bytes(4) + unit for unit in units)) is verdict
