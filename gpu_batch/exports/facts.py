"""What a writer is given: the facts of a job, and its frames in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import IO, Any, NamedTuple, Protocol

from chalicelib.contracts.blocks import BOX_UNITS, SCORE_UNITS
from chalicelib.domain.exports import EXPORT_VERSION, FACTS_BY_FORMAT, ExportFormat, file_stem
from chalicelib.domain.media import Pts
from chalicelib.domain.models import ModelTask

TITLE = "reelscan export"


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """A model of the job."""

    name: str
    version: str
    sha256: str
    labels: tuple[str, ...]
    score_min: float
    """Rows below it are left out."""
    task: ModelTask = ModelTask.DETECTION
    is_left_out: bool = False
    """The format has no place for its rows."""


@dataclass(frozen=True)
class ExportFacts:
    """Everything about a job that its exports state."""

    job_id: str
    video_id: str
    filename: str
    """As the client named the video."""
    content_digest: str
    width: int
    """Pixels of the frame as shown, which boxes are in."""
    height: int
    rotation: int
    timebase: Fraction
    start_pts: Pts
    end_pts: Pts
    """The shown timeline is [start_pts, end_pts); an estimate for a video without a sample table."""
    frame_count: int | None
    """Shown frames, sampled or not; None when a part of the video is missing."""
    models: tuple[ExportedModel, ...]
    sampling: Mapping[str, Any]
    labels: tuple[str, ...] = ()
    """Rows with other labels are left out; empty: none are."""
    tracker: Mapping[str, Any] | None = None
    """Which tracks the ids are of, and how they were made; None without tracks."""
    missing: tuple[Mapping[str, Any], ...] = ()
    """Ranges of the video that have no results."""

    @property
    def stem(self) -> str:
        """The video's name without its ending, fit for names of files."""
        return file_stem(self.filename)

    @cached_property
    def categories(self) -> dict[str, int]:
        """Number, from 0, of every label that the job's models know: in the order of models, then of their labels.

        Those of models that are left out are not among them.
        """
        names = dict.fromkeys(label for model in self.models if not model.is_left_out for label in model.labels)
        return {name: number for number, name in enumerate(names)}

    @property
    def frame_rate(self) -> float | None:
        """Frames per second on average: a number for readers that know no other; no time is derived from it."""
        seconds = (self.end_pts - self.start_pts) * self.timebase
        return round(float(self.frame_count / seconds), 6) if self.frame_count and seconds > 0 else None

    def seconds(self, pts: Pts) -> float:
        """A time for people, unshifted."""
        return float(pts * self.timebase)

    def frame_name(self, frame_index: int) -> str:
        """What a picture of that frame is called, without an ending."""
        return f"{self.stem}_{frame_index:06d}"

    def statement(self, export: ExportFormat) -> dict[str, Any]:
        """What an export says of itself; the same in all of them, but for the index base."""
        base = FACTS_BY_FORMAT[export].index_base
        return {
            "title": TITLE,
            "format": export.value,
            "export_version": EXPORT_VERSION,
            "job_id": self.job_id,
            "video": {
                "video_id": self.video_id,
                "filename": self.filename,
                "content_digest": self.content_digest,
                "width": self.width,
                "height": self.height,
                "rotation": self.rotation,
                "frame_count": self.frame_count,
            },
            "timebase": f"{self.timebase.numerator}/{self.timebase.denominator}",
            "index_base": base,
            "sampling": dict(self.sampling),
            "models": [
                {
                    "name": model.name,
                    "version": model.version,
                    "sha256": model.sha256,
                    "task": model.task.value,
                    "score_min": model.score_min,
                }
                for model in self.models
            ],
            "models_left_out": [model.name for model in self.models if model.is_left_out],
            "labels": list(self.labels),
            "tracker": dict(self.tracker) if self.tracker is not None else None,
            "missing": [dict(gap) for gap in self.missing],
        }


class ExportRow(NamedTuple):
    """One detection, or a label of the frame as a whole, whose box is all of it."""

    model: int
    """Position in `ExportFacts.models`."""
    label: str
    score_units: int
    """Ten-thousandths."""
    box_units: tuple[int, int, int, int]
    """x1, y1, x2, y2 in sixteenths of a pixel of the frame as shown."""
    track_id: int | None

    @property
    def score(self) -> float:
        """From 0 to 1."""
        return self.score_units / SCORE_UNITS

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 in pixels; exact, since a sixteenth is."""
        x1, y1, x2, y2 = self.box_units
        return x1 / BOX_UNITS, y1 / BOX_UNITS, x2 / BOX_UNITS, y2 / BOX_UNITS


class ExportFrame(NamedTuple):
    """A frame that was sampled, with or without rows."""

    pts: Pts
    ordinal: int
    frame_index: int | None
    """Among the frames as shown, from 0; None when a part before it is missing."""
    sampled_index: int
    """Among the sampled frames, from 0."""
    rows: tuple[ExportRow, ...]
    """By score descending, label, box; those of several models one after the other where these tie."""


Sink = IO[bytes]
"""Takes the bytes of an export; a regular file, so a writer may also seek in it."""


class Writer(Protocol):
    """Writes one format: the same facts and frames give the same bytes."""

    def __call__(self, facts: ExportFacts, frames: Iterator[ExportFrame], sink: Sink) -> None:
        """Write everything; memory does not grow with the number of frames."""
        ...


def number_of(frame: ExportFrame) -> int:
    """The frame's number from 0.

    Raises:
        ValueError: it has none; `FormatFacts.needs_frame_numbers` says so before.
    """
    if frame.frame_index is None:
        raise ValueError(f"the frame at pts {frame.pts} must have a number but a part before it is missing")
    return frame.frame_index
