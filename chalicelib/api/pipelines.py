"""Routes of pipelines."""

from __future__ import annotations

from chalicelib.api import pipeline_schemas, schemas
from chalicelib.api.jobs import analysis_request
from chalicelib.api.pages import listed_after, next_cursor
from chalicelib.api.present import pipeline_out
from chalicelib.api.track_schemas import tracking_parameters
from chalicelib.api.typed import Call, Routes
from chalicelib.domain.jobs import JobRequest
from chalicelib.services import pipelines

routes = Routes()


@routes.post("/pipelines", summary="Make a version of a pipeline", status=201, problems=(400, 401, 409, 413))
def make_pipeline(call: Call, body: pipeline_schemas.PipelineIn) -> pipeline_schemas.PipelineEnvelope:
    """Its models are pinned by digest now, and a version never changes.

    What does the same as the newest version makes no other one, and is answered with that.
    """
    request = pipeline_request(body)
    made = pipelines.make_pipeline(call.ports, call.claims.tenant, body.name, request, by=call.claims.subject)
    return pipeline_schemas.PipelineEnvelope(pipeline=pipeline_out(made))


@routes.get("/pipelines", summary="List pipelines by name, each in its newest version", problems=(400, 401))
def list_pipelines(call: Call, query: schemas.PageQuery) -> pipeline_schemas.PipelinesPage:
    """Pipelines of the caller's tenant."""
    after = listed_after(call, "pipelines", query.cursor)
    found = pipelines.list_pipelines(call.ports, call.claims.tenant, after, query.limit)
    cursor = next_cursor(call, "pipelines", [pipeline.name for pipeline in found], query.limit)
    return pipeline_schemas.PipelinesPage(items=[pipeline_out(one) for one in found], next_cursor=cursor)


@routes.get("/pipelines/{name}", summary="List the versions of a pipeline, newest first", problems=(400, 401, 404))
def list_pipeline_versions(call: Call, name: str, query: schemas.PageQuery) -> pipeline_schemas.PipelinesPage:
    """All that were ever made: none is changed or removed."""
    scope = f"pipeline|{name}"
    after = listed_after(call, scope, query.cursor)
    before = None if after is None else int(after)
    found = pipelines.list_versions(call.ports, call.claims.tenant, name, before, query.limit)
    cursor = next_cursor(call, scope, [str(pipeline.version) for pipeline in found], query.limit)
    return pipeline_schemas.PipelinesPage(items=[pipeline_out(one) for one in found], next_cursor=cursor)


@routes.get("/pipelines/{name}/versions/{number}", summary="Read a version of a pipeline", problems=(401, 404))
def get_pipeline(call: Call, name: str, number: str) -> pipeline_schemas.PipelineEnvelope:
    """What a job of it does."""
    found = pipelines.get_pipeline(call.ports, call.claims.tenant, name, number)
    return pipeline_schemas.PipelineEnvelope(pipeline=pipeline_out(found))


def pipeline_request(form: pipeline_schemas.PipelineIn) -> JobRequest:
    """What jobs of the pipeline are asked for."""
    return analysis_request(form, tracker=tracking_parameters(form.tracker) if form.tracker else None)
