"""What an H.264 sequence parameter set says of frames: fields or not, and how far their order of display may differ.

Source: ITU-T H.264, sections 7.3.2.1.1 and E.1.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpu_batch.video.nal_units import without_emulation

HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
EXTENDED_ASPECT_RATIO = 255
MAX_LISTED = 256
"""Entries of a list whose length stands in the bits: the standard allows 255."""


class Unreadable(Exception):
    """Bits that end too early, or name what is not there."""


@dataclass(frozen=True, slots=True)
class Sps:
    """The fields that matter here."""

    is_frames_only: bool
    """No picture is a field."""
    has_separate_planes: bool
    frame_number_bits: int
    """Length of a field of slices."""
    reorder_depth: int | None
    """Frames that a decoder must hold back at most; None where the set does not say."""
    cuts_left_or_top: bool
    """Less is shown than is coded, on the left or at the top."""


class Bits:
    """Bits of bytes, from the front."""

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content)
        self._left = 8 * len(content)

    def take(self, count: int) -> int:
        """The next bits as an unsigned number.

        Raises:
            Unreadable: there are not that many.
        """
        self._left -= count
        if self._left < 0:
            raise Unreadable("the bits end too early")
        return self._value >> self._left & ((1 << count) - 1)

    def number(self) -> int:
        """An Exp-Golomb number without sign.

        Raises:
            Unreadable: the bits end inside of it.
        """
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def skip_numbers(self, count: int) -> None:
        """Pass over Exp-Golomb numbers, with sign or without."""
        for _ in range(count):
            self.number()


def read_sps(unit: bytes) -> Sps:
    """The set in a NAL unit.

    Raises:
        Unreadable: it ends too early.
    """
    bits = Bits(without_emulation(unit[1:]))
    profile = bits.take(8)
    bits.take(16)
    bits.number()
    has_separate_planes = profile in HIGH_PROFILES and _skip_high_profile(bits)
    frame_number_bits = bits.number() + 4
    order_kind = bits.number()
    if order_kind == 0:
        bits.number()
    elif order_kind == 1:
        bits.take(1)
        bits.skip_numbers(2)
        bits.skip_numbers(_bounded(bits.number()))
    bits.number()
    bits.take(1)
    bits.skip_numbers(2)
    is_frames_only = bool(bits.take(1))
    bits.take(1 if is_frames_only else 2)
    left, _, top, _ = [bits.number() for _ in range(4)] if bits.take(1) else [0] * 4
    reorder_depth = _reorder_depth(bits) if bits.take(1) else None
    return Sps(is_frames_only, has_separate_planes, frame_number_bits, reorder_depth, bool(left or top))


def _skip_high_profile(bits: Bits) -> bool:
    """Pass over what only high profiles have; whether the three colour planes are coded apart."""
    chroma = bits.number()
    has_separate_planes = chroma == 3 and bool(bits.take(1))
    bits.skip_numbers(2)
    bits.take(1)
    if bits.take(1):
        for index in range(12 if chroma == 3 else 8):
            if bits.take(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return has_separate_planes


def _skip_scaling_list(bits: Bits, size: int) -> None:
    scale = 8
    for _ in range(size):
        code = bits.number()
        scale = (scale + (code + 1) // 2 * (1 if code % 2 else -1)) % 256
        if not scale:
            return


def _reorder_depth(bits: Bits) -> int | None:
    """max_num_reorder_frames of the usability information."""
    if bits.take(1) and bits.take(8) == EXTENDED_ASPECT_RATIO:
        bits.take(32)
    if bits.take(1):
        bits.take(1)
    if bits.take(1):
        bits.take(4)
        if bits.take(1):
            bits.take(24)
    if bits.take(1):
        bits.skip_numbers(2)
    if bits.take(1):
        bits.take(65)
    has_decoder_models = [_skip_decoder_model(bits) for _ in range(2)]
    if any(has_decoder_models):
        bits.take(1)
    bits.take(1)
    if not bits.take(1):
        return None
    bits.take(1)
    bits.skip_numbers(4)
    return bits.number()


def _skip_decoder_model(bits: Bits) -> bool:
    is_there = bool(bits.take(1))
    if is_there:
        count = _bounded(bits.number() + 1)
        bits.take(8)
        for _ in range(count):
            bits.skip_numbers(2)
            bits.take(1)
        bits.take(20)
    return is_there


def _bounded(count: int) -> int:
    if count > MAX_LISTED:
        raise Unreadable(f"a list states {count} entries")
    return count
