"""How a player turns the coded frame, told from a display matrix by one rule for every container."""

from __future__ import annotations

import struct

QUARTER_TURNS = ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0))
"""Signs of a, b, c and d for 0, 90, 180 and 270 degrees clockwise."""


def quarter_turn(a: int, b: int, c: int, d: int) -> int:
    """Degrees clockwise; 0 for a matrix that is no quarter turn, such as one that mirrors.

    Source: ISO/IEC 14496-12, section 8.3.2: (x, y) is shown at (a x + c y, b x + d y).
    """
    signs = tuple((value > 0) - (value < 0) for value in (a, b, c, d))
    return 90 * QUARTER_TURNS.index(signs) if signs in QUARTER_TURNS else 0


def quarter_turn_of_side_data(matrix: bytes) -> int:
    """The same for libav's side data DISPLAYMATRIX: nine 32-bit numbers (a, b, u, c, d, v, x, y, w), native order."""
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    return quarter_turn(a, b, c, d)
