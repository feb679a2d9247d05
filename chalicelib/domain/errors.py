"""Every way in which reelscan says no: one code per cause, the same in API, job, CLI and worker exit.

`DomainError` is raised where a rule is broken and translated once at the edge: by `api/problems.py` into an RFC 9457
problem, by `gpu_batch/main.py` into an exit code. `Failure` is the same fact at rest, in a VIDEO, JOB or SEGMENT item.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErrorCode(StrEnum):
    """The causes that a client can meet; each has a page in `docs/errors.md`."""

    INVALID_REQUEST = "INVALID_REQUEST"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    UPLOAD_EXPIRED = "UPLOAD_EXPIRED"
    SIZE_MISMATCH = "SIZE_MISMATCH"
    CHECKSUM_MISMATCH = "CHECKSUM_MISMATCH"
    EMPTY_FILE = "EMPTY_FILE"
    FORMAT_NOT_ALLOWED = "FORMAT_NOT_ALLOWED"
    MALFORMED = "MALFORMED"
    NO_VIDEO_STREAM = "NO_VIDEO_STREAM"
    UNSUPPORTED_CODEC = "UNSUPPORTED_CODEC"
    ENCRYPTED = "ENCRYPTED"
    RESOURCE_LIMIT = "RESOURCE_LIMIT"
    DAMAGED_RANGES = "DAMAGED_RANGES"
    SOURCE_CHANGED = "SOURCE_CHANGED"
    SOURCE_GONE = "SOURCE_GONE"
    MODEL_INVALID = "MODEL_INVALID"
    MODEL_TIMEOUT = "MODEL_TIMEOUT"
    NO_CAPACITY = "NO_CAPACITY"
    TIMEOUT = "TIMEOUT"
    ATTEMPTS_EXHAUSTED = "ATTEMPTS_EXHAUSTED"
    CANCELLED = "CANCELLED"
    INTERNAL = "INTERNAL"


TITLE_BY_CODE: dict[ErrorCode, str] = {
    ErrorCode.INVALID_REQUEST: "The request is not valid",
    ErrorCode.UNAUTHENTICATED: "A valid access token is required",
    ErrorCode.FORBIDDEN: "The access token does not allow this",
    ErrorCode.NOT_FOUND: "There is no such thing here",
    ErrorCode.CONFLICT: "The state of the resource does not allow this",
    ErrorCode.IDEMPOTENCY_MISMATCH: "The idempotency key was used with another request",
    ErrorCode.LIMIT_EXCEEDED: "A limit of this deployment is exceeded",
    ErrorCode.UPLOAD_EXPIRED: "The upload did not arrive in time",
    ErrorCode.SIZE_MISMATCH: "The uploaded size is not the declared size",
    ErrorCode.CHECKSUM_MISMATCH: "The uploaded bytes do not have the declared checksum",
    ErrorCode.EMPTY_FILE: "The file is empty",
    ErrorCode.FORMAT_NOT_ALLOWED: "The file is not in a video container that is accepted",
    ErrorCode.MALFORMED: "The container cannot be read",
    ErrorCode.NO_VIDEO_STREAM: "The file has no video stream",
    ErrorCode.UNSUPPORTED_CODEC: "The video codec is not supported",
    ErrorCode.ENCRYPTED: "The video is encrypted",
    ErrorCode.RESOURCE_LIMIT: "The file asks for more than a worker may use",
    ErrorCode.DAMAGED_RANGES: "Parts of the video are damaged and were left out",
    ErrorCode.SOURCE_CHANGED: "The source object changed after it was accepted",
    ErrorCode.SOURCE_GONE: "The source object is gone",
    ErrorCode.MODEL_INVALID: "The model cannot be used",
    ErrorCode.MODEL_TIMEOUT: "The model took too long on one frame",
    ErrorCode.NO_CAPACITY: "No machine could be had in time",
    ErrorCode.TIMEOUT: "The job did not end in time",
    ErrorCode.ATTEMPTS_EXHAUSTED: "Every attempt at a part of the job failed",
    ErrorCode.CANCELLED: "The job was cancelled",
    ErrorCode.INTERNAL: "Something went wrong inside the service",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something ended badly, as stored in an item and shown to the client."""

    code: ErrorCode
    detail: str
    """The cause, in one sentence, with what was expected and what came."""
    hint: str
    """What the person who reads it can do."""

    @property
    def title(self) -> str:
        """The same words for every failure of this code."""
        return TITLE_BY_CODE[self.code]


class DomainError(Exception):
    """A rule was broken. `failure` is safe to show to the caller."""

    code = ErrorCode.INTERNAL
    default_hint = "Try again; if it happens again, report it with the id of the request"

    def __init__(self, detail: str, *, hint: str | None = None, code: ErrorCode | None = None) -> None:
        super().__init__(detail)
        self.failure = Failure(code or self.code, detail, hint or self.default_hint)


class InvalidRequest(DomainError):
    """The caller can fix it: HTTP 400."""

    code = ErrorCode.INVALID_REQUEST
    default_hint = "Correct the request and send it again"


class Unauthenticated(DomainError):
    """No token, or one that does not verify: HTTP 401."""

    code = ErrorCode.UNAUTHENTICATED
    default_hint = "Send a current access token as `Authorization: Bearer <token>`"


class Forbidden(DomainError):
    """The token is good, but not for this: HTTP 403."""

    code = ErrorCode.FORBIDDEN
    default_hint = "Ask an administrator of the tenant for the scope that is missing"


class NotFound(DomainError):
    """There is no such thing, or it belongs to another tenant: HTTP 404."""

    code = ErrorCode.NOT_FOUND
    default_hint = "Check the id; things of other tenants answer like things that never were"


class Conflict(DomainError):
    """The state of the thing does not allow it: HTTP 409."""

    code = ErrorCode.CONFLICT
    default_hint = "Read the resource again and decide from its present state"


class IdempotencyMismatch(Conflict):
    """The same `Idempotency-Key` came with another request: HTTP 409."""

    code = ErrorCode.IDEMPOTENCY_MISMATCH
    default_hint = "Use a new key for a new request"


class LimitExceeded(DomainError):
    """A size, quota or budget does not allow it: HTTP 413 or 429."""

    code = ErrorCode.LIMIT_EXCEEDED
    default_hint = "Ask for less, or have the limit raised"


class DependencyFailed(DomainError):
    """AWS said no, and it is safe to try again: HTTP 503. Raised by adapters only."""

    default_hint = "Try again in a moment"
