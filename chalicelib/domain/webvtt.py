"""Times as WebVTT writes them."""

from __future__ import annotations

from fractions import Fraction

from chalicelib.domain.media import Pts


def milliseconds(pts: Pts, timebase: Fraction) -> int:
    """Rounded half up, in whole numbers; a time before zero is zero, since the format has no other."""
    return max(0, int(pts * timebase * 1000 + Fraction(1, 2)))


def clock(milliseconds: int) -> str:
    """Such as 00:01:02.345; hours have as many digits as they need."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
