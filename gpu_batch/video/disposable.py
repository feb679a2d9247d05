"""Whether a sample may be left out of decoding without a change to any other frame.

The container's own flags are not asked: a byte or two of each NAL unit prove it. In VP9 and AV1 a frame that nothing
refers to still moves the entropy coder's contexts, so there nothing but whole GOPs can be left out.

Sources: ITU-T H.264 section 7.4.1 (nal_ref_idc); ITU-T H.265 section 7.4.2.2 (sub-layer non-reference pictures) and
7.3.2.2 (sps_max_sub_layers_minus1).
"""

from __future__ import annotations

from chalicelib.contracts.sample_table import Description
from chalicelib.domain.media import INTRA_ONLY_CODECS
from gpu_batch.video.nal_units import is_picture, kind_of, nal_units
from gpu_batch.video.parameter_sets import units_of_extradata

_LAST_HEVC_NON_REFERENCE, _HEVC_SPS = 14, 33
_PARAMETER_SETS_BY_CODEC = {"h264": frozenset({7, 8, 13, 15}), "hevc": frozenset({32, 33, 34})}


def allows_dropping(codec: str, description: Description, keyframe: bytes) -> bool:
    """Whether `is_disposable` can be trusted in the GOP that starts with the sample `keyframe`.

    An HEVC picture that its own temporal sub-layer does not need may be needed by a higher one, so all parameter sets
    must state a single sub-layer.
    """
    if codec != "hevc":
        return codec == "h264" or codec in INTRA_ONLY_CODECS
    units = [*units_of_extradata(codec, description.extradata), *nal_units(description.nal_length_size, keyframe)]
    sets = [unit for unit in units if unit and kind_of(codec, unit) == _HEVC_SPS]
    return bool(sets) and all(len(unit) > 2 and not unit[2] >> 1 & 7 for unit in sets)


def is_disposable(codec: str, description: Description, sample: bytes) -> bool:
    """Whether no other sample needs this one; False where the bytes do not prove it."""
    if codec in INTRA_ONLY_CODECS:
        return True
    if codec not in _PARAMETER_SETS_BY_CODEC:
        return False
    has_picture = False
    for unit in nal_units(description.nal_length_size, sample):
        # Parameter sets hold on for the samples that follow.
        if not unit or kind_of(codec, unit) in _PARAMETER_SETS_BY_CODEC[codec]:
            return False
        if is_picture(codec, unit):
            if _is_reference(codec, unit):
                return False
            has_picture = True
    return has_picture


def _is_reference(codec: str, unit: bytes) -> bool:
    if codec == "h264":
        return bool(unit[0] & 0x60)
    kind = kind_of(codec, unit)
    return kind > _LAST_HEVC_NON_REFERENCE or bool(kind % 2)
