"""Exports: the formats that a job's results can be had in, and what each of them can and must say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

EXPORT_VERSION = 1
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


FACTS_BY_FORMAT = {
    ExportFormat.NDJSON: FormatFacts(".ndjson", "application/x-ndjson", 0),
    ExportFormat.CSV: FormatFacts(".csv", "text/csv; charset=utf-8; header=present", 0),
    ExportFormat.PARQUET: FormatFacts(".parquet", "application/vnd.apache.parquet", 0),
    ExportFormat.COCO: FormatFacts(".coco.json", "application/json", 0, needs_frame_numbers=True),
    ExportFormat.YOLO: FormatFacts(".yolo.zip", "application/zip", 0, needs_frame_numbers=True),
    ExportFormat.MOT: FormatFacts(".mot.zip", "application/zip", 1, needs_frame_numbers=True, needs_tracks=True),
    ExportFormat.CVAT: FormatFacts(".cvat.xml", "application/xml", 0, needs_frame_numbers=True),
    ExportFormat.LABEL_STUDIO: FormatFacts(".label-studio.json", "application/json", 1, needs_frame_numbers=True),
    ExportFormat.FIFTYONE: FormatFacts(".fiftyone.zip", "application/zip", 1, needs_frame_numbers=True),
    ExportFormat.WEBVTT: FormatFacts(".vtt", "text/vtt; charset=utf-8", None),
    ExportFormat.MP4: FormatFacts("-annotated.mp4", "video/mp4", None),
}
