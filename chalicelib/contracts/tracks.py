"""Tracks at rest: the list of one version of a job's tracks; the track of each row is in contracts/track_ids.py.

TRACKS: chunks of the tracks in order of (first_pts, track_id), `body` = zlib of JSON, one list per track as in
`TrackRow`: those that the job's `score_min` and `labels` show. Found through their summary tree
(contracts/summary_tree.py).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
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


def cut_chunks(tracks: Sequence[TrackRow]) -> list[Sequence[TrackRow]]:
    """The chunks in which tracks are stored, which are in order."""
    return [tracks[first : first + TRACKS_PER_CHUNK] for first in range(0, len(tracks), TRACKS_PER_CHUNK)]


def track_item(version: int, number: int, chunk: Sequence[TrackRow]) -> Item:
    """The item of a chunk, without its `pk`."""
    return {"sk": table_keys.track_chunk(version, number), "kind": "TRACKS", "body": pack_tracks(chunk)}


def pack_tracks(tracks: Sequence[TrackRow]) -> bytes:
    """One chunk of the job's tracks."""
    return zlib.compress(json.dumps([list(track) for track in tracks], separators=(",", ":")).encode(), 6)


def unpack_tracks(packed: bytes) -> list[TrackRow]:
    """The tracks of one chunk."""
    return [TrackRow(*track) for track in json.loads(zlib.decompress(packed))]
