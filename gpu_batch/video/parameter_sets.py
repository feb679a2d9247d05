"""The parameter sets that a decoder of H.264 or HEVC knows: with equal knowledge a fresh one may start in the middle.

Sources: ITU-T H.264 sections 7.3.2.2 and 7.3.3; ITU-T H.265 sections 7.3.2 and 7.3.3; ISO/IEC 14496-15,
sections 5.3.3 and 8.3.3 (configuration records).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gpu_batch.video.h264_sps import Bits, Sps, Unreadable, read_sps
from gpu_batch.video.nal_units import kind_of, nal_units, without_emulation

RANK_BY_KIND = {"h264": {7: 0, 8: 1}, "hevc": {32: 0, 33: 1, 34: 2}}
"""Kinds of NAL units that are parameter sets; each kind refers to sets of the rank before."""
SPS_KIND, PPS_KIND = 7, 8
HEAD_BYTES = 64
"""Of a slice: enough for the fields at its start."""


class ParameterSets:
    """Parameter sets by kind and id, the last of each that was added."""

    def __init__(self, codec: str, units: Iterable[bytes] = ()) -> None:
        self._codec = codec
        self._rank_by_kind = RANK_BY_KIND[codec]
        self._known: dict[tuple[int, int], bytes] = {}
        self._kept: dict[tuple[int, int], bytes] = {}
        self._sps_by_id: dict[int, Sps] = {}
        for unit in units:
            self.add(unit)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParameterSets) and (self._known, self._kept) == (other._known, other._kept)

    __hash__ = None  # type: ignore[assignment]

    def is_one(self, unit: bytes) -> bool:
        """Whether a NAL unit is a parameter set."""
        return kind_of(self._codec, unit) in self._rank_by_kind

    def add(self, unit: bytes) -> None:
        """Learn a parameter set; any other unit, such as the SEI that a configuration record may hold, is passed over.

        Raises:
            Unreadable: its id cannot be read.
        """
        kind = kind_of(self._codec, unit)
        if kind not in self._rank_by_kind:
            return
        key = (kind, _id_of(self._codec, kind, unit))
        if self._known.get(key) == unit:
            self._kept[key] = unit
            return
        # libav forgets the sets that refer to one that changes. Which ones those are is not looked into: with and
        # without them, two decoders must know the same.
        rank = self._rank_by_kind[kind]
        self._kept = {other: one for other, one in self._kept.items() if self._rank_by_kind[other[0]] <= rank}
        self._known[key] = self._kept[key] = unit
        if self._codec == "h264" and kind == SPS_KIND:
            self._sps_by_id[key[1]] = read_sps(unit)

    def promise_order(self, reorder_depth: int) -> bool:
        """Whether a decoder that is told nothing else knows from the start how many frames it must hold back.

        Without that promise, libav guesses, and loses frames until it has guessed enough; HEVC always has it.
        """
        depths = [sps.reorder_depth for sps in self._sps_by_id.values()]
        return self._codec == "hevc" or all(depth is not None and depth >= reorder_depth for depth in depths)

    def has_lone_field(self, units: Iterable[bytes]) -> bool:
        """Whether an H.264 sample holds one field of a frame without the other: two samples make a frame then.

        Raises:
            Unreadable: a slice names a set that is not known.
        """
        if all(sps.is_frames_only for sps in self._sps_by_id.values()):
            return False
        fields = {self._field_of(unit) for unit in units if unit[0] & 0x1F in (1, 5)}
        return fields in ({0}, {1})

    def _field_of(self, unit: bytes) -> int | None:
        """0 for a slice of a top field, 1 of a bottom field, None of a frame."""
        bits = Bits(without_emulation(unit[1:HEAD_BYTES]))
        bits.number(), bits.number()
        pps = self._known.get((PPS_KIND, bits.number()))
        if pps is None:
            raise Unreadable("a slice names a picture parameter set that is not there")
        pps_bits = Bits(without_emulation(pps[1:HEAD_BYTES]))
        pps_bits.number()
        sps = self._sps_by_id.get(pps_bits.number())
        if sps is None:
            raise Unreadable("a slice names a sequence parameter set that is not there")
        if sps.is_frames_only:
            return None
        bits.take(2 * sps.has_separate_planes + sps.frame_number_bits)
        is_field = bits.take(1)
        return bits.take(1) if is_field else None


def units_of_extradata(codec: str, extradata: bytes) -> Iterator[bytes]:
    """The parameter sets of a configuration record, or of bytes with start codes."""
    if not nal_length_size_of(codec, extradata):
        yield from nal_units(0, extradata)
        return
    position = 5 if codec == "h264" else 22
    arrays = 2 if codec == "h264" else extradata[position]
    position += codec == "hevc"
    for array in range(arrays):
        if codec == "h264":
            count = extradata[position : position + 1]
            count = bytes([count[0] & 0x1F]) if count and array == 0 else count
            position += 1
        else:
            count = extradata[position + 1 : position + 3]
            position += 3
        for _ in range(int.from_bytes(count)):
            if position >= len(extradata):
                return
            size = int.from_bytes(extradata[position : position + 2])
            unit = extradata[position + 2 : position + 2 + size]
            position += 2 + size
            if unit:
                yield unit


def nal_length_size_of(codec: str, extradata: bytes) -> int:
    """Bytes of the length before each NAL unit, told from the extradata as libav tells it; 0 for start codes."""
    if codec == "h264" and len(extradata) > 6 and extradata[0] == 1:
        return (extradata[4] & 3) + 1
    if codec == "hevc" and len(extradata) > 22 and (extradata[0] or extradata[1] or extradata[2] > 1):
        return (extradata[21] & 3) + 1
    return 0


def skip_hevc_layers(bits: Bits) -> None:
    """Pass over what stands in front of the id in a sequence parameter set of HEVC: profile, tier and levels.

    Raises:
        Unreadable: the bits end inside of it.
    """
    bits.take(4)
    sub_layers = bits.take(3)
    bits.take(1 + 96)
    has_more = [(bits.take(1), bits.take(1)) for _ in range(8 if sub_layers else 0)][:sub_layers]
    for has_profile, has_level in has_more:
        bits.take(88 * has_profile + 8 * has_level)


def _id_of(codec: str, kind: int, unit: bytes) -> int:
    if codec == "h264":
        bits = Bits(without_emulation(unit[1:HEAD_BYTES]))
        if kind == SPS_KIND:
            bits.take(24)
        return bits.number()
    bits = Bits(without_emulation(unit[2:HEAD_BYTES]))
    if kind == 32:
        return bits.take(4)
    if kind == 33:
        skip_hevc_layers(bits)
    return bits.number()
