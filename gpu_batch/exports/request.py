"""What an order asks to be exported, and what the job says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from chalicelib.contracts import export_parameters
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.blocks import SCORE_UNITS
from chalicelib.contracts.work_order import OrderedMedia, WorkOrder
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.exports import EXPORT_VERSION, FACTS_BY_FORMAT, ExportFormat
from chalicelib.domain.models import Manifest, ModelTask, manifest_from_json
from gpu_batch.errors import BadOrder
from gpu_batch.exports.facts import ExportedModel, ExportFacts


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """An order of kind EXPORT, read."""

    format: ExportFormat
    is_packed: bool
    """NDJSON only: by gzip."""
    file_name: str
    """Of the export."""
    content_type: str
    filename: str
    """Of the video."""
    labels: tuple[str, ...]
    model_positions: frozenset[int]
    score_mins: tuple[float, ...]
    """By model of the job."""
    tracks_version: int | None
    """Of the tracks whose ids the rows have; None: they have none."""
    tracking: Mapping[str, Any]
    """What the tracker was told for that version; everything else was as the finish does it."""

    @property
    def score_floors(self) -> tuple[int, ...]:
        """The same in ten-thousandths, in which rows are stored: 0.35 means 0.35."""
        return tuple(round(score * SCORE_UNITS) for score in self.score_mins)


def read_export_order(order: WorkOrder) -> ExportOrder:
    """What to export.

    Raises:
        BadOrder: it was written by another release.
    """
    if order.media is None or order.parameters is None:
        raise BadOrder("an order to export must have media facts and parameters", code=ErrorCode.INTERNAL)
    version = order.parameters.get("version")
    if version != EXPORT_VERSION:
        detail = f"the export that was asked for is unknown: this worker writes version {EXPORT_VERSION}, not {version}"
        raise BadOrder(detail, code=ErrorCode.INTERNAL)
    try:
        asked = export_parameters.from_json(order.parameters)
    except (KeyError, ValueError) as error:
        raise BadOrder(f"the export that was asked for is unknown: {error}", code=ErrorCode.INTERNAL) from error
    wanted = asked.request
    manifests = _manifests(order)
    score_min = order.score_min if wanted.score_min is None else wanted.score_min
    return ExportOrder(
        format=wanted.format,
        is_packed=wanted.is_packed,
        file_name=wanted.file_name(asked.filename),
        content_type=wanted.content_type,
        filename=asked.filename,
        labels=wanted.labels or order.labels,
        model_positions=frozenset(
            position
            for position, manifest in enumerate(manifests)
            if (not wanted.models or manifest.name in wanted.models) and not _is_left_out(wanted.format, manifest)
        ),
        score_mins=tuple(manifest.score_default if score_min is None else score_min for manifest in manifests),
        tracks_version=asked.tracks_version,
        tracking=asked.tracking,
    )


def facts_of(order: WorkOrder, export: ExportOrder, job: Item, frame_count: int | None) -> ExportFacts:
    """What exports state about the job of an order; `job` is its item."""
    media = order.media
    assert isinstance(media, OrderedMedia)
    missing = tuple(
        {"start_seconds": gap["start_seconds"], "end_seconds": gap["end_seconds"], "code": gap["failure"]["code"]}
        for gap in job.get("missing", [])
    )
    return ExportFacts(
        job_id=order.job_id,
        video_id=order.video_id,
        filename=export.filename,
        content_digest=order.source.content_digest,
        width=media.width,
        height=media.height,
        rotation=media.rotation,
        timebase=Fraction(media.timebase),
        start_pts=order.segments[0].start_pts,
        end_pts=order.segments[-1].end_pts,
        frame_count=frame_count,
        models=tuple(
            ExportedModel(
                manifest.name,
                manifest.version,
                manifest.sha256,
                manifest.labels,
                score_min,
                manifest.task,
                _is_left_out(export.format, manifest),
            )
            for manifest, score_min in zip(_manifests(order), export.score_mins, strict=True)
        ),
        sampling=order.sampling or {},
        labels=export.labels,
        tracker=None
        if export.tracks_version is None
        else {"version": export.tracks_version, "parameters": dict(export.tracking)},
        missing=missing,
    )


def _is_left_out(export: ExportFormat, manifest: Manifest) -> bool:
    """Whether the format has no place for what the model says."""
    return not FACTS_BY_FORMAT[export].takes_frame_labels and manifest.task is not ModelTask.DETECTION


def _manifests(order: WorkOrder) -> list[Manifest]:
    return [manifest_from_json(model.manifest) for model in order.models]
