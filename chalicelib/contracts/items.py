"""Items of table `meta` and the domain's objects, both ways: the one place that knows attribute names.

Times are RFC 3339 text; `due_at`, `lease_until` and `expires_at` are epoch seconds. Every item has `kind`, which the
stream's filter reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.domain.costs import Quote
from chalicelib.domain.errors import ErrorCode, Failure
from chalicelib.domain.events import CommittedRange, JobEvent, JobEventKind, LabelCount
from chalicelib.domain.ids import JobId, RunId, SubmissionId, TenantId, VideoId
from chalicelib.domain.jobs import Job, JobRequest, JobState, MissingRange, ModelRef, PipelineRef, PlanFacts
from chalicelib.domain.media import Media, WholeReason
from chalicelib.domain.models import ModelTask
from chalicelib.domain.reuse import Made, ReuseReceipt
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.segments import Segment
from chalicelib.domain.side_steps import SideStep
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.domain.units import Lane, Unit, UnitKind, UnitState
from chalicelib.domain.usage import NOTHING, JobUsage, Usage
from chalicelib.domain.videos import Index, Source, Upload, UploadKind, Video, VideoState


def due_attributes(pk: str, due_at: datetime | None) -> Item:
    """What puts an item into the reconciler's index; nothing when it is not due."""
    return {} if due_at is None else {"due_shard": table_keys.due_shard(pk), "due_at": due_at.timestamp()}


def video_to_item(video: Video, due_at: datetime | None) -> Item:
    """VIDEO."""
    pk = table_keys.partition(video.tenant, video.video_id)
    return {
        "pk": pk,
        "sk": table_keys.VIDEO,
        "kind": "VIDEO",
        "list_pk": table_keys.partition(video.tenant, "videos"),
        "list_sk": video.video_id,
        "version": video.version,
        "state": video.state,
        "filename": video.filename,
        "content_type": video.content_type,
        "created_at": time_to_text(video.created_at),
        "sha256": video.sha256,
        "upload": upload_to_map(video.upload),
        "source": source_to_map(video.source),
        "media": media_to_map(video.media) if video.media else None,
        "index": index_to_map(video.index) if video.index else None,
        "failure": failure_to_map(video.failure),
        **due_attributes(pk, due_at),
    }


def video_from_item(item: Item) -> Video:
    """The video of a VIDEO item."""
    tenant, video_id = table_keys.parse_partition(item["pk"])
    return Video(
        tenant=TenantId(tenant),
        video_id=VideoId(video_id),
        filename=item["filename"],
        state=VideoState(item["state"]),
        created_at=time_from_text(item["created_at"]),
        content_type=item["content_type"],
        upload=upload_from_map(item["upload"]),
        source=source_from_map(item["source"]),
        sha256=item["sha256"],
        media=media_from_map(item["media"]) if item.get("media") else None,
        index=index_from_map(item["index"]) if item.get("index") else None,
        failure=failure_from_map(item.get("failure")),
        version=item["version"],
    )


def job_to_item(job: Job, due_at: datetime | None) -> Item:
    """JOB."""
    pk = table_keys.partition(job.tenant, job.job_id)
    return {
        "pk": pk,
        "sk": table_keys.JOB,
        "kind": "JOB",
        "version": job.version,
        "state": job.state,
        "video_id": job.video_id,
        "request": request_to_map(job.request),
        "models": models_to_list(job.models),
        "created_at": time_to_text(job.created_at),
        "deadline_at": time_to_text(job.deadline_at),
        "plan": {"segments": job.plan.segments, "cells": job.plan.cells, "reason": job.plan.reason}
        if job.plan
        else None,
        "finished_at": time_to_text(job.finished_at) if job.finished_at else None,
        "summary": job.summary,
        "missing": [missing_to_map(gap) for gap in job.missing],
        "failure": failure_to_map(job.failure),
        **({"tracks_version": job.tracks_version} if job.tracks_version else {}),
        **({"run_id": job.run_id} if job.run_id else {}),
        **({"made": made_to_map(job.made)} if job.made else {}),
        **({"reused": job.reused.to_json()} if job.reused else {}),
        **({"quote": job.quote.to_json()} if job.quote else {}),
        **({"usage": job.usage.to_json()} if job.usage else {}),
        **due_attributes(pk, due_at),
    }


