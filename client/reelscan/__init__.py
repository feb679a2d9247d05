"""reelscan: video in, detections and tracks out. The client of its API, blocking and asynchronous.

    from reelscan import Client

    with Client(base_url, token) as client:
        uploaded = client.videos.upload("street.mp4", analyze={"models": ["nanodet-g"]})
        job = client.jobs.wait(uploaded.job)
        for found in client.jobs.detections(job, label="person"):
            print(found.time_seconds, found.box)

`Client` and `AsyncClient` have the same parts: `videos`, `jobs`, `exports`, `renditions`, `models`, `pipelines`,
`versions`, `campaigns`, `webhooks`, `budget`. What they answer are the frozen dataclasses of `reelscan.records`; what
they raise is the tree of `reelscan.errors`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reelscan.client import AsyncClient, Client
    from reelscan.connection import Retries
    from reelscan.detections import Detections, to_pandas, to_supervision
    from reelscan.errors import (
        AttemptsExhausted,
        Cancelled,
        ChecksumMismatch,
        Conflict,
        DamagedRanges,
        EmptyFile,
        Encrypted,
        FileChanged,
        Forbidden,
        FormatNotAllowed,
        IdempotencyMismatch,
        Internal,
        InvalidRequest,
        JobTimeout,
        LimitExceeded,
        Malformed,
        ModelInvalid,
        ModelTimeout,
        NoCapacity,
        NotFound,
        NoVideoStream,
        Problem,
        ReelscanError,
        ResourceLimit,
        ServiceUnreachable,
        SizeMismatch,
        SourceChanged,
        SourceGone,
        StorageRefused,
        Unauthenticated,
        UnexpectedAnswer,
        UnsupportedCodec,
        UploadExpired,
        WaitTimeout,
        WebhookRejected,
        problem_of,
    )
    from reelscan.pages import Page, Pages
    from reelscan.upload import Uploaded, UploadProgress
    from reelscan.webhooks import WebhookMessage, verify_webhook

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AttemptsExhausted",
    "Cancelled",
    "ChecksumMismatch",
    "Client",
    "Conflict",
    "DamagedRanges",
    "Detections",
    "EmptyFile",
    "Encrypted",
    "FileChanged",
    "Forbidden",
    "FormatNotAllowed",
    "IdempotencyMismatch",
    "Internal",
    "InvalidRequest",
    "JobTimeout",
    "LimitExceeded",
    "Malformed",
    "ModelInvalid",
    "ModelTimeout",
    "NoCapacity",
    "NoVideoStream",
    "NotFound",
    "Page",
    "Pages",
    "Problem",
    "ReelscanError",
    "ResourceLimit",
    "Retries",
    "ServiceUnreachable",
    "SizeMismatch",
    "SourceChanged",
    "SourceGone",
    "StorageRefused",
    "Unauthenticated",
    "UnexpectedAnswer",
    "UnsupportedCodec",
    "UploadExpired",
    "UploadProgress",
    "Uploaded",
    "WaitTimeout",
    "WebhookMessage",
    "WebhookRejected",
    "problem_of",
    "to_pandas",
    "to_supervision",
    "verify_webhook",
]

_NAMES_BY_MODULE = {
    "reelscan.client": ["AsyncClient", "Client"],
    "reelscan.connection": ["Retries"],
    "reelscan.detections": ["Detections", "to_pandas", "to_supervision"],
    "reelscan.pages": ["Page", "Pages"],
    "reelscan.upload": ["Uploaded", "UploadProgress"],
    "reelscan.webhooks": ["WebhookMessage", "verify_webhook"],
}
"""Where a public name is; those that are not here are in `reelscan.errors`."""
_MODULE_BY_NAME = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: who only verifies webhooks, or asks for --help, does not wait for httpx."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_BY_NAME.get(name, "reelscan.errors")), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
