"""What a tracker can be told: every threshold in one value, with its unit and the reason for its default."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

_COUNTS = ("confirm_hits", "confirm_frames", "lost_frames")
_SHARES = (
    "score_high",
    "low_score_ratio",
    "gate_high",
    "gate_low",
    "gate_tentative",
    "size_ratio_min",
    "duplicate_iou",
)
_DIVISORS = ("score_high", "measurement_noise", "low_noise_factor", "speed_decay_seconds", "size_decay_seconds")


@dataclass(frozen=True, slots=True)
class TrackerParams:
    """Thresholds of the tracker. Only `score_high` depends on the model.

    The defaults come from a search on one pedestrian scene at 10, 5, 3.3, 2 and 1 frames a second, rounded to the
    middle of the plateau (`docs/tracking.md`). A "size" is the longer side of a box; noise is given as a share of it.
    Source of the method: Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV
    2022.
    """

    score_high: float
    """Rows from here on start and confirm tracks: the model's default threshold, about 0.45 to 0.5 for the models
    shipped."""
    low_score_ratio: float = 0.7
    """Rows from this share of `score_high` on may continue a track. Lower ones are mostly clutter that a lost track
    sticks to."""

    gate_high: float = 0.15
    """Least buffered IoU between a track's prediction and a high row."""
    gate_low: float = 0.5
    """The same for a low row: half-seen things overlap well with their prediction, clutter beside them does not."""
    gate_tentative: float = 0.05
    """The same for a track that is not confirmed; at 1 frame a second the second sighting hardly overlaps the first."""
    size_ratio_min: float = 0.5
    """Least ratio of heights that a match may have: a near thing does not become a far one from one frame to the
    next."""
    duplicate_iou: float = 0.5
    """A high row that overlaps a row already on a track of its label by more starts no track: it is the same thing."""

    confirm_hits: int = 3
    """Rows that make a track. Fewer let flicker in, more lose short visits in sampled video."""
    confirm_frames: int = 5
    """Frames within which they must come, the first one included; ids lag behind by one frame less at most."""
    sure_ratio: float = 1.2
    """One of them must score this many times `score_high`, or lie half-way from there to 1: clutter that flickers about
    the threshold makes no track. Source: ByteTrack starts tracks at its threshold, 0.5 or 0.6, and 0.1."""
    lost_seconds: float = 1.5
    """A track ends when it was not seen for longer than this …"""
    lost_frames: int = 3
    """… and missed this many frames in a row, so that sampled video gets its chances too."""
    gap_seconds: float = 10.0
    """After a hole this long nothing is the same thing, however few frames were missed."""
    low_seconds: float = 1.0
    """How long a track may live on low rows alone: longer, and lost tracks settle on signposts."""

    measurement_noise: float = 0.05
    """Standard deviation of a high row's box. Source: ByteTrack's `std_weight_position` 1/20."""
    low_noise_factor: float = 2.0
    """How much more noise the box of a low row has."""
    position_noise: float = 0.05
    """Wander of the box beyond its speed, per square root of a second."""
    acceleration_noise: float = 0.6
    """Change of speed, in sizes a second per square root of a second; people turn within a second."""
    size_acceleration_noise: float = 0.3
    """The same for width and height."""
    start_speed: float = 1.0
    """Standard deviation of an unknown speed, in sizes a second; a person walks 0.8."""
    start_size_speed: float = 0.3
    """The same for width and height."""
    speed_decay_seconds: float = 4.0
    """Time in which a predicted speed halves: things out of sight tend to stop."""
    size_decay_seconds: float = 0.5
    """The same for width and height, which do not grow for long."""
    margin_sigmas: float = 1.0
    """Boxes are widened by this many standard deviations of the prediction before they are compared. Source of buffered
    IoU: Yang et al., "Hard to Track Objects with Irregular Motions and Similar Appearances?", WACV 2023; there the
    margin is constant."""
    margin_limit: float = 0.5
    """… but by no more than this many sizes."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _COUNTS and not (type(value) is int and value >= 1):
                raise ValueError(f"{field.name} must be a whole number of at least 1 but got {value!r}")
            if not 0 <= value < float("inf"):
                raise ValueError(f"{field.name} must be finite and not negative but got {value!r}")
            if field.name in _SHARES and value > 1:
                raise ValueError(f"{field.name} must be at most 1 but got {value!r}")
            if field.name in _DIVISORS and value == 0:
                raise ValueError(f"{field.name} must be above 0 but got 0")
        if self.confirm_frames < self.confirm_hits:
            raise ValueError(f"confirm_frames must be at least {self.confirm_hits} but got {self.confirm_frames}")

    @property
    def score_low(self) -> float:
        """Rows below this are never looked at."""
        return self.low_score_ratio * self.score_high

    @property
    def score_sure(self) -> float:
        """A track has a row from here on."""
        return min(self.sure_ratio * self.score_high, (1 + self.score_high) / 2)

    def to_json(self) -> str:
        """One line with sorted keys: equal parameters give equal text."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> TrackerParams:
        """The parameters that `to_json` wrote, or a person did; what is left out has its default.

        Raises:
            ValueError: not a JSON object, an unknown name, or a value out of range.
        """
        value_by_name = json.loads(text)
        if not isinstance(value_by_name, dict):
            raise ValueError(f"tracker parameters must be a JSON object but got {type(value_by_name).__name__}")
        unknown = sorted(set(value_by_name) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"tracker parameters must be known names but got {', '.join(unknown)}")
        if "score_high" not in value_by_name:
            raise ValueError("tracker parameters must have score_high but it is missing")
        not_numbers = sorted(name for name, value in value_by_name.items() if type(value) not in (int, float))
        if not_numbers:
            raise ValueError(f"tracker parameters must be numbers but got other things for {', '.join(not_numbers)}")
        return cls(**value_by_name)
