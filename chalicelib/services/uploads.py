"""From upload ticket to accepted video.

The bytes go from the client straight to S3; this is what is said before and checked after.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from aws_lambda_powertools import Logger

from chalicelib.contracts import object_keys
from chalicelib.domain.errors import Conflict, DependencyFailed, ErrorCode, Failure, InvalidRequest, LimitExceeded
from chalicelib.domain.ids import TenantId, VideoId
from chalicelib.domain.videos import Source, Upload, UploadKind, Video, VideoState
from chalicelib.services.advance import advance_video, due_after, reject_video
from chalicelib.services.object_port import SignedPart, UploadedPart
from chalicelib.services.ports import Ports, VersionConflict
from chalicelib.services.tickets import (
    AGAIN_HINT,
    UploadTicket,
    empty_file,
    make_ticket,
    next_check,
    open_post,
    pin,
    settle_upload,
)

logger = Logger(service="reelscan", child=True)

MIN_PART_BYTES = 8 << 20
MAX_PARTS = 10_000
"""Source: S3 multipart upload limits; parts but the last must be 5 MiB or more."""
MULTIPART_SECONDS = 24 * 3600
"""Parts of an upload that is not completed by then are dropped; matches the bucket's abort rule of one day."""
ANY_BUCKET = "*"
"""Leaves it to the role of the functions which buckets may be read."""
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""Source: S3's rules for names of buckets, but for those that only S3 itself needs to know."""


@dataclass(frozen=True, slots=True)
class NewVideo:
    """What a client says of a file that it is about to upload."""

    filename: str
    size_bytes: int
    content_type: str
    sha256: str = ""
    """Hex; empty when not known."""


def create_video(ports: Ports, tenant: TenantId, new: NewVideo) -> tuple[Video, UploadTicket]:
    """Record a video that awaits its bytes, and say how to send them.

    Raises:
        LimitExceeded: larger than this deployment takes.
    """
    if new.size_bytes > ports.limits.max_upload_bytes:
        allowed = ports.limits.max_upload_bytes
        raise LimitExceeded(f"a video may have {allowed} bytes but {new.size_bytes} were declared")
    video_id = VideoId(ports.ids.make("vid"))
    key = object_keys.source_key(tenant, video_id)
    upload = _start_upload(ports, key, new)
    now = ports.clock.now()
    video = Video(
        tenant=tenant,
        video_id=video_id,
        filename=new.filename,
        state=VideoState.AWAITING_UPLOAD,
        created_at=now,
        content_type=new.content_type,
        upload=upload,
        source=Source(ports.bucket, key, new.size_bytes),
        sha256=new.sha256,
    )
    ports.videos.add(video, next_check(ports, upload))
    logger.info("video created", video_id=video_id, size_bytes=new.size_bytes, upload=upload.kind)
    return video, ticket_of(ports, video)


def ticket_of(ports: Ports, video: Video) -> UploadTicket:
    """The ticket of a video that awaits its bytes; a fresh one, when it is asked for again."""
    return make_ticket(ports, video.upload, video.source, content_type=video.content_type, sha256=video.sha256)


def import_video(ports: Ports, tenant: TenantId, s3_uri: str) -> Video:
    """Take in an object that already lies in a bucket that this deployment may read.

    Raises:
        InvalidRequest: not an s3 URI, or a bucket that imports are not allowed from.
        Conflict: there is no such object, or it may not be read.
    """
    bucket, _, key = s3_uri.removeprefix("s3://").partition("/")
    if not s3_uri.startswith("s3://") or not BUCKET_NAME.fullmatch(bucket) or not key:
        raise InvalidRequest(f"source.s3_uri must be s3://bucket/key but got {s3_uri!r}")
    if not _may_import(ports, tenant, bucket, key):
        raise InvalidRequest(
            f"imports from bucket {bucket} are not allowed",
            hint="Have an operator add the bucket to the deployment's import buckets, or upload the file",
        )
    found = ports.objects.head(bucket, key)
    if found is None:
        raise InvalidRequest(f"{s3_uri} does not exist or may not be read", hint="Check the URI and the bucket policy")
    now = ports.clock.now()
    video = Video(
        tenant=tenant,
        video_id=VideoId(ports.ids.make("vid")),
        filename=key.rpartition("/")[2],
        state=VideoState.UPLOADED,
        created_at=now,
        content_type="",
        upload=Upload(UploadKind.IMPORT, now),
        source=pin(Source(bucket, key, found.size_bytes), found),
    )
    if found.size_bytes == 0:
        video = replace(video, state=VideoState.REJECTED, failure=empty_file())
    ports.videos.add(video, due_after(ports) if video.failure is None else None)
    logger.info("video imported", video_id=video.video_id, size_bytes=found.size_bytes)
    return video


def advance_imported(ports: Ports, video: Video) -> None:
    """Send the probe of an imported video; when that cannot be done now, the reconciler does it later."""
    try:
        advance_video(ports, video.tenant, video.video_id)
    except DependencyFailed as error:
        logger.warning("probe starts later", video_id=video.video_id, detail=error.failure.detail)


