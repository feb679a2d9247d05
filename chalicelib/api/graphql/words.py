"""Names of REST in GraphQL and back: `job_id` is `jobId`, here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from chalicelib.domain.errors import LimitExceeded

OPAQUE = frozenset({"summary", "fields", "headers", "parameters", "sha256_by_part"})
"""Fields of type AWSJSON: their inside is the client's or REST's, and keeps its names."""
EXACT_LIMIT = 2**53
"""A `Float` holds every whole number up to this one. Source: IEEE 754 binary64."""


def to_camel(name: str) -> str:
    """`score_min` → `scoreMin`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def to_snake(name: str) -> str:
    """`scoreMin` → `score_min`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda capital: "_" + capital[1].lower(), name)


def to_graphql(answer: BaseModel) -> dict[str, Any]:
    """An answer of REST as GraphQL has it; what is not known is left out.

    Raises:
        LimitExceeded: a number that GraphQL cannot hold exactly.
    """
    named: dict[str, Any] = _to_graphql(answer.model_dump(mode="json", exclude_unset=True))
    return named


def from_graphql(value: Any) -> Any:
    """Arguments as REST's forms have them; what is null was not given."""
    if isinstance(value, Mapping):
        named = {to_snake(name): inner for name, inner in value.items() if inner is not None}
        return {name: inner if name in OPAQUE else from_graphql(inner) for name, inner in named.items()}
    if isinstance(value, list):
        return [from_graphql(inner) for inner in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT_LIMIT:
        # JSON tells 100.0 from 100, and GraphQL's Float does not.
        return int(value)
    return value


def _to_graphql(value: Any) -> Any:
    if isinstance(value, dict):
        return {to_camel(name): inner if name in OPAQUE else _to_graphql(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_to_graphql(inner) for inner in value]
    if isinstance(value, int) and abs(value) > EXACT_LIMIT:
        raise LimitExceeded(
            f"a number of this answer is {value}, and GraphQL has none beyond 2^53", hint="Read this by the REST API"
        )
    return value
