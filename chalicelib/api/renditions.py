"""Routes of renditions."""

from __future__ import annotations

from typing import Any

from chalicelib.api import rendition_schemas, schemas
from chalicelib.api.pages import listed_after, next_cursor
from chalicelib.api.present import error_out, missing_out
from chalicelib.api.typed import Answer, Call, Routes
from chalicelib.contracts.items import missing_from_map, time_to_text
from chalicelib.domain.renditions import RenditionRequest, options_of, request_of
from chalicelib.domain.side_steps import SideStepState
from chalicelib.domain.videos import Video
from chalicelib.services import renditions, videos
from chalicelib.services.renditions import Rendition

routes = Routes()

RETRY_SECONDS = 1
RESULT_FIELDS = (
    "file_name",
    "content_type",
    "size_bytes",
    "sha256",
    "width",
    "height",
    "frames",
    "timebase",
    "first_pts",
)
"""What its worker said that is shown as it is."""


@routes.post(
    "/videos/{video_id}/renditions",
    summary="Have thumbnails of a video made, or a copy that every browser plays",
    status=202,
    problems=(400, 401, 404, 409, 413),
)
def request_rendition(
    call: Call, video_id: str, body: rendition_schemas.RenditionIn
) -> rendition_schemas.RenditionEnvelope:
    """Made by a worker. The same question again gives the same rendition, which is not made twice."""
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    return _envelope(call, video, renditions.request_rendition(call.ports, video, rendition_request(body)))


@routes.get(
    "/videos/{video_id}/renditions", summary="List the renditions of a video, oldest first", problems=(400, 401, 404)
)
def list_renditions(call: Call, video_id: str, query: schemas.PageQuery) -> rendition_schemas.RenditionsPage:
    """Every rendition that was asked for, without the text of WebVTT tracks."""
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    scope = f"renditions|{video.video_id}"
    after = listed_after(call, scope, query.cursor)
    found = renditions.list_renditions(call.ports, video)
    first = next((place + 1 for place, rendition in enumerate(found) if rendition.rendition_id == after), 0)
    page = found[first : first + query.limit]
    items = [rendition_out(call, video, rendition) for rendition in page]
    cursor = next_cursor(call, scope, [rendition.rendition_id for rendition in page], query.limit)
    return rendition_schemas.RenditionsPage(items=items, next_cursor=cursor)


@routes.get(
    "/videos/{video_id}/renditions/{rendition_id}",
    summary="Read a rendition",
    answers=rendition_schemas.RenditionEnvelope,
    problems=(401, 404),
)
def get_rendition(call: Call, video_id: str, rendition_id: str) -> Answer:
    """When it is made: a URL that plays with Range, its size and SHA-256, and what is in it.

    While it is made, `Retry-After` says when to ask again.
    """
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    rendition = renditions.get_rendition(call.ports, video, rendition_id)
    headers = {} if rendition.step.unit.is_terminal else {"Retry-After": str(RETRY_SECONDS)}
    return Answer(_envelope(call, video, rendition), headers)


def rendition_request(form: rendition_schemas.RenditionIn) -> RenditionRequest:
    """What a client asked for, as the domain has it."""
    options = form.root.model_dump()
    return request_of(options.pop("kind"), options)


def _envelope(call: Call, video: Video, rendition: Rendition) -> rendition_schemas.RenditionEnvelope:
    more = {"vtt": rendition.webvtt()}
    return rendition_schemas.RenditionEnvelope(rendition=rendition_out(call, video, rendition, **more))


def rendition_out(call: Call, video: Video, rendition: Rendition, **more: Any) -> rendition_schemas.RenditionOut:
    """A rendition; with what its worker made when it is made, and whatever `more` is known."""
    step, result = rendition.step, rendition.result
    download = renditions.download_of(call.ports, video, rendition)
    tiles = rendition.tiles()
    known: dict[str, Any] = {
        "finished_at": time_to_text(step.finished_at) if step.finished_at else None,
        "tiles": tiles and rendition_schemas.TilesOut(**tiles.to_json()),
        "missing": [missing_out(missing_from_map(gap)) for gap in result.get("missing", ())] or None,
        "url": download.url if download else None,
        "expires_at": time_to_text(download.expires_at) if download else None,
        "error": error_out(step.unit.failure) if step.state is SideStepState.FAILED else None,
        **{name: result.get(name) for name in RESULT_FIELDS},
        **more,
    }
    request = rendition.parameters.request
    return rendition_schemas.RenditionOut(
        rendition_id=rendition.rendition_id,
        kind=request.kind,
        options=rendition_schemas.RenditionOptionsOut(**options_of(request)),
        state=step.state,
        created_at=time_to_text(step.created_at),
        **{name: value for name, value in known.items() if value is not None},
    )
