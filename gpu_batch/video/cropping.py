"""Whether a bitstream shows less than it codes on the left or at the top.

libav cuts what is on the right or at the bottom off a frame wherever it lies, and the rest only in the host's memory:
a frame of such a video on a GPU would be shifted. Source: libavutil, av_frame_apply_cropping.
"""

from __future__ import annotations

from gpu_batch.video.h264_sps import Bits, Unreadable, read_sps
from gpu_batch.video.nal_units import kind_of, without_emulation
from gpu_batch.video.parameter_sets import SPS_KIND, skip_hevc_layers, units_of_extradata

HEVC_SPS_KIND = 33
YUV_444 = 3


def cuts_left_or_top(codec: str, extradata: bytes) -> bool:
    """Whether a sequence parameter set of the extradata does; sets that cannot be read, and other codecs, do not."""
    if codec not in ("h264", "hevc"):
        return False
    kind, cuts = (SPS_KIND, _h264_cuts) if codec == "h264" else (HEVC_SPS_KIND, _hevc_cuts)
    try:
        return any(cuts(unit) for unit in units_of_extradata(codec, extradata) if kind_of(codec, unit) == kind)
    except Unreadable:
        return False


def _h264_cuts(unit: bytes) -> bool:
    return read_sps(unit).cuts_left_or_top


def _hevc_cuts(unit: bytes) -> bool:
    """Source: ITU-T H.265, section 7.3.2.2.1."""
    bits = Bits(without_emulation(unit[2:]))
    skip_hevc_layers(bits)
    bits.number()
    if bits.number() == YUV_444:
        bits.take(1)
    bits.skip_numbers(2)
    if not bits.take(1):
        return False
    left, _, top, _ = (bits.number() for _ in range(4))
    return bool(left or top)
