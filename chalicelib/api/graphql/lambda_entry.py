"""AppSync's call of the Lambda function: which resolver, for whom, and the answer or the error in AppSync's words.

The event is that of a direct Lambda resolver: `arguments`, `identity`, `source`, `request`, `info`; a list of such
events for a field that is resolved for several objects at once (BatchInvoke). An answer is

    {"data": …}                                                        what the field gives
    {"data": null, "errorMessage", "errorType", "errorInfo"}           why it gives nothing

which `infra/resolver.js` hands on to AppSync. An error of a client is an answer and no failure of the function: that
would count as a fault of the service, and could not carry `errorInfo`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib.api.graphql.asking import Asked, Resolver
from chalicelib.api.graphql.resolvers import RESOLVERS
from chalicelib.api.problems import INTERNAL, status_of
from chalicelib.api.typed import Call
from chalicelib.domain.errors import DomainError, Failure, Forbidden, Unauthenticated
from chalicelib.domain.ids import TenantId
from chalicelib.services.ports import Claims
from chalicelib.services.tenancy import read_claims
from chalicelib.wiring import get_ports

logger = Logger(service="reelscan", child=True)

Event = Mapping[str, Any]
Answer = dict[str, Any]

NOBODY = Claims(TenantId("nobody"), "service", frozenset())
"""Who publishes: the service itself, which AppSync knows by its role and which belongs to no tenant."""


def resolve(event: Event | Sequence[Event]) -> Answer | list[Answer]:
    """The answer to an event, or to each of a list of them."""
    if isinstance(event, Mapping):
        return _resolve([event])[0]
    return _resolve(event)


def _resolve(events: Sequence[Event]) -> list[Answer]:
    """All of one field and one caller: a batch is cut from one request."""
    info = events[0]["info"]
    name = (info["parentTypeName"], info["fieldName"])
    several = [Asked(*name, event.get("arguments") or {}, event.get("source") or {}) for event in events]
    try:
        return _answers(RESOLVERS[name], events[0].get("identity"), several)
    except DomainError as error:
        return [_answer(error) for _ in events]
    except Exception:
        # The border of the process to AppSync: a bug is logged with its trace and shown without.
        logger.exception("unhandled error", field=".".join(name))
        return [_refusal(INTERNAL, 500) for _ in events]


def _answers(resolver: Resolver, identity: Mapping[str, Any] | None, several: Sequence[Asked]) -> list[Answer]:
    call = Call(get_ports(), _claims(resolver, identity), {})
    if resolver.many is not None:
        return [_answer(result) for result in resolver.many(call, several)]
    assert resolver.one is not None, "a resolver must take one object or several"
    return [_answer(resolver.one(call, asked)) for asked in several]


def _answer(result: Any) -> Answer:
    if isinstance(result, DomainError):
        return _refusal(result.failure, status_of(result))
    return {"data": result}


def _refusal(failure: Failure, status: int) -> Answer:
    info = {"title": failure.title, "hint": failure.hint, "status": status}
    return {"data": None, "errorMessage": failure.detail, "errorType": failure.code, "errorInfo": info}


def _claims(resolver: Resolver, identity: Mapping[str, Any] | None) -> Claims:
    claims = (identity or {}).get("claims")
    if resolver.is_internal:
        # The schema says so too; an AppSync that was set up without its directives must not let a client publish.
        if claims is not None:
            raise Forbidden("only the service itself may publish")
        return NOBODY
    if claims is None:
        raise Unauthenticated("the request has no access token")
    return read_claims(claims)
