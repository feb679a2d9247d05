"""Examples for the API's description: what goes in and out, and every way to say no.

`examples.json` was answered by the app itself (tests/api/record_examples.py); a test records it anew and compares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.domain.errors import ErrorCode, Failure

FILE = Path(__file__).parent / "examples.json"
JOB = "job_01JD8GQ0M5X2R7T4V9W3Y6Z1AB"
FAILURES_BY_STATUS: Mapping[int, tuple[Failure, ...]] = {
    400: (
        Failure(
            ErrorCode.INVALID_REQUEST,
            "size_bytes: Input should be greater than or equal to 0",
            "Correct the request and send it again",
        ),
    ),
    401: (
        Failure(
            ErrorCode.UNAUTHENTICATED,
            "the request has no bearer token",
            "Send a current access token as `Authorization: Bearer <token>`",
        ),
    ),
    403: (
        Failure(
            ErrorCode.FORBIDDEN,
            "the access token must have the scope reelscan/budget to set the budget",
            "Ask an administrator of the tenant for the scope that is missing",
        ),
    ),
    404: (Failure(ErrorCode.NOT_FOUND, f"there is no job {JOB}", "Check the id"),),
    409: (
        Failure(ErrorCode.CONFLICT, f"job {JOB} has ended: it is SUCCEEDED", "Read the resource again"),
        Failure(
            ErrorCode.IDEMPOTENCY_MISMATCH,
            "the key upload-42 was used with another request",
            "Use a new key for a new request",
        ),
    ),
    413: (
        Failure(ErrorCode.LIMIT_EXCEEDED, "a video may have 214748364800 bytes but more were declared", "Ask for less"),
    ),
    503: (Failure(ErrorCode.INTERNAL, "reading an item failed: ThrottlingException", "Try again in a moment"),),
}
FAILURES_AT_REST: tuple[Failure, ...] = (
    Failure(
        ErrorCode.UPLOAD_EXPIRED, "nothing was uploaded until 2026-11-26T13:15:00.000Z", "Announce the video again"
    ),
    Failure(
        ErrorCode.SIZE_MISMATCH, "100 bytes were declared but 99 came", "Declare the size of the file that is sent"
    ),
    Failure(ErrorCode.CHECKSUM_MISMATCH, "the SHA-256 of the bytes is another one", "Send the file again"),
    Failure(ErrorCode.EMPTY_FILE, "the object has no bytes", "Send the file again"),
    Failure(ErrorCode.FORMAT_NOT_ALLOWED, "the file begins like a PNG image", "Send MP4, MOV, MKV, WebM, TS or AVI"),
    Failure(ErrorCode.MALFORMED, "the movie box ends after 12 of 4096 bytes", "Export the video anew"),
    Failure(ErrorCode.NO_VIDEO_STREAM, "the file has one stream, of sound", "Send a file with pictures"),
    Failure(ErrorCode.UNSUPPORTED_CODEC, "the video is coded as prores", "Convert it to H.264"),
    Failure(ErrorCode.ENCRYPTED, "the samples are encrypted (cenc)", "Send it without encryption"),
    Failure(ErrorCode.RESOURCE_LIMIT, "a frame has 268435456 pixels, more than 35389440", "Scale the video down"),
    Failure(ErrorCode.DAMAGED_RANGES, "12 of 250 frames could not be decoded", "Send an undamaged copy"),
    Failure(ErrorCode.SOURCE_CHANGED, "the object has another version than the one accepted", "Import it again"),
    Failure(ErrorCode.SOURCE_GONE, "the object is not in the bucket any more", "Send the video again"),
    Failure(ErrorCode.MODEL_INVALID, "input `frames` must be uint8 but is float32", "Compile the model again"),
    Failure(ErrorCode.MODEL_TIMEOUT, "one frame took longer than 60 s", "Use a smaller input shape"),
    Failure(ErrorCode.NO_CAPACITY, "no machine came within 3600 s", "Retry the job later"),
    Failure(ErrorCode.TIMEOUT, "the job did not end within 86400 s", "Ask for fewer frames"),
    Failure(ErrorCode.ATTEMPTS_EXHAUSTED, "segment 3 failed three times", "Retry the job, which does only that"),
    Failure(ErrorCode.CANCELLED, "the job was cancelled by a request", "Start another job"),
)
"""Of videos, jobs, segments, models and campaigns: codes that no request is answered with."""


@cache
def examples() -> Mapping[str, Mapping[str, Any]]:
    """By the name of a route: `path`, `body` and `answers` by status."""
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found
