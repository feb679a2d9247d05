"""Sets of track ids."""

from __future__ import annotations


class IdSet:
    """A set of numbers that are dense, as track ids are: a bit for each up to the greatest."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> bool:
        """Add it; whether it is new."""
        place, mask = number >> 3, 1 << (number & 7)
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits)))
        is_new = not self._bits[place] & mask
        self._bits[place] |= mask
        return is_new