def job_from_item(item: Item) -> Job:
    """The job of a JOB item."""
    tenant, job_id = table_keys.parse_partition(item["pk"])
    plan = item.get("plan")
    return Job(
        tenant=TenantId(tenant),
        job_id=JobId(job_id),
        video_id=VideoId(item["video_id"]),
        state=JobState(item["state"]),
        request=request_from_map(item["request"]),
        models=models_from_list(item["models"]),
        created_at=time_from_text(item["created_at"]),
        deadline_at=time_from_text(item["deadline_at"]),
        plan=PlanFacts(plan["segments"], plan["cells"], WholeReason(plan["reason"]) if plan["reason"] else None)
        if plan
        else None,
        finished_at=time_from_text(item["finished_at"]) if item.get("finished_at") else None,
        summary=item.get("summary"),
        missing=tuple(missing_from_map(gap) for gap in item.get("missing", [])),
        failure=failure_from_map(item.get("failure")),
        version=item["version"],
        tracks_version=item.get("tracks_version", 0),
        run_id=RunId(item["run_id"]) if item.get("run_id") else None,
        made=made_from_map(item.get("made")),
        reused=ReuseReceipt.from_json(item["reused"]) if item.get("reused") else None,
        quote=Quote.from_json(item["quote"]) if item.get("quote") else None,
        usage=JobUsage.from_json(item["usage"]) if item.get("usage") else None,
    )


def request_to_map(request: JobRequest) -> Item:
    """JobRequest as an attribute; what release 0.1 did not have is there only when it was asked for."""
    more: Item = {}
    if request.tracker is not None:
        more["tracker"] = request.tracker.to_json()
    if request.pipeline is not None:
        more["pipeline"] = {"name": request.pipeline.name, "version": request.pipeline.version}
    if not request.promote:
        more["promote"] = False
    if request.max_cost_nano_usd is not None:
        more["max_cost"] = request.max_cost_nano_usd
    return {
        "models": list(request.models),
        "sampling": request.sampling.to_json(),
        "score_min": request.score_min,
        "labels": list(request.labels),
        "segment_seconds": str(request.segment_seconds) if request.segment_seconds is not None else None,
        "tracking": request.tracking,
        **more,
    }


def request_from_map(form: Item) -> JobRequest:
    """JobRequest from an attribute."""
    segment_seconds, tracker, pipeline = form["segment_seconds"], form.get("tracker"), form.get("pipeline")
    return JobRequest(
        models=tuple(form["models"]),
        sampling=Sampling.from_json(form["sampling"]),
        score_min=form["score_min"],
        labels=tuple(form["labels"]),
        segment_seconds=Fraction(segment_seconds) if segment_seconds is not None else None,
        tracking=form["tracking"],
        tracker=TrackingParameters.from_json(tracker) if tracker is not None else None,
        pipeline=PipelineRef(**pipeline) if pipeline else None,
        promote=form.get("promote", True),
        max_cost_nano_usd=form.get("max_cost"),
    )


def models_to_list(models: Sequence[ModelRef]) -> list[Item]:
    """Exact models as an attribute."""
    return [model_ref_to_map(ref) for ref in models]


def models_from_list(form: Sequence[Item]) -> tuple[ModelRef, ...]:
    """Exact models from an attribute."""
    return tuple(model_ref_from_map(ref) for ref in form)


def unit_to_item(pk: str, sk: str, unit: Unit, segment: Segment | None = None) -> Item:
    """SEGMENT (with what it covers) or STEP."""
    cover: Item = {}
    if segment is not None:
        cover = {
            "start_pts": segment.start_pts,
            "end_pts": segment.end_pts,
            "first_cell": segment.first_cell,
            "end_cell": segment.end_cell,
        }
    return {
        "pk": pk,
        "sk": sk,
        "kind": "SEGMENT" if segment is not None else "STEP",
        "index": unit.index,
        "state": unit.state,
        "attempt": unit.attempt,
        "attempts_allowed": unit.attempts_allowed,
        "fence": unit.fence,
        "lease_until": unit.lease_until or None,
        "claimed_by": unit.claimed_by,
        "submission": unit.submission,
        "child": unit.child,
        "lane": unit.lane,
        "failure": failure_to_map(unit.failure),
        **({"provider": unit.provider} if unit.provider else {}),
        **({"analyses": list(unit.analyses)} if unit.analyses else {}),
        **({"claimed_for": unit.claimed_for} if unit.claimed_for else {}),
        **({"usage": unit.usage.to_json()} if unit.usage != NOTHING else {}),
        **cover,
    }


