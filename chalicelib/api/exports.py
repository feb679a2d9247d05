"""Routes of exports."""

from __future__ import annotations

from chalicelib.api import export_schemas, schemas
from chalicelib.api.pages import listed_after, next_cursor
from chalicelib.api.present import error_out
from chalicelib.api.typed import Answer, Call, Routes
from chalicelib.contracts.export_parameters import ExportParameters
from chalicelib.contracts.items import time_to_text
from chalicelib.domain.exports import ExportRequest
from chalicelib.domain.jobs import Job
from chalicelib.domain.side_steps import SideStepState
from chalicelib.services import exports, jobs, tracks
from chalicelib.services.downloads import Download
from chalicelib.services.exports import Export

routes = Routes()

RETRY_SECONDS = 1


@routes.post("/jobs/{job_id}/exports", summary="Export a job's results", status=202, problems=(400, 401, 404, 409))
def request_export(call: Call, job_id: str, body: export_schemas.ExportIn) -> export_schemas.ExportEnvelope:
    """Made by a worker. The same question again gives the same export, which is not made twice."""
    job = jobs.get_job(call.ports, call.claims.tenant, job_id)
    job = tracks.at_version(call.ports, job, body.options.track_version)
    return _envelope(call, job, exports.request_export(call.ports, job, export_request(body)))


@routes.get("/jobs/{job_id}/exports", summary="List the exports of a job, oldest first", problems=(400, 401, 404))
def list_exports(call: Call, job_id: str, query: schemas.PageQuery) -> export_schemas.ExportsPage:
    """Every export that was asked for."""
    job = jobs.get_job(call.ports, call.claims.tenant, job_id)
    scope = f"exports|{job.job_id}"
    after = listed_after(call, scope, query.cursor)
    found = exports.list_exports(call.ports, job)
    first = next((place + 1 for place, export in enumerate(found) if export.export_id == after), 0)
    page = found[first : first + query.limit]
    items = [export_out(export, exports.download_of(call.ports, job, export)) for export in page]
    cursor = next_cursor(call, scope, [export.export_id for export in page], query.limit)
    return export_schemas.ExportsPage(items=items, next_cursor=cursor)


@routes.get(
    "/jobs/{job_id}/exports/{export_id}",
    summary="Read an export",
    answers=export_schemas.ExportEnvelope,
    problems=(401, 404),
)
def get_export(call: Call, job_id: str, export_id: str) -> Answer:
    """When it is made: a URL to download it from, its size and SHA-256, and what it states of itself.

    While it is made, `Retry-After` says when to ask again.
    """
    job = jobs.get_job(call.ports, call.claims.tenant, job_id)
    export = exports.get_export(call.ports, job, export_id)
    headers = {} if export.step.unit.is_terminal else {"Retry-After": str(RETRY_SECONDS)}
    return Answer(_envelope(call, job, export), headers)


def export_request(form: export_schemas.ExportIn) -> ExportRequest:
    """What a client asked for, as the domain has it."""
    options = form.options
    return ExportRequest(
        format=form.format,
        score_min=options.score_min,
        # Their order says nothing, so it makes no other export.
        labels=tuple(sorted(set(options.labels or ()))),
        models=tuple(sorted(set(options.models or ()))),
        is_packed=options.gzip,
    )


def _envelope(call: Call, job: Job, export: Export) -> export_schemas.ExportEnvelope:
    return export_schemas.ExportEnvelope(export=export_out(export, exports.download_of(call.ports, job, export)))


def export_out(export: Export, download: Download | None) -> export_schemas.ExportOut:
    """An export; with what its worker found when it is made."""
    step = export.step
    # It is a step of a job.
    assert step.job_finished_at is not None
    known = {
        "finished_at": time_to_text(step.finished_at) if step.finished_at else None,
        "url": download.url if download else None,
        "expires_at": time_to_text(download.expires_at) if download else None,
        "error": error_out(step.unit.failure) if step.state is SideStepState.FAILED else None,
    }
    return export_schemas.ExportOut(
        export_id=export.export_id,
        format=export.parameters.request.format,
        options=_options_out(export.parameters),
        state=step.state,
        created_at=time_to_text(step.created_at),
        job_finished_at=time_to_text(step.job_finished_at),
        **(step.result or {}),
        **{name: value for name, value in known.items() if value is not None},
    )


def _options_out(parameters: ExportParameters) -> export_schemas.ExportOptionsOut:
    request = parameters.request
    asked = {
        "score_min": request.score_min,
        "labels": list(request.labels),
        "models": list(request.models),
        "track_version": parameters.tracks_version,
    }
    told = {name: value for name, value in asked.items() if value not in (None, [])}
    return export_schemas.ExportOptionsOut.model_validate({"gzip": request.is_packed, **told})
