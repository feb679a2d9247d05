"""What is known of a video's bytes: the facts that a probe reads, and the limits that untrusted media must keep."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TypeAlias

Pts: TypeAlias = int
"""A presentation timestamp: whole ticks of the stream's timebase, on its unwrapped timeline. Never a float."""

INTRA_ONLY_CODECS = frozenset({"mjpeg", "prores", "dnxhd"})
"""Of these every frame is a keyframe."""


class WholeReason(StrEnum):
    """Why a video is analysed as one segment."""

    NOT_INDEXED = "NOT_INDEXED"
    """No sample table can be made: of this container or codec, or since a sample is not in the file as it stands."""
    UNPROVED_KEYFRAMES = "UNPROVED_KEYFRAMES"
    """The container names sync samples that the bitstream does not bear out."""
    NOT_MONOTONIC = "NOT_MONOTONIC"
    """Timestamps are missing, or go backwards, so that frames cannot be owned by time."""
    SHORT = "SHORT"
    """Fewer than two places to cut, or shorter than one segment was asked to be."""


@dataclass(frozen=True, slots=True)
class Media:
    """The container's facts about the video stream that is analysed (the first one)."""

    container: str
    """Short name: mp4, mov, matroska, webm, mpegts, avi, …"""
    codec: str
    """libav's decoder family: h264, hevc, vp9, av1, mjpeg, …"""
    width: int
    """Pixels of the frame as shown, rotation applied."""
    height: int
    rotation: int
    """Degrees clockwise that a player turns the coded frame: 0, 90, 180 or 270."""
    timebase: Fraction
    """Seconds per tick."""
    duration_seconds: float
    """For people; ownership of frames goes by PTS."""
    frame_count: int | None
    """Shown frames, when the sample table proves it."""
    keyframes: int
    """Keyframes that the container names and that were not refuted; 0 when there is no sample table."""

    def __post_init__(self) -> None:
        if self.rotation not in (0, 90, 180, 270):
            raise ValueError(f"rotation must be 0, 90, 180 or 270 but got {self.rotation}")
        if self.timebase <= 0:
            raise ValueError(f"timebase must be positive but got {self.timebase}")


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What a worker may spend on one untrusted video before it says RESOURCE_LIMIT."""

    max_pixels: int = 8192 * 4352
    """Width times height of one coded frame; an 8K frame fits. A decoded frame of this size takes about 51 MiB."""
    max_duration_seconds: int = 48 * 3600
    max_index_bytes: int = 512 << 20
    """Size of the container's index (`moov`); a 24-hour file has about 100 MB."""