def unit_from_item(item: Item) -> Unit:
    """The unit of a SEGMENT or STEP item."""
    kinds = {table_keys.PROBE: UnitKind.PROBE, table_keys.FINISH: UnitKind.FINISH, table_keys.ADMIT: UnitKind.ADMIT}
    side = table_keys.parse_side_step(item["sk"])
    return Unit(
        kind=UnitKind(side[0]) if side else kinds.get(item["sk"], UnitKind.SEGMENT),
        name=side[1] if side else "",
        index=item["index"],
        state=UnitState(item["state"]),
        attempt=item["attempt"],
        attempts_allowed=item["attempts_allowed"],
        fence=item["fence"],
        lease_until=float(item.get("lease_until") or 0.0),
        claimed_by=item["claimed_by"],
        submission=SubmissionId(item["submission"]),
        child=item["child"],
        lane=Lane(item["lane"]),
        failure=failure_from_map(item.get("failure")),
        provider=item.get("provider", ""),
        analyses=tuple(item.get("analyses", ())),
        claimed_for=SubmissionId(item.get("claimed_for", "")),
        usage=Usage.from_json(item.get("usage")),
    )


def side_step_to_item(pk: str, sk: str, step: SideStep, due_at: datetime | None) -> Item:
    """SIDE_STEP: a unit, and what it is to do."""
    return {
        **unit_to_item(pk, sk, step.unit),
        "kind": "SIDE_STEP",
        "parameters": plain(step.parameters),
        "created_at": time_to_text(step.created_at),
        "deadline_at": time_to_text(step.deadline_at),
        "job_finished_at": time_to_text(step.job_finished_at) if step.job_finished_at else None,
        "finished_at": time_to_text(step.finished_at) if step.finished_at else None,
        "result": step.result,
        **due_attributes(pk, due_at),
    }


def side_step_from_item(item: Item) -> SideStep:
    """The side step of a SIDE_STEP item."""
    return SideStep(
        unit=unit_from_item(item),
        parameters=item["parameters"],
        created_at=time_from_text(item["created_at"]),
        deadline_at=time_from_text(item["deadline_at"]),
        job_finished_at=time_from_text(item["job_finished_at"]) if item.get("job_finished_at") else None,
        finished_at=time_from_text(item["finished_at"]) if item.get("finished_at") else None,
        result=item.get("result"),
    )


def segment_from_item(item: Item) -> Segment:
    """What the segment of a SEGMENT item covers."""
    return Segment(item["index"], item["start_pts"], item["end_pts"], item["first_cell"], item["end_cell"])


def event_to_item(event: JobEvent, expires_at: int | None) -> Item:
    """EVENT; `expires_at` in epoch seconds, None for one that stays as long as its job."""
    committed = event.committed
    return {
        "pk": table_keys.partition(event.tenant, event.job_id),
        "sk": table_keys.event(event.seq),
        "kind": "EVENT",
        "seq": event.seq,
        "origin": event.origin,
        "event": event.kind,
        "video_id": event.video_id,
        "created_at": time_to_text(event.created_at),
        "state": event.state,
        "failure": failure_to_map(event.failure),
        "committed": {
            "segment_index": committed.segment_index,
            "start_pts": committed.start_pts,
            "end_pts": committed.end_pts,
            "start_seconds": committed.start_seconds,
            "end_seconds": committed.end_seconds,
            "labels": [[count.label, count.detections, count.score_max] for count in committed.labels],
        }
        if committed
        else None,
        "expires_at": expires_at,
    }


def event_from_item(item: Item) -> JobEvent:
    """The event of an EVENT item."""
    tenant, job_id = table_keys.parse_partition(item["pk"])
    committed = item.get("committed")
    return JobEvent(
        tenant=TenantId(tenant),
        job_id=JobId(job_id),
        video_id=VideoId(item["video_id"]),
        origin=item["origin"],
        kind=JobEventKind(item["event"]),
        created_at=time_from_text(item["created_at"]),
        seq=item["seq"],
        state=JobState(item["state"]) if item.get("state") else None,
        failure=failure_from_map(item.get("failure")),
        committed=CommittedRange(
            committed["segment_index"],
            committed["start_pts"],
            committed["end_pts"],
            float(committed["start_seconds"]),
            float(committed["end_seconds"]),
            tuple(LabelCount(label, count, float(best)) for label, count, best in committed["labels"]),
        )
        if committed
        else None,
    )


