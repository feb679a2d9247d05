"""The exit codes of the command line: one for each code of the service, and some for what never reaches it.

A number is never given to another meaning; new codes come at the end.
"""

from __future__ import annotations

INTERRUPTED = 130
"""Source: what shells give a program that Ctrl-C ended."""
FILE_PROBLEM = 66
"""Source: EX_NOINPUT of sysexits.h."""

BY_CODE = {
    "INVALID_REQUEST": 10,
    "UNAUTHENTICATED": 11,
    "FORBIDDEN": 12,
    "NOT_FOUND": 13,
    "CONFLICT": 14,
    "IDEMPOTENCY_MISMATCH": 15,
    "LIMIT_EXCEEDED": 16,
    "UPLOAD_EXPIRED": 17,
    "SIZE_MISMATCH": 18,
    "CHECKSUM_MISMATCH": 19,
    "EMPTY_FILE": 20,
    "FORMAT_NOT_ALLOWED": 21,
    "MALFORMED": 22,
    "NO_VIDEO_STREAM": 23,
    "UNSUPPORTED_CODEC": 24,
    "ENCRYPTED": 25,
    "RESOURCE_LIMIT": 26,
    "DAMAGED_RANGES": 27,
    "SOURCE_CHANGED": 28,
    "SOURCE_GONE": 29,
    "MODEL_INVALID": 30,
    "MODEL_TIMEOUT": 31,
    "NO_CAPACITY": 32,
    "TIMEOUT": 33,
    "ATTEMPTS_EXHAUSTED": 34,
    "CANCELLED": 35,
    "INTERNAL": 36,
}
BY_ERROR = {
    "ServiceUnreachable": 40,
    "UnexpectedAnswer": 41,
    "StorageRefused": 42,
    "FileChanged": 43,
    "WaitTimeout": 44,
}
"""By the name of the class, of errors that are no answer of the service."""
OTHER = 1


def exit_code_of(error: Exception) -> int:
    """The exit code that an error ends the command with."""
    code = BY_CODE.get(getattr(error, "code", ""), 0)
    return code or BY_ERROR.get(type(error).__name__, OTHER)
