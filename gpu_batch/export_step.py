"""An export as a side step: read the job's results, write the file, and put it into the bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chalicelib.contracts import object_keys, table_keys
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.exports import FACTS_BY_FORMAT, ExportFormat
from chalicelib.domain.units import UnitKind
from gpu_batch.aws import Cloud
from gpu_batch.checked_file import checked_file
from gpu_batch.errors import BadInput
from gpu_batch.exports.annotated import mp4_writer
from gpu_batch.exports.facts import ExportFrame, Writer
from gpu_batch.exports.job_frames import JobFrames
from gpu_batch.exports.ndjson import write_ndjson_gzip
from gpu_batch.exports.request import ExportOrder, facts_of, read_export_order
from gpu_batch.exports.writers import WRITER_BY_FORMAT
from gpu_batch.job_results import JobResults
from gpu_batch.lease import Stop
from gpu_batch.log import logger
from gpu_batch.side_step import Check, Outcome, run_side_step
from gpu_batch.source_frames import source_frames
from gpu_batch.stored_file import store_file


def run_export(cloud: Cloud, order: WorkOrder, *, claimed_by: str, stop: Stop) -> None:
    """Make the export of an order, unless somebody else does or did.

    Raises:
        BadInput, BadOrder: it cannot be made, and that is recorded.
    """
    key = object_keys.export_key(order.tenant, order.job_id, order.step)
    run_side_step(
        cloud,
        order,
        UnitKind.EXPORT,
        lambda check: _export(cloud, order, key, check),
        forget=lambda: cloud.delete_object(key),
        claimed_by=claimed_by,
        stop=stop,
    )


def _export(cloud: Cloud, order: WorkOrder, key: str, check: Check) -> Outcome:
    export = read_export_order(order)
    job = cloud.get(cloud.meta_table, order.pk, table_keys.JOB) or {}
    frames = JobFrames(cloud, order, export, JobResults(cloud, order, check))
    facts = facts_of(order, export, job, frames.count_shown())
    counted = _Counted(export.format, check)
    with checked_file(check) as sink:
        _writer(cloud, order, export, check)(facts, counted.pass_on(frames.read()), sink)
        stored = store_file(cloud, key, sink, content_type=export.content_type, file_name=export.file_name, check=check)
    result = {
        **stored,
        "frames": counted.frames,
        "detections": counted.detections,
        "statement": facts.statement(export.format),
    }
    logger.info("export written", format=export.format, size_bytes=stored["size_bytes"], frames=counted.frames)
    return Outcome(result)


def _writer(cloud: Cloud, order: WorkOrder, export: ExportOrder, check: Check) -> Writer:
    if export.format is ExportFormat.MP4:
        return mp4_writer(source_frames(cloud, order, check))
    return write_ndjson_gzip if export.is_packed else WRITER_BY_FORMAT[export.format]


class _Counted:
    """Counts frames on their way, and refuses those that the format has no number for."""

    def __init__(self, export: ExportFormat, check: Callable[[], None]) -> None:
        self._format = export
        self._check = check
        self.frames = self.detections = 0

    def pass_on(self, frames: Iterator[ExportFrame]) -> Iterator[ExportFrame]:
        needs_numbers = FACTS_BY_FORMAT[self._format].needs_frame_numbers
        last = -1
        for frame in frames:
            self._check()
            if needs_numbers:
                last = self._next_number(frame, last)
            self.frames += 1
            self.detections += len(frame.rows)
            yield frame

    def _next_number(self, frame: ExportFrame, last: int) -> int:
        hint = "Export it as ndjson, csv or parquet, which know frames by their time"
        if frame.frame_index is None:
            detail = f"{self._format} names frames by number, which none has after a part of the video that is missing"
            raise BadInput(detail, code=ErrorCode.CONFLICT, hint=f"Retry the job. {hint}")
        if frame.frame_index <= last:
            detail = f"{self._format} wants frames in order of their numbers, but the video's times go backwards"
            raise BadInput(detail, code=ErrorCode.CONFLICT, hint=hint)
        return frame.frame_index
