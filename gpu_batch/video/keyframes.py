"""Whether a sample is what its container claims: a place to start decoding, with all that is displayed later intact.

Sources: ITU-T H.264 sections 7.3.1, 7.4.1 and D.2.8; ITU-T H.265 section 7.4.2.2; RFC 6386 (VP8) sections 9.1 and 9.7
to 9.11; VP9 bitstream section 6.2; AV1 bitstream sections 5.3 and 5.9.2.
"""

from __future__ import annotations

from enum import Enum

from chalicelib.contracts.sample_table import Description
from chalicelib.domain.media import INTRA_ONLY_CODECS
from gpu_batch.video.nal_units import MAX_UNITS, nal_units, without_emulation

MAX_SEI_MESSAGES = 64
"""Messages of one SEI unit that are looked at."""


class Verdict(Enum):
    """What the first bytes of a sample say."""

    PROVED_CLOSED = "closed"
    """Decoding may start here, and nothing after it in decode order refers to anything before it."""
    PROVED_OPEN = "open"
    """Decoding may start here; leading pictures, displayed before it, may refer to what came before."""
    REFUTED = "refuted"
    MORE = "more"
    """The bytes end before the answer."""

    @property
    def is_proved(self) -> bool:
        """Whether decoding may start here."""
        return self in (Verdict.PROVED_CLOSED, Verdict.PROVED_OPEN)


def judge_keyframe(codec: str, description: Description, sample: bytes) -> Verdict:
    """What the first bytes of a sample prove; `sample` may be cut off at any byte."""
    if codec in INTRA_ONLY_CODECS:
        return Verdict.PROVED_CLOSED
    if not sample:
        return Verdict.MORE
    if codec == "h264":
        return _judge_h264(description, sample)
    if codec == "hevc":
        return _judge_hevc(description, sample)
    if codec == "vp8":
        # Bit 0 of the frame tag is clear: such a frame resets every reference and every probability.
        return Verdict.REFUTED if sample[0] & 1 else Verdict.PROVED_CLOSED
    if codec == "vp9":
        return _judge_vp9(sample)
    if codec == "av1":
        return _judge_av1(description, sample)
    return Verdict.REFUTED


def shows_picture(codec: str, sample: bytes) -> bool:
    """False for a lone VP8 or VP9 frame that later ones refer to, but that is not shown itself."""
    if codec == "vp8":
        return bool(sample[0] & 0x10)
    # A VP9 sample that ends like this is several frames in one, of which the last is shown.
    if codec != "vp9" or sample[-1] & 0xE0 == 0xC0:
        return True
    # As in `_judge_vp9`; then comes show_frame.
    first = sample[0]
    shift = 1 if first >> 4 & 3 == 3 else 2
    return bool(first >> (shift + 1) & 1 or first >> (shift - 1) & 1)


def _judge_h264(description: Description, sample: bytes) -> Verdict:
    is_recovery_point = False
    for unit in nal_units(description.nal_length_size, sample):
        if not unit:
            return Verdict.REFUTED
        kind = unit[0] & 0x1F
        if kind == 5:
            return Verdict.PROVED_CLOSED
        if 1 <= kind <= 4:
            return Verdict.PROVED_OPEN if is_recovery_point else Verdict.REFUTED
        if kind == 6:
            is_recovery_point = is_recovery_point or _has_exact_recovery_point(unit)
    return Verdict.MORE


def _has_exact_recovery_point(unit: bytes) -> bool:
    """Whether an SEI unit says: from this very picture on, everything in display order is exact."""
    payload = without_emulation(unit[1:])
    position = 0
    for _ in range(MAX_SEI_MESSAGES):
        if position + 2 >= len(payload):
            break
        numbers = []
        for _ in range(2):
            number = 0
            while position < len(payload) and payload[position] == 0xFF:
                number, position = number + 255, position + 1
            number, position = number + (payload[position] if position < len(payload) else 0), position + 1
            numbers.append(number)
        kind, size = numbers
        # recovery_frame_cnt 0 is the bit 1 in Exp-Golomb; the next bit is exact_match_flag.
        if kind == 6 and size and position < len(payload) and payload[position] >> 6 == 0b11:
            return True
        position += size
    return False


def _judge_hevc(description: Description, sample: bytes) -> Verdict:
    for unit in nal_units(description.nal_length_size, sample):
        if not unit:
            return Verdict.REFUTED
        kind = unit[0] >> 1 & 0x3F
        if kind in (19, 20):
            return Verdict.PROVED_CLOSED
        if 16 <= kind <= 21:
            return Verdict.PROVED_OPEN
        if kind < 32:
            return Verdict.REFUTED
    return Verdict.MORE


def _judge_vp9(sample: bytes) -> Verdict:
    # Two bits marker, two of profile (one more for profile 3), show_existing_frame, frame_type.
    first = sample[0]
    shift = 1 if first >> 4 & 3 == 3 else 2
    is_key = first >> 6 == 2 and not first >> (shift + 1) & 1 and not first >> shift & 1
    return Verdict.PROVED_CLOSED if is_key else Verdict.REFUTED


def _judge_av1(description: Description, sample: bytes) -> Verdict:
    has_sequence_header = len(description.extradata) > 4
    position = 0
    for _ in range(MAX_UNITS):
        if position >= len(sample):
            return Verdict.MORE
        header = sample[position]
        kind = header >> 3 & 15
        position += 2 if header & 4 else 1
        if not header & 2:
            size = len(sample)
        else:
            size, shift = 0, 0
            while position < len(sample) and shift < 56:
                byte = sample[position]
                size |= (byte & 0x7F) << shift
                position, shift = position + 1, shift + 7
                if not byte & 0x80:
                    break
        if position >= len(sample) and size:
            return Verdict.MORE
        if kind == 1:
            has_sequence_header = True
        elif kind in (3, 6):
            # show_existing_frame 0, frame_type 00 (key), show_frame 1: such a frame resets every reference.
            is_key = sample[position] >> 4 == 0b0001
            return Verdict.PROVED_CLOSED if is_key and has_sequence_header else Verdict.REFUTED
        position += size
    return Verdict.REFUTED
