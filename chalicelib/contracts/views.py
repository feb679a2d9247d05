"""Views: what of its stored results a job counts and lists, by its `score_min` and `labels`.

Blocks hold every detection above the model's floor, and tracks are made of all of them: a view changes neither, nor the
id of a track. It decides which rows the summary counts, and which tracks are listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.contracts.blocks import SCORE_UNITS
from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.models import Manifest


@dataclass(frozen=True, slots=True)
class View:
    """What a job shows; scores are in ten-thousandths."""

    floors: tuple[int, ...]
    """By model of the job: from which score a row counts."""
    track_floor_by_name: Mapping[str, int]
    """By name of a model: from which best score a track is listed."""
    labels: frozenset[str]
    """Empty: all."""

    def shows(self, track: TrackRow) -> bool:
        """Whether the track is listed."""
        is_sure = track.score_max >= self.track_floor_by_name[track.model]
        return is_sure and (not self.labels or track.label in self.labels)

    def is_within(self, other: View) -> bool:
        """Whether `other`, a view of the same models, shows all that this one does."""
        has_labels = not other.labels or (bool(self.labels) and self.labels <= other.labels)
        has_rows = all(mine >= others for mine, others in zip(self.floors, other.floors, strict=True))
        has_tracks = all(floor >= other.track_floor_by_name[name] for name, floor in self.track_floor_by_name.items())
        return has_labels and has_rows and has_tracks


def view_of(
    manifests: Sequence[Manifest], score_min: float | None, labels: Sequence[str], score_high: float | None
) -> View:
    """The view of a job of these models; `score_high` is what its tracker was told."""
    return View(
        floors=tuple(_units(_first(score_min, manifest.score_default)) for manifest in manifests),
        track_floor_by_name={
            # The least best score of a track: as the job or else the tracker was told, else the model's.
            manifest.name: _units(_first(score_min, score_high, manifest.score_default))
            for manifest in manifests
        },
        labels=frozenset(labels),
    )


def narrow_summary(summary: Mapping[str, Any], tracks: Sequence[TrackRow], labels: frozenset[str]) -> dict[str, Any]:
    """The summary of a view with the same floors that shows these labels only (empty: all), and these tracks."""
    kept = [label for label in summary["labels"] if not labels or label["label"] in labels]
    return {
        **summary,
        "detections": sum(label["detections"] for label in kept),
        "tracks": len(tracks),
        "labels": [{**label, "tracks": sum(track.label == label["label"] for track in tracks)} for label in kept],
    }


def _first(*told: float | None) -> float:
    """What was told first; the last one is told in any case."""
    return next(score for score in told if score is not None)


def _units(score: float) -> int:
    return round(score * SCORE_UNITS)
