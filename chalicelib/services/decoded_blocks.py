"""Blocks as their readers want them, decoded; pages that follow each other often share one."""

from __future__ import annotations

from functools import lru_cache

from chalicelib.contracts.blocks import Block, unpack_block

BLOCKS_KEPT = 32
"""Decoded, in one process: half a megabyte each, where blocks are full."""


@lru_cache(maxsize=BLOCKS_KEPT)
def decoded_block(packed: bytes) -> Block:
    """The block; it is shared, so nobody may change it."""
    return unpack_block(packed)
