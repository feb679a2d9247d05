"""What is said before an upload and checked after it, whatever is uploaded: videos and models.

The bytes go from the client straight to S3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.domain.errors import ErrorCode, Failure
from chalicelib.domain.videos import Source, Upload, UploadKind
from chalicelib.services.object_port import PostForm, StoredObject
from chalicelib.services.ports import Ports

UPLOAD_CHECK_SECONDS = 300
AGAIN_HINT = "Ask for a new ticket and upload again"
SIZE_HINT = "Upload a file of the size that the ticket was asked for, or ask for a new ticket"


@dataclass(frozen=True, slots=True)
class UploadTicket:
    """How to send the bytes: a form for one POST, or a number of parts to have signed."""

    kind: UploadKind
    expires_at: datetime
    form: PostForm | None = None
    part_size_bytes: int = 0
    part_count: int = 0


def open_post(ports: Ports) -> Upload:
    """An upload by one form, which is waited for from now on."""
    return Upload(UploadKind.POST, ports.clock.now() + timedelta(seconds=ports.limits.upload_seconds))


def make_ticket(ports: Ports, upload: Upload, source: Source, *, content_type: str, sha256: str) -> UploadTicket:
    """The ticket of an upload that is awaited; a fresh one, when it is asked for again."""
    if upload.kind is UploadKind.MULTIPART:
        return UploadTicket(upload.kind, upload.expires_at, None, upload.part_size_bytes, upload.part_count)
    form = ports.objects.presign_post(
        source.key,
        size_bytes=source.size_bytes,
        content_type=content_type,
        sha256=sha256,
        seconds=ports.limits.ticket_seconds,
    )
    return UploadTicket(upload.kind, ports.clock.now() + timedelta(seconds=ports.limits.ticket_seconds), form)


def next_check(ports: Ports, upload: Upload) -> datetime:
    """When to look for bytes whose event may have been lost; at the latest when the wait ends."""
    return min(ports.clock.now() + timedelta(seconds=UPLOAD_CHECK_SECONDS), upload.expires_at)


def settle_upload(
    ports: Ports,
    upload: Upload,
    source: Source,
    *,
    sha256: str,
    accept: Callable[[Source], None],
    reject: Callable[[Failure], None],
) -> None:
    """Look for the bytes that are awaited: accept them, pinned, or reject them, or end a wait that lasted too long."""
    found = ports.objects.head(source.bucket, source.key)
    if found is None:
        if ports.clock.now() >= upload.expires_at:
            detail = f"no upload of {source.size_bytes} bytes arrived by {upload.expires_at.isoformat()}"
            reject(Failure(ErrorCode.UPLOAD_EXPIRED, detail, AGAIN_HINT))
    elif found.size_bytes == 0:
        reject(empty_file())
    elif found.size_bytes != source.size_bytes:
        detail = f"{source.size_bytes} bytes were declared but {found.size_bytes} arrived"
        reject(Failure(ErrorCode.SIZE_MISMATCH, detail, SIZE_HINT))
    elif found.sha256 and sha256 and found.sha256 != sha256:
        detail = f"the declared SHA-256 is {sha256} but the bytes have {found.sha256}"
        reject(Failure(ErrorCode.CHECKSUM_MISMATCH, detail, "Upload the file again"))
    else:
        accept(pin(source, found))


def pin(source: Source, found: StoredObject) -> Source:
    """The source, fixed to the bytes that are there now."""
    digest = found.sha256 or hashlib.sha256(f"{found.etag}|{found.size_bytes}".encode()).hexdigest()
    return replace(
        source, size_bytes=found.size_bytes, etag=found.etag, version_id=found.version_id, content_digest=digest
    )


def empty_file() -> Failure:
    """Why a file without bytes is rejected."""
    return Failure(ErrorCode.EMPTY_FILE, "the file has no bytes", "Check the file on your side, then upload it again")