def accept_upload(ports: Ports, bucket: str, key: str) -> None:
    """An object was created: if a video awaits it, pin it and go on; anything else is none of our business.

    Safe to repeat, and safe when the event is late: a video that was accepted already stays as it is.
    """
    names = object_keys.parse_source_key(key)
    if bucket != ports.bucket or names is None:
        return
    video = ports.videos.get(TenantId(names[0]), VideoId(names[1]))
    if video is None:
        logger.info("object without a video", key=key)
        return
    if video.state is VideoState.AWAITING_UPLOAD:
        check_upload(ports, video)
    advance_video(ports, video.tenant, video.video_id)


def check_upload(ports: Ports, video: Video) -> None:
    """Look for the bytes of a video that awaits them: accept or reject them, or end a wait that lasted too long."""
    try:
        settle_upload(
            ports,
            video.upload,
            video.source,
            sha256=video.sha256,
            accept=lambda source: _accept(ports, video, source),
            reject=lambda failure: reject_video(ports, video, failure),
        )
    except VersionConflict:
        # Another event got there first; what it decided stands.
        logger.info("upload was settled by another event", video_id=video.video_id)


def sign_parts(
    ports: Ports, video: Video, part_numbers: Sequence[int], sha256_by_part: dict[int, str]
) -> Sequence[SignedPart]:
    """Presigned PUTs, each of exactly the size that its part must have.

    Raises:
        Conflict: not a multipart upload that is under way.
        InvalidRequest: a part number that the upload does not have.
    """
    upload = _open_multipart(video)
    wrong = [number for number in part_numbers if not 1 <= number <= upload.part_count]
    if wrong:
        raise InvalidRequest(f"part_numbers must be from 1 to {upload.part_count} but got {wrong}")
    return [
        ports.objects.presign_part(
            video.source.key,
            upload.upload_id,
            number,
            size_bytes=part_size(video, number),
            sha256=sha256_by_part.get(number, ""),
            seconds=ports.limits.ticket_seconds,
        )
        for number in part_numbers
    ]


def list_parts(ports: Ports, video: Video) -> Sequence[UploadedPart]:
    """The parts that S3 has.

    Raises:
        Conflict: not a multipart upload that is under way.
    """
    return ports.objects.list_parts(video.source.key, _open_multipart(video).upload_id)


def complete_upload(ports: Ports, video: Video, parts: Sequence[tuple[int, str]]) -> Video:
    """Make the object of its parts and accept it; the video as it is then. Repeating a complete that worked is fine.

    Raises:
        Conflict: not a multipart upload.
        InvalidRequest: S3 does not have these parts.
    """
    if video.upload.kind is UploadKind.MULTIPART and video.state is not VideoState.AWAITING_UPLOAD:
        return video
    source = video.source
    try:
        ports.objects.complete_multipart(source.key, _open_multipart(video).upload_id, parts)
    except InvalidRequest:
        # S3 forgets an upload that it completed, so a repeated request, whose first answer was lost, ends up here.
        if ports.objects.head(source.bucket, source.key) is None:
            raise
    accept_upload(ports, video.source.bucket, video.source.key)
    return ports.videos.get(video.tenant, video.video_id) or video


def abort_upload(ports: Ports, video: Video) -> None:
    """Give the upload up; the video ends as UPLOAD_EXPIRED.

    Raises:
        Conflict: the upload is over already.
    """
    if video.state is not VideoState.AWAITING_UPLOAD:
        raise Conflict(f"the upload of video {video.video_id} is over: the video is {video.state}")
    if video.upload.upload_id:
        ports.objects.abort_multipart(video.source.key, video.upload.upload_id)
    failure = Failure(ErrorCode.UPLOAD_EXPIRED, "the client gave the upload up", AGAIN_HINT)
    reject_video(ports, video, failure)


def part_size(video: Video, part_number: int) -> int:
    """Bytes that this part must have: all alike, but for the last."""
    if part_number < video.upload.part_count:
        return video.upload.part_size_bytes
    return video.source.size_bytes - video.upload.part_size_bytes * (video.upload.part_count - 1)


def _start_upload(ports: Ports, key: str, new: NewVideo) -> Upload:
    if new.size_bytes < ports.limits.multipart_threshold_bytes:
        return open_post(ports)
    part_bytes = max(MIN_PART_BYTES, -(-new.size_bytes // MAX_PARTS))
    return Upload(
        UploadKind.MULTIPART,
        ports.clock.now() + timedelta(seconds=MULTIPART_SECONDS),
        ports.objects.create_multipart(key, new.content_type),
        part_bytes,
        -(-new.size_bytes // part_bytes),
    )


def _open_multipart(video: Video) -> Upload:
    if video.upload.kind is not UploadKind.MULTIPART or video.state is not VideoState.AWAITING_UPLOAD:
        raise Conflict(f"video {video.video_id} has no multipart upload under way: it is {video.state}")
    return video.upload


def _accept(ports: Ports, video: Video, source: Source) -> None:
    ports.videos.save(replace(video, state=VideoState.UPLOADED, source=source), due_after(ports))
    logger.info("upload accepted", video_id=video.video_id, size_bytes=source.size_bytes)


def _may_import(ports: Ports, tenant: TenantId, bucket: str, key: str) -> bool:
    """Allowed buckets only; of our own bucket, a tenant may take what is its own."""
    if bucket == ports.bucket:
        return key.startswith(f"tenants/{tenant}/")
    return bucket in ports.limits.import_buckets or ANY_BUCKET in ports.limits.import_buckets
