"""Versions of a job's tracks: version 0 is that of its finish, every re-tracking makes one more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from chalicelib.domain.errors import Conflict, Failure, InvalidRequest, LimitExceeded, NotFound
from chalicelib.domain.jobs import STATES_WITH_RESULTS, Job
from chalicelib.domain.models import ModelTask
from chalicelib.domain.side_steps import SideStep, SideStepState, StepName
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.domain.units import UnitKind
from chalicelib.services.dispatch import owner_of
from chalicelib.services.ports import Ports
from chalicelib.services.side_steps import start_side_step

MAX_VERSIONS = 100
"""Of one job, besides version 0."""


@dataclass(frozen=True, slots=True)
class TrackVersion:
    """One version of a job's tracks."""

    version: int
    state: SideStepState
    parameters: dict[str, object] = field(hash=False)
    """What was told; everything else has the tracker's default."""
    is_current: bool
    """Whether it is read when no version is named."""
    created_at: datetime
    finished_at: datetime | None = None
    tracks: int | None = None
    """How many there are."""
    is_outdated: bool = False
    """Whether the job was retried since, so that its newer results have no tracks here."""
    failure: Failure | None = None


def start_tracks(ports: Ports, job: Job, parameters: TrackingParameters, *, make_current: bool = False) -> TrackVersion:
    """Track the stored detections of a finished job again, as a new version.

    Raises:
        Conflict: the job has no results, none that move, or one of its models is gone.
        InvalidRequest: a label that no model of the job has.
        LimitExceeded: the job has as many versions as it may have.
    """
    if all(model.task is not ModelTask.DETECTION for model in job.models):
        raise Conflict(
            f"tracks are made of detections, but the models of job {job.job_id} only label whole frames",
            hint="Start a job with a model for detection; GET /models says what each model is for",
        )
    _check_labels(ports, job, parameters)
    # What is left out is as in version 0, which a pipeline may have told otherwise than the defaults.
    parameters = parameters.over(job.request.tracker)
    while True:
        last = max((int(step.unit.name) for step in _steps(ports, job)), default=0)
        if last >= MAX_VERSIONS:
            raise LimitExceeded(
                f"job {job.job_id} may have {MAX_VERSIONS} versions of tracks and has them",
                hint="Start a new job on the video; its stored detections are not paid twice",
            )
        told = {"tracking": parameters.to_json(), "make_current": make_current}
        step = start_side_step(ports, job, step_name(last + 1), told)
        # None: somebody else took this number in the meantime.
        if step is not None:
            return _version_of(job, step)


def list_track_versions(ports: Ports, job: Job) -> Sequence[TrackVersion]:
    """All versions in order; version 0 is there once the job has finished with tracking."""
    first = _first_version(job)
    return [*([first] if first else []), *(_version_of(job, step) for step in _steps(ports, job))]


def get_track_version(ports: Ports, job: Job, version: int) -> TrackVersion:
    """One version.

    Raises:
        NotFound: the job has no such version.
    """
    if version == 0 and (first := _first_version(job)):
        return first
    step = ports.units.get_side_step(owner_of(job), step_name(version)) if version else None
    if step is None:
        raise NotFound(f"job {job.job_id} has no version {version} of its tracks")
    return _version_of(job, step)


def at_version(ports: Ports, job: Job, version: int | None) -> Job:
    """The job as readers of this version of its tracks see it; None: as it is.

    Raises:
        NotFound: the job has no such version.
        Conflict: that version has not succeeded.
    """
    if version is None or version == job.tracks_version:
        return job
    found = get_track_version(ports, job, version)
    if found.state is not SideStepState.SUCCEEDED:
        raise Conflict(
            f"version {version} of the tracks of job {job.job_id} must be SUCCEEDED but is {found.state}",
            hint="Wait until it is, or name another version; GET /jobs/{job_id}/track-versions lists them",
        )
    return replace(job, tracks_version=version)


def step_name(version: int) -> StepName:
    """The side step that makes a version."""
    return StepName(UnitKind.TRACKS, f"{version:04d}")


def _steps(ports: Ports, job: Job) -> Sequence[SideStep]:
    return ports.units.list_side_steps(owner_of(job), UnitKind.TRACKS)


def _first_version(job: Job) -> TrackVersion | None:
    if job.state not in STATES_WITH_RESULTS or not job.request.tracking:
        return None
    return TrackVersion(
        version=0,
        state=SideStepState.SUCCEEDED,
        parameters=job.request.tracker.to_json() if job.request.tracker else {},
        is_current=job.tracks_version == 0,
        created_at=job.created_at,
        finished_at=job.finished_at,
    )


def _version_of(job: Job, step: SideStep) -> TrackVersion:
    version = int(step.unit.name)
    parameters, tracks = step.parameters["tracking"], (step.result or {}).get("tracks")
    if not isinstance(parameters, dict):
        raise TypeError(f"the parameters of version {version} of {job.job_id} must be a map but got {parameters!r}")
    return TrackVersion(
        version=version,
        state=step.state,
        parameters=parameters,
        is_current=job.tracks_version == version,
        created_at=step.created_at,
        finished_at=step.finished_at,
        tracks=tracks if isinstance(tracks, int) else None,
        is_outdated=job.finished_at != step.job_finished_at,
        # Why an attempt broke off is of no interest while another one may do it.
        failure=step.unit.failure if step.state is SideStepState.FAILED else None,
    )


def _check_labels(ports: Ports, job: Job, parameters: TrackingParameters) -> None:
    manifests = [ports.models.get(job.tenant, ref.sha256) for ref in job.models]
    known = {label for manifest in manifests if manifest for label in manifest.labels}
    unknown = [label for label in parameters.labels if label not in known]
    if known and unknown:
        raise InvalidRequest(f"no model of this job has the labels {unknown}", hint="GET /models lists every label")
