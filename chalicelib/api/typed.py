"""Typed routes: a view is a function of plain values; its annotations are validation and documentation at once.

    @routes.get("/jobs/{job_id}", summary="Read a job")
    def get_job(call: Call, job_id: str) -> JobOut: ...

A view that sets headers returns an `Answer` and names its model as `answers`. A parameter named `body` or `query` is a
pydantic model of the request's body or query string; every other parameter is part of the path. The wrapper verifies
the token, validates, honours `Idempotency-Key` on POST and `If-None-Match` on GET, and turns what is raised into a
problem: Chalice's own middleware never sees a view's exception.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools import Logger
from chalice.app import Request, Response
from pydantic import BaseModel, ValidationError

from chalicelib.api import problems
from chalicelib.domain.errors import DomainError, InvalidRequest, Unauthenticated
from chalicelib.services.idempotency import answer_once
from chalicelib.services.ports import Claims, Ports, StoredAnswer
from chalicelib.wiring import get_ports

logger = Logger(service="reelscan", child=True)

JSON = "application/json"
PREFIX_HEADER, AT_ROOT = "X-Forwarded-Prefix", "/"
"""How CloudFront tells that its clients see no stage. Whoever else sends it changes the links of the own answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, and what the view may reach."""

    ports: Ports
    claims: Claims
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with headers, or with another status than the route's; a body that is not JSON names its type."""

    body: BaseModel | str | None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON
    status: int | None = None
    """None: the route's."""


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """What is known of a route; the OpenAPI document is made of these."""

    method: str
    path: str
    name: str
    summary: str
    description: str
    status: int
    is_public: bool
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answer: type[BaseModel] | None
    problems: tuple[int, ...]
    other_answers: Mapping[int, type[BaseModel]] = field(default_factory=dict)
    """By status: what it may answer instead."""


