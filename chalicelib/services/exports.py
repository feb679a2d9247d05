"""Exports of a job's results: asked for once, made by a worker, downloaded by a presigned URL.

An export is a side step of its job, named by the question: who asks the same again, in the same words, gets the one
that is there, ready or not. Only one that failed is made again, under another name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.contracts import object_keys
from chalicelib.contracts.export_parameters import EXPORT_PREFIX, ExportParameters, from_json
from chalicelib.contracts.items import time_to_text
from chalicelib.domain.errors import Conflict, InvalidRequest, NotFound
from chalicelib.domain.exports import FACTS_BY_FORMAT, ExportRequest
from chalicelib.domain.ids import is_id
from chalicelib.domain.jobs import STATES_WITH_RESULTS, Job
from chalicelib.domain.models import ModelTask
from chalicelib.domain.side_steps import SideStep, SideStepState, StepName
from chalicelib.domain.units import UnitKind
from chalicelib.services.dispatch import owner_of
from chalicelib.services.downloads import Download, make_download
from chalicelib.services.ports import Ports
from chalicelib.services.side_steps import find_or_start, start_side_step
from chalicelib.services.tracks import get_track_version

BY_TIME = ", ".join(sorted(name for name, facts in FACTS_BY_FORMAT.items() if not facts.needs_frame_numbers))
WITH_FRAME_LABELS = ", ".join(sorted(name for name, facts in FACTS_BY_FORMAT.items() if facts.takes_frame_labels))


@dataclass(frozen=True, slots=True)
class Export:
    """An export as a client sees it."""

    export_id: str
    parameters: ExportParameters
    step: SideStep


def request_export(ports: Ports, job: Job, request: ExportRequest) -> Export:
    """The export that was asked for, made by a worker unless it was asked for before.

    Raises:
        Conflict: the job has no results yet, or none that this format can hold.
        InvalidRequest: a model or label that the job does not know.
    """
    _check_names(ports, job, request)
    _check_format(ports, job, request)
    video = ports.videos.get(job.tenant, job.video_id)
    if video is None:
        raise NotFound(f"the video of job {job.job_id} is gone")
    parameters = ExportParameters(request, video.filename, *_tracks_of(ports, job))
    finished_at = time_to_text(job.finished_at) if job.finished_at else ""
    step = find_or_start(
        ports,
        owner_of(job),
        lambda attempt: StepName(UnitKind.EXPORT, parameters.export_id(job.job_id, finished_at, attempt)),
        lambda name: start_side_step(ports, job, name, parameters.to_json()),
    )
    return Export(step.unit.name, parameters, step)


def get_export(ports: Ports, job: Job, export_id: str) -> Export:
    """One export of the job.

    Raises:
        NotFound: there is none of that id.
    """
    name = StepName(UnitKind.EXPORT, export_id) if is_id(EXPORT_PREFIX, export_id) else None
    step = ports.units.get_side_step(owner_of(job), name) if name else None
    if step is None:
        raise NotFound(f"there is no export {export_id} of job {job.job_id}")
    return _to_export(step)


def list_exports(ports: Ports, job: Job) -> Sequence[Export]:
    """The job's exports, oldest first."""
    steps = ports.units.list_side_steps(owner_of(job), UnitKind.EXPORT)
    return sorted(map(_to_export, steps), key=lambda export: (export.step.created_at, export.export_id))


def download_of(ports: Ports, job: Job, export: Export) -> Download | None:
    """Where the export can be had for a while; None until it is made."""
    if export.step.state is not SideStepState.SUCCEEDED:
        return None
    return make_download(ports, object_keys.export_key(job.tenant, job.job_id, export.export_id))


def _to_export(step: SideStep) -> Export:
    return Export(step.unit.name, from_json(step.parameters), step)


def _tracks_of(ports: Ports, job: Job) -> tuple[int | None, dict[str, Any]]:
    """The version of the tracks that readers of the job see, and what the tracker was told for it."""
    if not job.has_tracks:
        return None, {}
    return job.tracks_version, get_track_version(ports, job, job.tracks_version).parameters


def _check_names(ports: Ports, job: Job, request: ExportRequest) -> None:
    names = [model.name for model in job.models]
    if unknown := [name for name in request.models if name not in names]:
        raise InvalidRequest(f"models must be of the job, which has {', '.join(names)}, but got {', '.join(unknown)}")
    refs = [model for model in job.models if model.name in (request.models or names)]
    manifests = [ports.models.get(job.tenant, ref.sha256) for ref in refs]
    known = {label for manifest in manifests if manifest for label in manifest.labels}
    if wrong := [label for label in request.labels if label not in known]:
        raise InvalidRequest(f"labels must be known to the job's models but got {', '.join(wrong)}")


def _check_format(ports: Ports, job: Job, request: ExportRequest) -> None:
    if job.state not in STATES_WITH_RESULTS:
        raise Conflict(
            f"job {job.job_id} must have finished with results but is {job.state}",
            hint="Wait until the job is SUCCEEDED or PARTIAL",
        )
    asked = [model for model in job.models if not request.models or model.name in request.models]
    if not request.facts.takes_frame_labels and all(model.task is not ModelTask.DETECTION for model in asked):
        raise Conflict(
            f"{request.format} is a format of boxes, but {', '.join(model.name for model in asked)} only label whole"
            " frames",
            hint=f"Export it as {WITH_FRAME_LABELS}",
        )
    if request.facts.needs_tracks and not job.has_tracks:
        raise Conflict(
            f"{request.format} is a format of tracks, but job {job.job_id} has none",
            hint="Have its detections tracked with POST /jobs/{job_id}/tracks, and name that version",
        )
    if request.facts.needs_frame_numbers and ports.units.count(owner_of(job)) != (0, 0):
        raise Conflict(
            f"{request.format} names frames by number, which none has after a segment of job {job.job_id} that failed",
            hint=f"Retry the job, or export it as {BY_TIME}, which know frames by their time",
        )
