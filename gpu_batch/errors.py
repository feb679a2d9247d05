"""How a worker ends when it cannot finish: each class is one exit code that the retry rules of Batch know.

Exit codes: 0 done; 65 bad input, never retried; 66 bad order or model, never retried; 75 passing trouble, retried; 143
drained after SIGTERM, retried; anything else is a bug that the reconciler counts and shows. Source: sysexits.h for 65,
66 and 75; 128 + SIGTERM.
"""

from __future__ import annotations

from chalicelib.domain.errors import DomainError, ErrorCode

DONE = 0
BUG = 1


class WorkerError(DomainError):
    """Base of everything that a worker raises on purpose."""

    exit_code = 1


class BadInput(WorkerError):
    """The video is corrupt, not allowed or not supported; trying again cannot help."""

    exit_code = 65
    code = ErrorCode.MALFORMED
    default_hint = "Check that the file plays elsewhere, then upload it again"


class BadOrder(WorkerError):
    """Plan, model or version do not fit together; trying again cannot help."""

    exit_code = 66
    code = ErrorCode.MODEL_INVALID
    default_hint = "Check the model that the job names, then start a new job"


class Passing(WorkerError):
    """Throttled, cut off, or a device lost: another attempt may well succeed."""

    exit_code = 75
    default_hint = "The attempt is repeated by itself"


class Drained(WorkerError):
    """The machine is being taken away; what was committed stays, the rest is done by the next attempt."""

    exit_code = 143
    default_hint = "The attempt is repeated by itself"
