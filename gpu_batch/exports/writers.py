"""Which writer writes which format."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.domain.exports import ExportFormat
from gpu_batch.exports.coco import write_coco
from gpu_batch.exports.csv_table import write_csv
from gpu_batch.exports.cvat import write_cvat
from gpu_batch.exports.facts import Writer
from gpu_batch.exports.fiftyone import write_fiftyone
from gpu_batch.exports.label_studio import write_label_studio
from gpu_batch.exports.mot import write_mot
from gpu_batch.exports.ndjson import write_ndjson
from gpu_batch.exports.parquet import write_parquet
from gpu_batch.exports.webvtt import write_webvtt
from gpu_batch.exports.yolo import write_yolo

WRITER_BY_FORMAT: Mapping[ExportFormat, Writer] = {
    ExportFormat.NDJSON: write_ndjson,
    ExportFormat.CSV: write_csv,
    ExportFormat.PARQUET: write_parquet,
    ExportFormat.COCO: write_coco,
    ExportFormat.YOLO: write_yolo,
    ExportFormat.MOT: write_mot,
    ExportFormat.CVAT: write_cvat,
    ExportFormat.LABEL_STUDIO: write_label_studio,
    ExportFormat.FIFTYONE: write_fiftyone,
    ExportFormat.WEBVTT: write_webvtt,
}
"""All that need the job's results only; the annotated MP4 also needs the video (`annotated.mp4_writer`)."""
