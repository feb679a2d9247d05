"""Parameter sets in the samples themselves (avc3, hev1): without them a decoder cannot start at a keyframe.

Sources: ISO/IEC 14496-15, sections 5.3.3 (avcC) and 8.3.3 (hvcC); ITU-T H.264 table 7-1; ITU-T H.265 table 7-1.
"""

from __future__ import annotations

from functools import lru_cache

from chalicelib.contracts.sample_table import DecoderConfig, Description
from gpu_batch.video.keyframes import MAX_UNITS, Verdict, judge_keyframe

IN_BAND_TAGS = frozenset({"avc3", "hev1"})
H264_SETS = frozenset({7, 8})
HEVC_SETS = frozenset({33, 34})
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
    record = description.extradata
    if codec == "h264":
        return _avcc_has_sets(record)
    return _hvcc_kinds(record) >= HEVC_SETS


def _avcc_has_sets(record: bytes) -> bool:
    if len(record) < 7 or not record[5] & 31:
        return False
    position = 6
    for _ in range(record[5] & 31):
        position += 2 + int.from_bytes(record[position : position + 2])
    return position < len(record) and record[position] > 0


def _hvcc_kinds(record: bytes) -> set[int]:
    """Kinds of the NAL units in the arrays of a record, whole or not."""
    kinds: set[int] = set()
    position = 23
    for _ in range(record[22] if len(record) > 22 else 0):
        if position + 3 > len(record):
            break
        count = int.from_bytes(record[position + 1 : position + 3])
        if count:
            kinds.add(record[position] & 0x3F)
        position += 3
        for _ in range(min(count, MAX_UNITS)):
            position += 2 + int.from_bytes(record[position : position + 2])
    return kinds


def _carries_sets(codec: str, length_size: int, sample: bytes) -> bool:
    """Whether the parameter sets stand before the first picture."""
    wanted = set(H264_SETS if codec == "h264" else HEVC_SETS)
    position = 0
    for _ in range(MAX_UNITS):
        if not length_size or position + length_size >= len(sample):
            break
        size = int.from_bytes(sample[position : position + length_size])
        first = sample[position + length_size]
        kind, is_picture = (first & 31, 1 <= first & 31 <= 5) if codec == "h264" else (first >> 1 & 63, first < 64)
        if is_picture or not wanted:
            break
        wanted.discard(kind)
        position += length_size + size
    return not wanted