def upload_to_map(upload: Upload) -> Item:
    """Upload as an attribute."""
    return {
        "kind": upload.kind,
        "expires_at": time_to_text(upload.expires_at),
        "upload_id": upload.upload_id,
        "part_size_bytes": upload.part_size_bytes,
        "part_count": upload.part_count,
    }


def upload_from_map(form: Item) -> Upload:
    """Upload from an attribute."""
    return Upload(**{**form, "kind": UploadKind(form["kind"]), "expires_at": time_from_text(form["expires_at"])})


def source_to_map(source: Source) -> Item:
    """Source as an attribute."""
    return {
        "bucket": source.bucket,
        "key": source.key,
        "size_bytes": source.size_bytes,
        "etag": source.etag,
        "version_id": source.version_id,
        "content_digest": source.content_digest,
    }


def source_from_map(form: Item) -> Source:
    """Source from an attribute."""
    return Source(**form)


def model_ref_to_map(ref: ModelRef) -> Item:
    """ModelRef as an attribute; a task that is not there is detection."""
    form = {"name": ref.name, "version": ref.version, "sha256": ref.sha256}
    return form if ref.task is ModelTask.DETECTION else {**form, "task": ref.task}


def model_ref_from_map(form: Item) -> ModelRef:
    """ModelRef from an attribute."""
    task = ModelTask(form.get("task", ModelTask.DETECTION))
    return ModelRef(form["name"], form["version"], form["sha256"], task)


def media_to_map(media: Media) -> Item:
    """Media as an attribute."""
    return {
        "container": media.container,
        "codec": media.codec,
        "width": media.width,
        "height": media.height,
        "rotation": media.rotation,
        "timebase": str(media.timebase),
        "duration_seconds": media.duration_seconds,
        "frame_count": media.frame_count,
        "keyframes": media.keyframes,
    }


def media_from_map(form: Item) -> Media:
    """Media from an attribute."""
    return Media(
        **{**form, "timebase": Fraction(form["timebase"]), "duration_seconds": float(form["duration_seconds"])}
    )


def index_to_map(index: Index) -> Item:
    """Index as an attribute."""
    return {
        "cells_key": index.cells_key,
        "table_key": index.table_key,
        "cell_count": index.cell_count,
        "decoder": index.decoder,
        "start_pts": index.start_pts,
        "end_pts": index.end_pts,
        "whole_reason": index.whole_reason,
    }


def index_from_map(form: Item) -> Index:
    """Index from an attribute."""
    return Index(**{**form, "whole_reason": WholeReason(form["whole_reason"]) if form["whole_reason"] else None})


def failure_to_map(failure: Failure | None) -> Item | None:
    """Failure as an attribute."""
    return {"code": failure.code, "detail": failure.detail, "hint": failure.hint} if failure else None


def failure_from_map(form: Item | None) -> Failure | None:
    """Failure from an attribute."""
    return Failure(ErrorCode(form["code"]), form["detail"], form["hint"]) if form else None


def made_to_map(made: Made) -> Item:
    """Made as an attribute."""
    return {"recipe": made.recipe, "analyses": list(made.analyses)}


def made_from_map(form: Item | None) -> Made | None:
    """Made from an attribute."""
    return Made(form["recipe"], tuple(form["analyses"])) if form else None


def missing_to_map(gap: MissingRange) -> Item:
    """MissingRange as an attribute."""
    return {"start_seconds": gap.start_seconds, "end_seconds": gap.end_seconds, "failure": failure_to_map(gap.failure)}


def missing_from_map(form: Item) -> MissingRange:
    """MissingRange from an attribute."""
    failure = failure_from_map(form["failure"])
    if failure is None:
        raise ValueError("a missing range must have a cause but got none")
    return MissingRange(float(form["start_seconds"]), float(form["end_seconds"]), failure)


def time_to_text(moment: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_from_text(text: str) -> datetime:
    """The moment that `time_to_text` wrote."""
    return datetime.fromisoformat(text)


def plain(value: Any) -> Any:
    """`value` with enums as their wire strings and tuples as lists: what a round trip through the table gives."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, str) else value
