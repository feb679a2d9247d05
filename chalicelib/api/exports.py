"""Routes of exports."""

from __future__ import annotations

from chalice.app import Blueprint

from chalicelib.api import schemas
from chalicelib.api.pages import listed_after, next_cursor
from chalicelib.api.present import export_out
from chalicelib.api.typed import Answer, Call, Routes
from chalicelib.domain.exports import ExportRequest
from chalicelib.domain.jobs import Job
from chalicelib.services import exports, jobs

exports_blueprint = Blueprint(__name__)
routes = Routes(exports_blueprint)

RETRY_SECONDS = 1


@routes.post("/jobs/{job_id}/exports", summary="Export a job's results", status=202, problems=(400, 401, 404, 409))
def request_export(call: Call, job_id: str, body: schemas.ExportIn) -> schemas.ExportEnvelope:
    """Made by a worker. The same question again gives the same export, which is not made twice."""
    job = jobs.get_job(call.ports, call.claims.tenant, job_id)
    return _envelope(call, job, exports.request_export(call.ports, job, export_request(body)))


@routes.get("/jobs/{job_id}/exports", summary="List the exports of a job, oldest first", problems=(400, 401, 404))
def list_exports(call: Call, job_id: str, query: schemas.PageQuery) -> schemas.ExportsPage:
    """Every export that was asked for."""
    job = jobs.get_job(call.ports, call.claims.tenant, job_id)
    scope = f"exports|{job.job_id}"
    after = listed_after(call, scope, query.cursor)
    found = exports.list_exports(call.ports, job)
    first = next((place + 1 for place, export in enumerate(found) if export.export_id == after), 0)
    page = found[first : first + query.limit]
    items = [export_out(export, exports.download_of(call.ports, job, export)) for export in page]
    cursor = next_cursor(call, scope, [export.export_id for export in page], query.limit)
    return schemas.ExportsPage(items=items, next_cursor=cursor)


@routes.get(
    "/jobs/{job_id}/exports/{export_id}",
    summary="Read an export",
    answers=schemas.ExportEnvelope,
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


def export_request(form: schemas.ExportIn) -> ExportRequest:
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


def _envelope(call: Call, job: Job, export: exports.Export) -> schemas.ExportEnvelope:
    return schemas.ExportEnvelope(export=export_out(export, exports.download_of(call.ports, job, export)))
