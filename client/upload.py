"""Sending a file as its upload ticket says: one form straight to S3, or signed parts, several at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from client.service import Json, Service, ServiceError

PARALLEL_PARTS = 4

SIGNED_AT_ONCE = 16
"""Few enough that the last URL of a batch has not expired when its turn comes."""

PART_TRIES = 3

# A part may be hundreds of megabytes on a slow line: only silence counts as failure.
TIMEOUT = httpx.Timeout(60.0, write=300.0)

Progress = Callable[[int], None]
"""Called with the number of bytes that have arrived so far."""


def send_file(service: Service, video_id: str, ticket: Json, path: Path, report: Progress) -> None:
    """Send the bytes of `path` to S3 as `ticket` says; returns when S3 has all of them.

    Raises:
        ServiceError: S3 or the service refused, with the reason.
    """
    # Not the service's connection: S3 must not see the token.
    with httpx.Client(timeout=TIMEOUT) as s3:
        if ticket["kind"] == "post":
            _post_form(s3, ticket, path)
        else:
            parts = _put_parts(s3, service, video_id, ticket, path, report)
            service.complete_upload(video_id, parts)
    report(path.stat().st_size)


def _post_form(s3: httpx.Client, ticket: Json, path: Path) -> None:
    with path.open("rb") as file:
        # httpx sends the fields before the file, as S3 asks: it ignores fields that come after.
        response = _answered(lambda: s3.post(ticket["url"], data=ticket["fields"], files={"file": (path.name, file)}))
    _check(response)


def _put_parts(
    s3: httpx.Client, service: Service, video_id: str, ticket: Json, path: Path, report: Progress
) -> list[Json]:
    size_bytes = path.stat().st_size
    part_size_bytes, part_count = ticket["part_size_bytes"], ticket["part_count"]
    sent: list[Json] = []

    def put(part: Json) -> Json:
        offset = (part["part_number"] - 1) * part_size_bytes
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(part_size_bytes)
        return {"part_number": part["part_number"], "etag": _put_part(s3, part, content)}

    with ThreadPoolExecutor(PARALLEL_PARTS) as pool:
        for first in range(1, part_count + 1, SIGNED_AT_ONCE):
            numbers = list(range(first, min(first + SIGNED_AT_ONCE, part_count + 1)))
            for part in pool.map(put, service.sign_parts(video_id, numbers)):
                sent.append(part)
                report(min(len(sent) * part_size_bytes, size_bytes))
    return sent


def _put_part(s3: httpx.Client, part: Json, content: bytes) -> str:
    """The part's ETag. Whatever went wrong, a part may be sent again: S3 keeps the last."""
    for _ in range(PART_TRIES - 1):
        try:
            return _put_once(s3, part, content)
        except ServiceError:
            continue
    return _put_once(s3, part, content)


def _put_once(s3: httpx.Client, part: Json, content: bytes) -> str:
    response = _answered(lambda: s3.put(part["url"], content=content, headers=part["headers"]))
    _check(response)
    etag: str = response.headers["ETag"]
    return etag


def _answered(send: Callable[[], httpx.Response]) -> httpx.Response:
    try:
        return send()
    except httpx.TransportError as error:
        raise ServiceError(
            "UPLOAD_FAILED",
            "The upload broke off",
            f"S3 does not answer: {error}",
            "Run it again; each run gets a new ticket",
        ) from error


def _check(response: httpx.Response) -> None:
    """Read S3's refusal, which is XML with a code and a message."""
    if not response.is_error:
        return
    code = re.search("<Code>(.*?)</Code>", response.text)
    message = re.search("<Message>(.*?)</Message>", response.text)
    raise ServiceError(
        code[1] if code else f"HTTP {response.status_code}",
        "S3 refused the upload",
        message[1] if message else response.text[:300],
        "Ask for a new ticket: this one may have expired, or the file changed since it was made",
    )