class Routes:
    """The typed routes of one module."""

    def __init__(self) -> None:
        self.specs: list[RouteSpec] = []
        self._route_by_name: dict[str, tuple[RouteSpec, Callable[..., Any]]] = {}

    def handle(self, name: str, request: Request, path_values: Mapping[str, str]) -> Response:
        """Answer a request by the view of that name."""
        spec, view = self._route_by_name[name]
        return _handle(spec, view, request, path_values)

    def get(self, path: str, **facts: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a view for GET."""
        return self._route("GET", path, **facts)

    def post(self, path: str, **facts: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a view for POST."""
        return self._route("POST", path, **facts)

    def put(self, path: str, **facts: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a view for PUT."""
        return self._route("PUT", path, **facts)

    def patch(self, path: str, **facts: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a view for PATCH."""
        return self._route("PATCH", path, **facts)

    def delete(self, path: str, **facts: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a view for DELETE."""
        return self._route("DELETE", path, **facts)

    def _route(
        self,
        method: str,
        path: str,
        *,
        summary: str,
        status: int = 200,
        is_public: bool = False,
        answers: type[BaseModel] | None = None,
        problems: tuple[int, ...] = (),
        other_answers: Mapping[int, type[BaseModel]] | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def register(view: Callable[..., Any]) -> Callable[..., Any]:
            hints = typing.get_type_hints(view)
            returned = hints.get("return")
            is_model = isinstance(returned, type) and issubclass(returned, BaseModel)
            spec = RouteSpec(
                method=method,
                path=path,
                name=view.__name__,
                summary=summary,
                description=inspect.getdoc(view) or "",
                status=status,
                is_public=is_public,
                body=hints.get("body"),
                query=hints.get("query"),
                answer=returned if is_model else answers,
                problems=problems,
                other_answers=other_answers or {},
            )
            self.specs.append(spec)
            self._route_by_name[spec.name] = (spec, view)
            return view

        return register


def _handle(spec: RouteSpec, view: Callable[..., Any], request: Request, path_values: Mapping[str, str]) -> Response:
    root = _root(request)
    instance = _path_below(root, request)
    try:
        stored = _answer(spec, view, request, path_values)
    except DomainError as error:
        return _problem_response(error, instance, root)
    except Exception:
        # The border of the process to HTTP: a bug is logged with its trace and shown without.
        logger.exception("unhandled error", route=spec.name)
        body = json.dumps(problems.problem(problems.INTERNAL, 500, instance, root))
        return _response(500, body, {"Content-Type": problems.CONTENT_TYPE})
    if request.method == "GET" and stored.status == 200:
        return _conditional(stored, request)
    return _response(stored.status or spec.status, stored.body, stored.headers)


def _answer(
    spec: RouteSpec, view: Callable[..., Any], request: Request, path_values: Mapping[str, str]
) -> StoredAnswer:
    arguments: dict[str, Any] = dict(path_values)
    if spec.is_public:
        return _to_stored(spec, view(**arguments), "")
    ports = get_ports()
    claims = ports.tokens.verify(_bearer(request.headers))
    raw_body = request.raw_body or b""
    raw_body = raw_body.encode() if isinstance(raw_body, str) else raw_body
    try:
        if spec.query is not None:
            arguments["query"] = spec.query.model_validate(_single_values(request))
        elif request.query_params:
            raise InvalidRequest(f"{spec.method} {spec.path} takes no query parameters")
        if spec.body is not None:
            arguments["body"] = spec.body.model_validate_json(raw_body or b"{}")
    except ValidationError as error:
        raise problems.invalid(error) from error
    call = Call(ports, claims, request.headers)
    asked = [spec.method.encode(), _path(spec, path_values).encode(), raw_body]
    if spec.method == "POST" and request.query_params:
        # The same body means another thing.
        asked.append(json.dumps(_single_values(request), sort_keys=True).encode())
    digest = hashlib.sha256(b"\0".join(asked)).hexdigest()

    def work() -> StoredAnswer:
        return _to_stored(spec, view(call, **arguments), digest)

    key = request.headers.get("idempotency-key")
    if spec.method != "POST" or key is None:
        return work()
    return answer_once(ports, claims.tenant, key, digest, work)


def _to_stored(spec: RouteSpec, result: Any, digest: str) -> StoredAnswer:
    answer = result if isinstance(result, Answer) else Answer(result)
    # What was not set is left out; what was set to None is null.
    body = answer.body.model_dump_json(exclude_unset=True) if isinstance(answer.body, BaseModel) else answer.body or ""
    return StoredAnswer(
        digest, answer.status or spec.status, body, {"Content-Type": answer.content_type, **answer.headers}
    )


def _conditional(stored: StoredAnswer, request: Request) -> Response:
    """200 with an ETag, or 304 when the client has it."""
    etag = f'"{hashlib.sha256(stored.body.encode()).hexdigest()[:32]}"'
    headers = {**stored.headers, "ETag": etag, "Cache-Control": "no-cache"}
    asked = str(request.headers.get("if-none-match", ""))
    if etag in (tag.strip().removeprefix("W/") for tag in asked.split(",")):
        return _response(304, "", {name: value for name, value in headers.items() if name != "Content-Type"})
    return _response(200, stored.body, headers)


def _response(status: int, body: str, headers: Mapping[str, str]) -> Response:
    return Response(body=body, status_code=status, headers=dict(headers))


def _root(request: Request) -> str:
    """The path below which the API lies: API Gateway's stage, when the client sees it in its URLs.

    Whoever stands before the gateway, and adds the stage to what clients ask for, says so by a header.
    """
    return "" if request.headers.get(PREFIX_HEADER) == AT_ROOT else _stage(request)


def _path_below(root: str, request: Request) -> str:
    """The path of the request, as its client sees it."""
    path = str(request.context.get("path") or request.path)
    return path if root else path.removeprefix(_stage(request))


def _stage(request: Request) -> str:
    """API Gateway's stage as the first part of the request's path; empty when it is not there."""
    stage = f"/{request.context.get('stage', '')}"
    return stage if str(request.context.get("path", "")).startswith(f"{stage}/") and stage != "/" else ""


def _problem_response(error: DomainError, instance: str, root: str) -> Response:
    status = problems.status_of(error)
    headers = {"Content-Type": problems.CONTENT_TYPE}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in (429, 503):
        headers["Retry-After"] = "1"
    return _response(status, json.dumps(problems.problem(error.failure, status, instance, root)), headers)


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, token = str(headers.get("authorization", "")).partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("the request has no bearer token")
    return token.strip()


def _single_values(request: Request) -> dict[str, str]:
    parameters: Any = request.query_params or {}
    values: dict[str, str] = {}
    for name in parameters:
        several = parameters.getlist(name)
        if len(several) > 1:
            raise InvalidRequest(f"{name} must be given once but got {len(several)} values")
        values[name] = several[0]
    return values


def _path(spec: RouteSpec, path_values: Mapping[str, str]) -> str:
    return spec.path.format(**path_values)
