"""Exports: the formats that a job's results can be had in, and what each of them can and must say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

EXPORT_VERSION = 3
"""Counts up with any change that gives other bytes for the same results: exports made before are made anew."""


class ExportFormat(StrEnum):
    """What an export is written in; docs/exports.md has who reads each."""

    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"
    COCO = "coco"
    YOLO = "yolo"
    MOT = "mot"
    CVAT = "cvat"
    LABEL_STUDIO = "label_studio"
    FIFTYONE = "fiftyone"
    WEBVTT = "webvtt"
    MP4 = "mp4"


@dataclass(frozen=True, slots=True)
class FormatFacts:
    """What is known of a format without writing it."""

    suffix: str
    """Of the file's name."""
    content_type: str
    index_base: int | None
    """The number of a video's first frame in it; None for a format that knows times only."""
    needs_frame_numbers: bool = False
    """It names frames by number alone, so a job with frames that have none cannot be written in it."""
    needs_tracks: bool = False
    takes_frame_labels: bool = False
    """It has a place for a label of a frame as a whole; in formats of boxes rows of classifiers are left out."""


FACTS_BY_FORMAT = {
    ExportFormat.NDJSON: FormatFacts(".ndjson", "application/x-ndjson", 0, takes_frame_labels=True),
    ExportFormat.CSV: FormatFacts(".csv", "text/csv; charset=utf-8; header=present", 0, takes_frame_labels=True),
    ExportFormat.PARQUET: FormatFacts(".parquet", "application/vnd.apache.parquet", 0, takes_frame_labels=True),
    ExportFormat.COCO: FormatFacts(".coco.json", "application/json", 0, needs_frame_numbers=True),
    ExportFormat.YOLO: FormatFacts(".yolo.zip", "application/zip", 0, needs_frame_numbers=True),
    ExportFormat.MOT: FormatFacts(".mot.zip", "application/zip", 1, needs_frame_numbers=True, needs_tracks=True),
    ExportFormat.CVAT: FormatFacts(".cvat.xml", "application/xml", 0, needs_frame_numbers=True),
    ExportFormat.LABEL_STUDIO: FormatFacts(".label-studio.json", "application/json", 1, needs_frame_numbers=True),
    ExportFormat.FIFTYONE: FormatFacts(".fiftyone.zip", "application/zip", 1, needs_frame_numbers=True),
    ExportFormat.WEBVTT: FormatFacts(".vtt", "text/vtt; charset=utf-8", None, takes_frame_labels=True),
    ExportFormat.MP4: FormatFacts("-annotated.mp4", "video/mp4", None, takes_frame_labels=True),
}


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What a client asked for. Unset means as the job has it."""

    format: ExportFormat
    score_min: float | None = None
    labels: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    is_packed: bool = False
    """By gzip; NDJSON only, since the others are packed in themselves or read as they are."""

    def __post_init__(self) -> None:
        if self.is_packed and self.format is not ExportFormat.NDJSON:
            raise ValueError(f"gzip must be false for {self.format}: it packs {ExportFormat.NDJSON} only")

    @property
    def facts(self) -> FormatFacts:
        """What is known of the format."""
        return FACTS_BY_FORMAT[self.format]

    def file_name(self, filename: str) -> str:
        """What the export of a video of that name is called."""
        return f"{file_stem(filename)}{self.facts.suffix}{'.gz' if self.is_packed else ''}"

    @property
    def content_type(self) -> str:
        """Of the file."""
        return "application/gzip" if self.is_packed else self.facts.content_type


def file_stem(filename: str) -> str:
    """A video's name without folders and ending, fit for names of files; "video" when nothing is left of it."""
    return _fit(_name(filename).stem).strip(".") or "video"


def file_suffix(filename: str) -> str:
    """Its ending with the dot, fit for the same; empty when it has none."""
    return _fit(_name(filename).suffix)


def _name(filename: str) -> PurePosixPath:
    return PurePosixPath(filename.replace("\\", "/"))


def _fit(part: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in part)
