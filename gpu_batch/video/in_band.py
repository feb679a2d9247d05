"""Parameter sets in the samples themselves (avc3, hev1): without them a decoder cannot start at a keyframe.

Source: ISO/IEC 14496-15, sections 5.4.2 (avc3) and 8.4.1 (hev1).
"""

from __future__ import annotations

from functools import lru_cache

from chalicelib.contracts.sample_table import DecoderConfig, Description
from gpu_batch.video.keyframes import Verdict, judge_keyframe
from gpu_batch.video.nal_units import is_picture, kind_of, nal_units
from gpu_batch.video.parameter_sets import units_of_extradata

IN_BAND_TAGS = frozenset({"avc3", "hev1"})
NEEDED_KINDS = {"h264": frozenset({7, 8}), "hevc": frozenset({33, 34})}
"""Sequence and picture parameter set; libav does without a video parameter set."""


def judge_sample(config: DecoderConfig, description_index: int, sample: bytes) -> Verdict:
    """What the first bytes of a sample prove of it as the first one of a decoder; they may be cut off at any byte.

    A keyframe whose parameter sets are neither in the sample description nor in itself is refuted where the track
    says that it keeps them in band.
    """
    description = config.descriptions[description_index]
    verdict = judge_keyframe(config.codec, description, sample)
    if not verdict.is_proved or config.codec_tag not in IN_BAND_TAGS or _describes_sets(config.codec, description):
        return verdict
    return verdict if _carries_sets(config.codec, description.nal_length_size, sample) else Verdict.REFUTED


@lru_cache(maxsize=256)
def _describes_sets(codec: str, description: Description) -> bool:
    return {kind_of(codec, unit) for unit in units_of_extradata(codec, description.extradata)} >= NEEDED_KINDS[codec]


def _carries_sets(codec: str, length_size: int, sample: bytes) -> bool:
    """Whether the parameter sets stand before the first picture."""
    missing = set(NEEDED_KINDS[codec])
    for unit in nal_units(length_size, sample):
        if not unit or is_picture(codec, unit):
            break
        missing.discard(kind_of(codec, unit))
    return not missing
