"""What a client can tell the tracker; what is not told has the default of `gpu_batch/tracking/params.py`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

SCORE_MIN = 0.01
LOW_RATIO_MIN = 0.1
LOST_SECONDS_MAX = 60.0
FRAMES_MAX = 60


@dataclass(frozen=True, slots=True)
class TrackingParameters:
    """Unset: the tracker's defaults."""

    score_high: float | None = None
    """Detections from here on start and confirm tracks; unset: each model's default threshold."""
    low_score_ratio: float | None = None
    """Detections from this share of `score_high` on may continue a track."""
    lost_seconds: float | None = None
    """A track ends when it was not seen for longer than this."""
    iou_min: float | None = None
    """Least overlap of a track's prediction with a detection from `score_high` on."""
    iou_min_low: float | None = None
    """The same for one below it."""
    confirm_hits: int | None = None
    """Detections that make a track …"""
    confirm_frames: int | None = None
    """… within this many sampled frames."""
    labels: tuple[str, ...] = ()
    """Track these only; empty: all."""

    def __post_init__(self) -> None:
        _check("score_high", self.score_high, SCORE_MIN, 1)
        _check("low_score_ratio", self.low_score_ratio, LOW_RATIO_MIN, 1)
        _check("lost_seconds", self.lost_seconds, 0, LOST_SECONDS_MAX)
        _check("iou_min", self.iou_min, 0, 1)
        _check("iou_min_low", self.iou_min_low, 0, 1)
        _check("confirm_hits", self.confirm_hits, 1, FRAMES_MAX)
        _check("confirm_frames", self.confirm_frames, 1, FRAMES_MAX)

    def to_json(self) -> dict[str, Any]:
        """What was told, as plain values."""
        told = {name: value for name, value in asdict(self).items() if value is not None and value != ()}
        return {**told, "labels": list(self.labels)} if self.labels else told

    def over(self, base: TrackingParameters | None) -> TrackingParameters:
        """These, and what they do not tell as `base` has it; where the two do not fit, what is told here counts."""
        if base is None:
            return self
        merged = TrackingParameters.from_json({**base.to_json(), **self.to_json()})
        if (merged.confirm_hits or 1) <= (merged.confirm_frames or FRAMES_MAX):
            return merged
        return replace(merged, confirm_hits=self.confirm_hits, confirm_frames=self.confirm_frames)

    @staticmethod
    def from_json(form: dict[str, Any]) -> TrackingParameters:
        """The parameters that `to_json` wrote."""
        return TrackingParameters(**{**form, "labels": tuple(form.get("labels", ()))})


def _check(name: str, value: float | None, least: float, most: float) -> None:
    if value is not None and not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most} but got {value}")
