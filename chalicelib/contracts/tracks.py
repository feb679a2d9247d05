"""Tracks at rest: the id column beside each block, and the job's list of tracks.

* TRACKIDS: one item per block, `body` = zlib of R little-endian unsigned 32-bit numbers in planes (as in
  contracts/blocks.py): the track of
  every row, 0 = none. Rows and order are those of the block, which itself never changes.
* TRACKS: chunks of the job's tracks in order of (first_pts, track_id), `body` = zlib of JSON, one list per track as in
  `TrackRow`: those that the
  job's `score_min` and `labels` show. Found through their summary tree (contracts/summary_tree.py).
"""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Sequence
from typing import NamedTuple

from chalicelib.contracts.blocks import planes, unplane
from chalicelib.domain.media import Pts

TRACKS_PER_CHUNK = 500


class TrackRow(NamedTuple):
    """One track of a job."""

    track_id: int
    model: str
    label: str
    first_pts: Pts
    last_pts: Pts
    frames: int
    score_max: int
    """Ten-thousandths."""


def pack_track_ids(ids: Sequence[int]) -> bytes:
    """The id column of one block."""
    return zlib.compress(planes(array("I", ids)), 6)


def unpack_track_ids(packed: bytes) -> array[int]:
    """The id column of one block."""
    return unplane("I", zlib.decompress(packed))


def pack_tracks(tracks: Sequence[TrackRow]) -> bytes:
    """One chunk of the job's tracks."""
    return zlib.compress(json.dumps([list(track) for track in tracks], separators=(",", ":")).encode(), 6)


def unpack_tracks(packed: bytes) -> list[TrackRow]:
    """The tracks of one chunk."""
    return [TrackRow(*track) for track in json.loads(zlib.decompress(packed))]
