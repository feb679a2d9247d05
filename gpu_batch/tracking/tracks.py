"""The table of tracks: one fixed-size row each, so that its bytes are its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpu_batch.tracking.motion import MOTION_SHAPE

TRACK_DTYPE = np.dtype(
    [
        ("serial", "<i8"),  # order of birth, from 1; names a track that has no id yet
        ("track_id", "<i8"),  # 0 until the track's first frame is settled
        ("label", "<i8"),
        ("is_confirmed", "<i8"),
        ("born_frame", "<i8"),  # count of frames pushed before its first one
        ("hits", "<i8"),  # frames in which it has a row
        ("misses", "<i8"),  # frames since its last row
        ("first_pts", "<i8"),
        ("first_ordinal", "<i8"),
        ("last_pts", "<i8"),
        ("last_ordinal", "<i8"),
        ("last_high_pts", "<i8"),
        ("score_max", "<f8"),
        ("motion", "<f8", MOTION_SHAPE),
    ]
)

TrackTable: TypeAlias = NDArray[Any]
"""Rows of TRACK_DTYPE, in order of birth."""


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """One thing over time, as it is told to clients."""

    track_id: int
    label: int
    first_pts: int
    first_ordinal: int
    last_pts: int
    last_ordinal: int
    frames: int
    """Frames in which it was detected."""
    score_max: float


def no_tracks() -> TrackTable:
    """An empty table."""
    return np.zeros(0, TRACK_DTYPE)


def summarise(tracks: TrackTable) -> list[TrackSummary]:
    """What clients see of each track, in the table's order."""
    return [
        TrackSummary(
            track_id=int(track["track_id"]),
            label=int(track["label"]),
            first_pts=int(track["first_pts"]),
            first_ordinal=int(track["first_ordinal"]),
            last_pts=int(track["last_pts"]),
            last_ordinal=int(track["last_ordinal"]),
            frames=int(track["hits"]),
            score_max=float(track["score_max"]),
        )
        for track in tracks
    ]
