"""Names of things: sortable by creation time, unguessable, safe in URLs and keys.

An id is a prefix and a ULID: 48 bits of milliseconds and 80 random bits in Crockford's base 32, so that ids sort in the
order in which they were made. Source: the ULID specification.
"""

from __future__ import annotations

import re
from typing import NewType

TenantId = NewType("TenantId", str)
VideoId = NewType("VideoId", str)
JobId = NewType("JobId", str)
SubmissionId = NewType("SubmissionId", str)
CampaignId = NewType("CampaignId", str)
RunId = NewType("RunId", str)
ModelId = NewType("ModelId", str)
WebhookId = NewType("WebhookId", str)

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_BYTES = 10
TENANT_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
EVERYBODY = "public"
"""Stands in keys for what every tenant may use."""
ID_PATTERN = re.compile(r"[a-z]{3}_[0-9A-HJKMNP-TV-Z]{26}")


def make_id(prefix: str, milliseconds: int, randomness: bytes) -> str:
    """A new id such as `vid_01JD…`: `milliseconds` since the epoch and 10 random bytes."""
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"randomness must be {RANDOM_BYTES} bytes but got {len(randomness)}")
    number = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(randomness, "big")
    return prefix + "_" + "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -5, -5))


def derive_id(prefix: str, digest: bytes) -> str:
    """An id that is made of what it names: the first 130 bits of a digest, in the form of all ids."""
    number = int.from_bytes(digest[:17], "big") >> 6
    return prefix + "_" + "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -5, -5))


def is_id(prefix: str, text: str) -> bool:
    """Whether `text` has the form of an id of this kind; says nothing about whether it exists."""
    return text.startswith(prefix + "_") and ID_PATTERN.fullmatch(text) is not None


def is_tenant(text: str) -> bool:
    """Whether `text` may be a tenant: no separator of our keys can hide in it, and it does not stand for all."""
    return text != EVERYBODY and TENANT_PATTERN.fullmatch(text) is not None
