"""What resolvers are made of: one field that is asked of one object, and how arguments become the forms of REST."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from chalicelib.api import (
    problems,
    schemas,
)
from chalicelib.api.graphql.limits import PAGE_LIMITS_BY_FIELD
from chalicelib.api.graphql.words import from_graphql, to_camel
from chalicelib.api.typed import Call
from chalicelib.domain.errors import DomainError, InvalidRequest
from chalicelib.services.idempotency import answer_once
from chalicelib.services.ports import StoredAnswer

Form = TypeVar("Form", bound=BaseModel)
Fields = dict[str, Any]
"""An object as GraphQL has it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One field of one object."""

    type_name: str
    field_name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    """The object, as its own resolver gave it."""


Answers = Sequence[Fields | DomainError | None]


@dataclass(frozen=True, slots=True)
class Resolver:
    """How a field is resolved."""

    one: Callable[[Call, Asked], Fields | None] | None = None
    many: Callable[[Call, Sequence[Asked]], Answers] | None = None
    """Instead of `one`: for several objects at once."""
    is_internal: bool = False
    """Only the service itself may ask, and it has no tenant."""

    @property
    def is_batched(self) -> bool:
        """Whether it takes several objects at once."""
        return self.many is not None


def read_page(asked: Asked, form: type[Any] = schemas.PageQuery) -> Any:
    """The arguments of a list, as the form that REST reads them with."""
    limits = PAGE_LIMITS_BY_FIELD[asked.type_name, asked.field_name]
    given = {name: value for name, value in asked.arguments.items() if name != "jobId" or asked.source}
    page = read_form(form, {"limit": limits.usual, **{name: v for name, v in given.items() if v is not None}})
    if page.limit > limits.most:
        raise InvalidRequest(f"limit: must be at most {limits.most} in this list but got {page.limit}")
    return page


def read_form(form: type[Form], arguments: Mapping[str, Any]) -> Form:
    """Arguments or an input, as the form that REST reads them with.

    Raises:
        InvalidRequest: they do not fit it.
    """
    values = from_graphql(arguments)
    for name in ("sha256_by_part",):
        # AWSJSON: text as a client sends it, or parsed already.
        if isinstance(values.get(name), str):
            values[name] = _read_json(name, values[name])
    try:
        return form.model_validate(values)
    except ValidationError as error:
        raise problems.invalid(error, rename=to_camel) from error


def _read_json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidRequest(f"{to_camel(name)}: must be JSON") from None


def once(call: Call, asked: Asked, work: Callable[[], Fields]) -> Fields:
    """What the mutation did, or did before under the same key."""
    key = asked.arguments.get("idempotencyKey")
    if key is None:
        return work()
    request = [asked.field_name, {name: v for name, v in asked.arguments.items() if name != "idempotencyKey"}]
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    stored = answer_once(
        call.ports, call.claims.tenant, key, digest, lambda: StoredAnswer(digest, 200, json.dumps(work()))
    )
    answer: Fields = json.loads(stored.body)
    return answer
