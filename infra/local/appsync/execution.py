"""Runs GraphQL as AppSync does: who may see a field, which fields ask the Lambda function, one by one or in batches.

The event of each call is that of AppSync's direct Lambda resolver, and the answer is read as `infra/resolver.js` reads
it, so that the handler cannot tell the difference.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLResolveInfo,
    execute,
    get_argument_values,
    get_operation_ast,
    get_variable_values,
    parse,
    print_ast,
    validate,
)
from graphql.execution.values import VariableValues
from graphql.language import ast

from infra.local.appsync.sdl import Sdl
from infra.local.appsync.weight import weigh
from infra.local.functions import Functions
from infra.wiring import GraphQlApi

DOCUMENTS_KEPT = 100
TOKENS_MAX = 4000
"""Of a document: what costs to be read and checked before its weight is known."""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request, as AppSync tells the function of it."""

    mode: str
    """The directive that lets it in: `aws_cognito_user_pools` or `aws_iam`."""
    identity: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """An error with AppSync's fields beside the message."""

    def __init__(self, error_type: str, message: str, info: object = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.info = info


@dataclass(frozen=True, slots=True)
class Operation:
    """A document that may run."""

    document: DocumentNode
    kind: str
    """query, mutation or subscription."""
    name: str | None
    variables: Mapping[str, Any]
    values: VariableValues
    """The same, checked, with their defaults."""
    fields: tuple[ast.FieldNode, ...]
    """What it selects at its root."""


class Engine:
    """One API."""

    def __init__(self, sdl: Sdl, limits: GraphQlApi, functions: Functions) -> None:
        self.sdl = sdl
        self._limits = limits
        self._functions = functions
        # Clients send the same few documents again and again.
        self._read = lru_cache(DOCUMENTS_KEPT)(self._parse)

    def prepare(self, body: Mapping[str, Any]) -> Operation | Json:
        """The operation of a request, or the answer that refuses it."""
        query, variables = body.get("query"), body.get("variables") or {}
        if not isinstance(query, str) or not isinstance(variables, Mapping):
            return refuse(Refusal("MalformedHttpRequestException", "the body must have a query, and variables by name"))
        document = self._read(query)
        if isinstance(document, list):
            return {"data": None, "errors": [_format(error) for error in document]}
        operation = get_operation_ast(document, body.get("operationName"))
        if operation is None:
            return refuse(Refusal("BadRequestException", "operationName must name one operation of the document"))
        values = get_variable_values(self.sdl.schema, operation.variable_definitions or (), dict(variables))
        if isinstance(values, list):
            return {"data": None, "errors": [_format(error) for error in values]}
        weight = weigh(self.sdl.schema, document, values.coerced, self._limits)
        if weight.depth > self._limits.depth_max:
            return refuse(_too_much(f"a query may be {self._limits.depth_max} fields deep but this is {weight.depth}"))
        if weight.cost > self._limits.cost_max:
            return refuse(_too_much(f"a query may cost {self._limits.cost_max} objects but this costs {weight.cost}"))
        name = operation.name.value if operation.name else None
        fields = tuple(_root_fields(document, operation.selection_set))
        return Operation(document, operation.operation.value, name, variables, values, fields)

    def run(self, operation: Operation, caller: Caller, root: Any = None) -> ExecutionResult:
        """The result of an operation; a subscription's is that of one event, which is its `root`."""
        return asyncio.run(self._run(operation, caller, root))

    def call_function(self, caller: Caller, type_name: str, field_name: str, arguments: Mapping[str, Any]) -> None:
        """Resolve a field that is not part of a query: the start of a subscription.

        Raises:
            Refusal: the function said no.
        """
        if caller.mode not in self.sdl.modes_by_field[type_name, field_name]:
            raise _unauthorized(type_name, field_name)
        info = {"parentTypeName": type_name, "fieldName": field_name, "variables": {}, "selectionSetList": []}
        event = _event(caller, {**info, "selectionSetGraphQL": ""}, arguments, None)
        _unwrap(self._functions.invoke(self._limits.handler, event))

    def read_arguments(self, node: ast.FieldNode, type_name: str, values: VariableValues) -> Json:
        """The arguments of a field, with variables in their places.

        Raises:
            Refusal: one is missing, or of another type.
        """
        definition = self.sdl.schema.type_map[type_name].fields[node.name.value]  # type: ignore[attr-defined]
        try:
            return dict(get_argument_values(definition, node, values))
        except GraphQLError as error:
            raise Refusal("BadRequestException", error.message) from error

    def _parse(self, query: str) -> DocumentNode | list[GraphQLError]:
        """A valid document, or its mistakes."""
        try:
            document = parse(query, max_tokens=TOKENS_MAX)
            return validate(self.sdl.schema, document) or document
        except GraphQLError as error:
            return [error]
        except RecursionError:
            return [GraphQLError("the document nests too deeply to be read")]

    async def _run(self, operation: Operation, caller: Caller, root: Any) -> ExecutionResult:
        run = _Run(self.sdl, self._limits, self._functions, caller, is_push=root is not None)
        result = execute(
            self.sdl.schema,
            operation.document,
            root,
            variable_values=dict(operation.variables),
            operation_name=operation.name,
            field_resolver=run.resolve,
        )
        return await result if isinstance(result, Awaitable) else result


class _Run:
    """One operation under way."""

    def __init__(self, sdl: Sdl, limits: GraphQlApi, functions: Functions, caller: Caller, *, is_push: bool) -> None:
        self._sdl = sdl
        self._limits = limits
        self._functions = functions
        self._caller = caller
        self._is_push = is_push
        """What a subscriber gets was resolved when it was published."""
        self._resolvers_run = 0
        self._waiting: dict[tuple[str, str], list[tuple[Json, asyncio.Future[Any]]]] = defaultdict(list)

    def resolve(self, source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        """The value of a field, or the promise of it."""
        name = (info.parent_type.name, info.field_name)
        if self._caller.mode not in self._sdl.modes_by_field[name]:
            raise _unauthorized(*name)
        if self._is_push or name not in self._limits.resolved_fields:
            return source.get(info.field_name) if isinstance(source, Mapping) else None
        self._resolvers_run += 1
        if self._resolvers_run > self._limits.resolvers_max:
            raise _too_much(f"a query may run {self._limits.resolvers_max} resolvers")
        event = _event(self._caller, _info(info), arguments, source)
        if name in self._limits.batched_fields:
            return self._resolve_later(name, event)
        return _unwrap(self._functions.invoke(self._limits.handler, event))

    def _resolve_later(self, name: tuple[str, str], event: Json) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        promise: asyncio.Future[Any] = loop.create_future()
        self._waiting[name].append((event, promise))
        if len(self._waiting[name]) == 1:
            # Two turns of the loop: by then every brother of the field has asked.
            loop.call_soon(loop.call_soon, self._flush, name)
        return promise

    def _flush(self, name: tuple[str, str]) -> None:
        waiting = self._waiting.pop(name)
        for start in range(0, len(waiting), self._limits.batch_max):
            batch = waiting[start : start + self._limits.batch_max]
            answers = self._functions.invoke(self._limits.handler, [event for event, _ in batch])
            for (_, promise), answer in zip(batch, answers, strict=True):
                try:
                    promise.set_result(_unwrap(answer))
                except Refusal as refusal:
                    promise.set_exception(refusal)


def refuse(refusal: Refusal) -> Json:
    """The answer to a request of which nothing ran."""
    return {"data": None, "errors": [_format(GraphQLError(str(refusal), original_error=refusal))]}


def to_answer(result: ExecutionResult) -> Json:
    """A result as AppSync writes it."""
    answer: Json = {"data": result.data}
    if result.errors:
        answer["errors"] = [_format(error) for error in result.errors]
    return answer


def _format(error: GraphQLError) -> Json:
    refusal = error.original_error
    said = {"errorType": refusal.error_type, "errorInfo": refusal.info} if isinstance(refusal, Refusal) else {}
    return {
        "path": error.path,
        "data": None,
        "errorType": None,
        "errorInfo": None,
        **said,
        "locations": [
            {"line": place.line, "column": place.column, "sourceName": None} for place in error.locations or ()
        ],
        "message": error.message,
    }


def _unauthorized(type_name: str, field_name: str) -> Refusal:
    return Refusal("Unauthorized", f"Not Authorized to access {field_name} on type {type_name}")


def _too_much(message: str) -> Refusal:
    return Refusal("LIMIT_EXCEEDED", message, {"hint": "Ask for less, in several requests"})


def _unwrap(answer: Mapping[str, Any]) -> Any:
    """What `infra/resolver.js` makes of an answer."""
    if answer.get("errorType"):
        raise Refusal(answer["errorType"], answer["errorMessage"], answer.get("errorInfo"))
    return answer["data"]


def _event(caller: Caller, info: Json, arguments: Mapping[str, Any], source: Any) -> Json:
    return {
        "arguments": dict(arguments),
        "identity": dict(caller.identity),
        "source": source,
        "request": {"headers": dict(caller.headers), "domainName": None},
        "prev": None,
        "info": info,
        "stash": {},
    }


def _info(info: GraphQLResolveInfo[Any]) -> Json:
    node = info.field_nodes[0]
    return {
        "parentTypeName": info.parent_type.name,
        "fieldName": info.field_name,
        "variables": {},
        "selectionSetList": list(dict.fromkeys(_paths(info.field_nodes, info.fragments, "", set()))),
        "selectionSetGraphQL": print_ast(node.selection_set) if node.selection_set else "",
    }


def _paths(
    nodes: Sequence[Any], fragments: Mapping[str, Any], prefix: str, spread: set[tuple[str, str]]
) -> Iterator[str]:
    """`items`, `items/jobId`, … of what is selected below some fields."""
    for node in nodes:
        for child in node.selection_set.selections if node.selection_set else ():
            if isinstance(child, ast.FieldNode):
                path = prefix + (child.alias or child.name).value
                yield path
                yield from _paths([child], fragments, f"{path}/", spread)
            elif not isinstance(child, ast.FragmentSpreadNode):
                yield from _paths([child], fragments, prefix, spread)
            elif (child.name.value, prefix) not in spread:
                # Once at each place: fragments that spread others twice would take for ever.
                spread.add((child.name.value, prefix))
                yield from _paths([fragments[child.name.value]], fragments, prefix, spread)


def _root_fields(document: DocumentNode, selection: ast.SelectionSetNode) -> Iterator[ast.FieldNode]:
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, ast.FragmentDefinitionNode)}
    waiting, spread = [*selection.selections], set()
    for node in waiting:
        if isinstance(node, ast.FieldNode):
            yield node
        elif isinstance(node, ast.InlineFragmentNode):
            waiting += node.selection_set.selections
        elif isinstance(node, ast.FragmentSpreadNode) and node.name.value not in spread:
            spread.add(node.name.value)
            waiting += fragments[node.name.value].selection_set.selections
