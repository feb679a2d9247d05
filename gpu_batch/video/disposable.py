"""Whether a sample may be left out of decoding without a change to any other frame.

The container's own flags are not asked: a byte or two of each NAL unit prove it. In VP9 and AV1 a frame that nothing
refers to still moves the entropy coder's contexts, so there nothing but whole GOPs can be left out.

Sources: ITU-T H.264 section 7.4.1 (nal_ref_idc); ITU-T H.265 section 7.4.2.2 (sub-layer non-reference pictures) and
7.3.2.2 (sps_max_sub_layers_minus1); ISO/IEC 14496-15 section 8.3.2 (the arrays of hvcC).
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.contracts.sample_table import Description
from gpu_batch.video.keyframes import INTRA_ONLY_CODECS
from gpu_batch.video.nal_units import nal_units

_LAST_HEVC_NON_REFERENCE, _FIRST_HEVC_NON_PICTURE, _HEVC_SPS = 14, 32, 33
_PARAMETER_SETS_BY_CODEC = {"h264": frozenset({7, 8, 13, 15}), "hevc": frozenset({32, 33, 34})}


def allows_dropping(codec: str, description: Description, keyframe: bytes) -> bool:
    """Whether `is_disposable` can be trusted in the GOP that starts with the sample `keyframe`.

    An HEVC picture that its own temporal sub-layer does not need may be needed by a higher one, so all parameter sets
    must state a single sub-layer.
    """
    if codec != "hevc":
        return codec == "h264" or codec in INTRA_ONLY_CODECS
    in_band = (
        unit for unit in nal_units(description.nal_length_size, keyframe) if unit and unit[0] >> 1 & 0x3F == _HEVC_SPS
    )
    sets = [*_configured_sps(description.extradata), *in_band]
    return bool(sets) and all(len(unit) > 2 and not unit[2] >> 1 & 7 for unit in sets)


def is_disposable(codec: str, description: Description, sample: bytes) -> bool:
    """Whether no other sample needs this one; False where the bytes do not prove it."""
    if codec in INTRA_ONLY_CODECS:
        return True
    if codec not in _PARAMETER_SETS_BY_CODEC:
        return False
    is_hevc, has_picture = codec == "hevc", False
    for unit in nal_units(description.nal_length_size, sample):
        if not unit:
            return False
        kind = unit[0] >> 1 & 0x3F if is_hevc else unit[0] & 0x1F
        if kind in _PARAMETER_SETS_BY_CODEC[codec]:
            # They hold on for the samples that follow.
            return False
        if kind < _FIRST_HEVC_NON_PICTURE if is_hevc else 1 <= kind <= 5:
            is_needed = kind > _LAST_HEVC_NON_REFERENCE or kind % 2 if is_hevc else unit[0] & 0x60
            if is_needed:
                return False
            has_picture = True
    return has_picture


def _configured_sps(extradata: bytes) -> Iterator[bytes]:
    """The sequence parameter sets of an hvcC record, or of a byte stream with start codes."""
    if extradata[:1] != b"\x01":
        for unit in extradata.split(b"\0\0\x01")[1:]:
            if unit and unit[0] >> 1 & 0x3F == _HEVC_SPS:
                yield unit
        return
    position = 23
    for _ in range(extradata[22] if len(extradata) > 22 else 0):
        kind = extradata[position] & 0x3F if position < len(extradata) else 0
        count = int.from_bytes(extradata[position + 1 : position + 3])
        position += 3
        for _ in range(count):
            if position + 2 > len(extradata):
                return
            size = int.from_bytes(extradata[position : position + 2])
            if kind == _HEVC_SPS:
                yield extradata[position + 2 : position + 2 + size]
            position += 2 + size
