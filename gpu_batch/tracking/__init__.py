"""Tracks: a pure fold over detections in time order, whose state can be stored between any two frames.

`TrackFold` takes the rows of one frame after the other and gives each row a track id. It reads no pixels. The same rows
give the same ids wherever the work is cut, on any machine. What it promises, and how well it does: `docs/tracking.md`.
"""

from __future__ import annotations

from gpu_batch.tracking.fold import TrackFold
from gpu_batch.tracking.frames import FrameKey, FrameRows, FrameTracks
from gpu_batch.tracking.params import TrackerParams
from gpu_batch.tracking.tracks import TrackSummary

__all__ = ["FrameKey", "FrameRows", "FrameTracks", "TrackFold", "TrackSummary", "TrackerParams"]
