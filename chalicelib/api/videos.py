"""Routes of videos and their uploads."""

from __future__ import annotations

from chalicelib.api import schemas, upload_schemas
from chalicelib.api.jobs import job_request
from chalicelib.api.pages import listed_after, next_cursor
from chalicelib.api.present import job_out, upload_out, video_out
from chalicelib.api.typed import Call, Routes
from chalicelib.contracts.items import time_to_text
from chalicelib.services import jobs, uploads, videos

routes = Routes()

DEFAULT_CONTENT_TYPE = "application/octet-stream"
"""What the client declares is pinned in the ticket, and never trusted: the probe looks at the bytes."""


@routes.post("/videos", summary="Announce a video and get an upload ticket", status=201, problems=(400, 401, 409, 413))
def create_video(call: Call, body: schemas.VideoIn) -> schemas.VideoCreatedOut:
    """A ticket says how to send the bytes: one POST form, or parts to have signed.

    With `analyze`, a job waits for the upload.
    """
    ports, tenant = call.ports, call.claims.tenant
    request = job_request(call, body.analyze) if body.analyze else None
    if request is not None:
        # Before anything is recorded: a request with an unknown model must leave no video behind.
        jobs.resolve_models(ports, tenant, request)
    created: dict[str, object] = {}
    if body.source is not None:
        video = uploads.import_video(ports, tenant, body.source.s3_uri)
    else:
        new = uploads.NewVideo(
            body.filename or "", body.size_bytes or 0, body.content_type or DEFAULT_CONTENT_TYPE, body.sha256 or ""
        )
        video, ticket = uploads.create_video(ports, tenant, new)
        created["upload"] = upload_out(ticket)
    if request is not None:
        job = jobs.start_job(ports, video, request)
        created["job"] = job_out(job, jobs.get_progress(ports, job))
    if body.source is not None:
        uploads.advance_imported(ports, video)
    return schemas.VideoCreatedOut.model_validate({"video": video_out(video), **created})


@routes.get("/videos", summary="List videos, newest first", problems=(400, 401))
def list_videos(call: Call, query: schemas.PageQuery) -> schemas.VideosPage:
    """Videos of the caller's tenant."""
    after = listed_after(call, "videos", query.cursor)
    found = videos.list_videos(call.ports, call.claims.tenant, after, query.limit)
    cursor = next_cursor(call, "videos", [video.video_id for video in found], query.limit)
    return schemas.VideosPage(items=[video_out(video) for video in found], next_cursor=cursor)


@routes.get("/videos/{video_id}", summary="Read a video", problems=(401, 404))
def get_video(call: Call, video_id: str) -> schemas.VideoEnvelope:
    """Its state, the facts of the probe, and why it was rejected, if it was."""
    return schemas.VideoEnvelope(video=video_out(videos.get_video(call.ports, call.claims.tenant, video_id)))


@routes.delete("/videos/{video_id}", summary="Delete a video", status=204, problems=(401, 404))
def delete_video(call: Call, video_id: str) -> None:
    """Its bytes, its jobs and their results are gone at once."""
    videos.delete_video(call.ports, videos.get_video(call.ports, call.claims.tenant, video_id))


@routes.get("/videos/{video_id}/source", summary="Get a URL that plays the video", problems=(401, 404, 409))
def get_source(call: Call, video_id: str) -> schemas.SourceOut:
    """A presigned GET of exactly the bytes that are analysed; it honours Range."""
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    url, expires_at = videos.source_url(call.ports, video)
    return schemas.SourceOut(url=url, expires_at=time_to_text(expires_at))


@routes.post("/videos/{video_id}/upload/parts", summary="Have parts of an upload signed", problems=(400, 401, 404, 409))
def sign_parts(call: Call, video_id: str, body: upload_schemas.PartsIn) -> upload_schemas.PartsOut:
    """PUT each part's bytes to its URL with exactly its headers; ask again when a URL has expired."""
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    signed = uploads.sign_parts(call.ports, video, body.part_numbers, body.sha256_by_part or {})
    items = [
        upload_schemas.PartOut(part_number=part.part_number, url=part.url, headers=part.headers) for part in signed
    ]
    return upload_schemas.PartsOut(items=items)


@routes.get("/videos/{video_id}/upload/parts", summary="List the parts that S3 has", problems=(401, 404, 409))
def list_parts(call: Call, video_id: str) -> upload_schemas.StoredPartsOut:
    """For resuming an upload."""
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    items = [
        upload_schemas.StoredPartOut(part_number=part.part_number, etag=part.etag, size_bytes=part.size_bytes)
        for part in uploads.list_parts(call.ports, video)
    ]
    return upload_schemas.StoredPartsOut(items=items, next_cursor=None)


@routes.post("/videos/{video_id}/upload/complete", summary="Complete an upload in parts", problems=(400, 401, 404, 409))
def complete_upload(call: Call, video_id: str, body: upload_schemas.CompleteIn) -> schemas.VideoEnvelope:
    """Makes the object of its parts and accepts it; a wrong total size ends the video as SIZE_MISMATCH."""
    video = videos.get_video(call.ports, call.claims.tenant, video_id)
    parts = [(part.part_number, part.etag) for part in body.parts]
    return schemas.VideoEnvelope(video=video_out(uploads.complete_upload(call.ports, video, parts)))


@routes.delete("/videos/{video_id}/upload", summary="Give an upload up", status=204, problems=(401, 404, 409))
def abort_upload(call: Call, video_id: str) -> None:
    """The parts are dropped, and the video ends as UPLOAD_EXPIRED."""
    uploads.abort_upload(call.ports, videos.get_video(call.ports, call.claims.tenant, video_id))
