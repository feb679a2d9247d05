"""Every way in which the service, the network or a file says no.

    ReelscanError                    anything that this package raises on purpose: `detail`, `hint`
    ├── ServiceUnreachable           no answer from the service, however often it was asked
    ├── UnexpectedAnswer             an answer that no reelscan service gives: is it the right base URL?
    ├── StorageRefused               S3 refused bytes, or gave others than it should
    ├── FileChanged                  the file changed while it was sent
    ├── WaitTimeout                  what was waited for takes longer than the wait
    ├── WebhookRejected              a webhook that is not from the service, or old
    └── Problem                      the service refused: `code`, `title`, `status`; a newer code is this class
        ├── InvalidRequest           INVALID_REQUEST
        ├── Unauthenticated          UNAUTHENTICATED
        ├── Forbidden                FORBIDDEN
        ├── NotFound                 NOT_FOUND
        ├── Conflict                 CONFLICT
        │   └── IdempotencyMismatch  IDEMPOTENCY_MISMATCH
        ├── LimitExceeded            LIMIT_EXCEEDED
        ├── UploadExpired            UPLOAD_EXPIRED
        ├── SizeMismatch             SIZE_MISMATCH
        ├── ChecksumMismatch         CHECKSUM_MISMATCH
        ├── EmptyFile                EMPTY_FILE
        ├── FormatNotAllowed         FORMAT_NOT_ALLOWED
        ├── Malformed                MALFORMED
        ├── NoVideoStream            NO_VIDEO_STREAM
        ├── UnsupportedCodec         UNSUPPORTED_CODEC
        ├── Encrypted                ENCRYPTED
        ├── ResourceLimit            RESOURCE_LIMIT
        ├── DamagedRanges            DAMAGED_RANGES
        ├── SourceChanged            SOURCE_CHANGED
        ├── SourceGone               SOURCE_GONE
        ├── ModelInvalid             MODEL_INVALID
        ├── ModelTimeout             MODEL_TIMEOUT
        ├── NoCapacity               NO_CAPACITY
        ├── JobTimeout               TIMEOUT
        ├── AttemptsExhausted        ATTEMPTS_EXHAUSTED
        ├── Cancelled                CANCELLED
        └── Internal                 INTERNAL

Half of the codes never answer a request but end a video or a job: `problem_of(job.error)` is the error of such an end.
"""

from __future__ import annotations

from typing import Any, ClassVar

from reelscan.records import Failure


class ReelscanError(Exception):
    """Anything that this package raises on purpose; `str()` of it is the cause in one sentence."""

    def __init__(self, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        """The cause: what was expected and what came."""
        self.hint = hint
        """What the person who reads it can do."""


class ServiceUnreachable(ReelscanError):
    """No answer from the service, however often it was asked."""


class UnexpectedAnswer(ReelscanError):
    """An answer that no reelscan service gives."""


class StorageRefused(ReelscanError):
    """S3 refused bytes, or gave others than it should."""

    def __init__(self, detail: str, hint: str = "", *, status: int = 0, s3_code: str = "") -> None:
        super().__init__(detail, hint)
        self.status = status
        """Of S3's answer; 0 when there was none."""
        self.s3_code = s3_code
        """S3's own word for it, such as `EntityTooLarge`; empty when it gave none."""


class FileChanged(ReelscanError):
    """The file changed while it was sent."""


class WaitTimeout(ReelscanError):
    """What was waited for takes longer than the wait; it goes on."""


class WebhookRejected(ReelscanError):
    """A webhook that is not from the service, or old."""


class Problem(ReelscanError):
    """The service refused a request, or ended a video or job; a code that this package does not know is this class."""

    code: str = ""
    """The service's word for the cause, the same in API, job, CLI and worker."""
    by_code: ClassVar[dict[str, type[Problem]]] = {}
    """The class of every code."""

    def __init__(self, detail: str, hint: str = "", *, title: str = "", status: int = 0, code: str = "") -> None:
        super().__init__(detail, hint)
        self.code = code or self.code
        self.title = title
        """The same words for every problem of this code."""
        self.status = status
        """Of the HTTP answer; 0 for the failure of a video or job."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Make the class known under its code."""
        super().__init_subclass__(**options)
        Problem.by_code[cls.code] = cls


class InvalidRequest(Problem):
    """The request is not valid; `detail` names every mistake."""

    code = "INVALID_REQUEST"


class Unauthenticated(Problem):
    """No token, or one that does not hold."""

    code = "UNAUTHENTICATED"


class Forbidden(Problem):
    """The token is good, but not for this."""

    code = "FORBIDDEN"


class NotFound(Problem):
    """There is no such thing, or it belongs to another tenant."""

    code = "NOT_FOUND"


class Conflict(Problem):
    """The state of the thing does not allow it."""

    code = "CONFLICT"


class IdempotencyMismatch(Conflict):
    """The idempotency key was used with another request."""

    code = "IDEMPOTENCY_MISMATCH"


class LimitExceeded(Problem):
    """A size, quota or budget does not allow it."""

    code = "LIMIT_EXCEEDED"


class UploadExpired(Problem):
    """The upload did not arrive in time."""

    code = "UPLOAD_EXPIRED"


class SizeMismatch(Problem):
    """The uploaded size is not the declared one."""

    code = "SIZE_MISMATCH"


class ChecksumMismatch(Problem):
    """The uploaded bytes do not have the declared checksum."""

    code = "CHECKSUM_MISMATCH"


class EmptyFile(Problem):
    """The file has no bytes."""

    code = "EMPTY_FILE"


class FormatNotAllowed(Problem):
    """The file is not in a container that is accepted."""

    code = "FORMAT_NOT_ALLOWED"


class Malformed(Problem):
    """The container cannot be read."""

    code = "MALFORMED"


class NoVideoStream(Problem):
    """The file has no video stream."""

    code = "NO_VIDEO_STREAM"


class UnsupportedCodec(Problem):
    """The codec is not supported."""

    code = "UNSUPPORTED_CODEC"


class Encrypted(Problem):
    """The video is encrypted."""

    code = "ENCRYPTED"


class ResourceLimit(Problem):
    """The file asks for more than a worker may use."""

    code = "RESOURCE_LIMIT"


class DamagedRanges(Problem):
    """Parts of the video are damaged and were left out."""

    code = "DAMAGED_RANGES"


class SourceChanged(Problem):
    """The source object changed after it was accepted."""

    code = "SOURCE_CHANGED"


class SourceGone(Problem):
    """The source object is gone."""

    code = "SOURCE_GONE"


class ModelInvalid(Problem):
    """The model cannot be used."""

    code = "MODEL_INVALID"


class ModelTimeout(Problem):
    """The model took too long on one frame."""

    code = "MODEL_TIMEOUT"


class NoCapacity(Problem):
    """No machine could be had in time."""

    code = "NO_CAPACITY"


class JobTimeout(Problem):
    """The job did not end in time."""

    code = "TIMEOUT"


class AttemptsExhausted(Problem):
    """Every attempt at a part of the job failed."""

    code = "ATTEMPTS_EXHAUSTED"


class Cancelled(Problem):
    """It was cancelled."""

    code = "CANCELLED"


class Internal(Problem):
    """Something went wrong inside the service."""

    code = "INTERNAL"


def problem_of(failure: Failure, *, status: int = 0) -> Problem:
    """The error that the `error` of a video, job, segment or export stands for."""
    kind = Problem.by_code.get(failure.code, Problem)
    return kind(failure.detail, failure.hint, title=failure.title, status=status, code=failure.code)
