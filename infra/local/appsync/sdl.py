"""The schema with what AppSync brings along: its scalars, checked on the way in and out, and its directives.

Source: https://docs.aws.amazon.com/appsync/latest/devguide/scalars.html and security-authz.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphql import GraphQLError, GraphQLScalarType, GraphQLSchema, build_schema

COGNITO = "aws_cognito_user_pools"
IAM = "aws_iam"
DEFAULT_MODE = COGNITO
"""What a field without a directive takes, of itself or of its type."""
PRELUDE = """
scalar AWSDate scalar AWSTime scalar AWSDateTime scalar AWSTimestamp scalar AWSEmail scalar AWSJSON scalar AWSURL
scalar AWSPhone scalar AWSIPAddress
directive @aws_subscribe(mutations: [String!]!) on FIELD_DEFINITION
directive @aws_auth(cognito_groups: [String!]!) on FIELD_DEFINITION
directive @aws_api_key on FIELD_DEFINITION | OBJECT
directive @aws_iam on FIELD_DEFINITION | OBJECT
directive @aws_oidc on FIELD_DEFINITION | OBJECT
directive @aws_lambda on FIELD_DEFINITION | OBJECT
directive @aws_cognito_user_pools(cognito_groups: [String!]) on FIELD_DEFINITION | OBJECT
"""
_MODES = frozenset({"aws_api_key", IAM, "aws_oidc", "aws_lambda", COGNITO})
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d(:\d\d)?)")


@dataclass(frozen=True, slots=True)
class Sdl:
    """The schema, and what its directives say."""

    schema: GraphQLSchema
    modes_by_field: dict[tuple[str, str], frozenset[str]]
    """Which ways to sign in a field takes."""
    mutations_by_subscription: dict[str, frozenset[str]]

    def subscriptions_of(self, mutation: str) -> list[str]:
        """Which subscriptions a mutation feeds."""
        return [name for name, fed_by in self.mutations_by_subscription.items() if mutation in fed_by]


def load_sdl(path: Path) -> Sdl:
    """The schema of a file that AppSync would take."""
    schema = build_schema(PRELUDE + path.read_text(encoding="utf-8"))
    _check_scalar(schema, "AWSDateTime", _date_time, _date_time)
    _check_scalar(schema, "AWSJSON", _json_out, _json_in)
    modes: dict[tuple[str, str], frozenset[str]] = {}
    for name, kind in schema.type_map.items():
        if name.startswith("__"):
            continue
        for field, definition in getattr(kind, "fields", {}).items():
            own = _modes_of(definition.ast_node) or _modes_of(kind.ast_node)
            modes[name, field] = own or frozenset({DEFAULT_MODE})
    fields = schema.subscription_type.fields if schema.subscription_type else {}
    return Sdl(schema, modes, {name: _fed_by(field.ast_node) for name, field in fields.items()})


def _modes_of(node: Any) -> frozenset[str]:
    return frozenset(directive.name.value for directive in (node.directives or ()) if directive.name.value in _MODES)


def _fed_by(node: Any) -> frozenset[str]:
    for directive in node.directives or ():
        if directive.name.value == "aws_subscribe":
            (mutations,) = directive.arguments
            return frozenset(value.value for value in mutations.value.values)
    return frozenset()


def _check_scalar(
    schema: GraphQLSchema, name: str, coerce_output: Callable[[Any], Any], coerce_input: Callable[[Any], Any]
) -> None:
    """Check a scalar on its way out, and on its way in as a variable and as a literal."""
    scalar = schema.type_map[name]
    assert isinstance(scalar, GraphQLScalarType), f"{name} must be a scalar"
    scalar.coerce_output_value = coerce_output
    scalar.coerce_input_value = coerce_input


def _date_time(value: Any) -> str:
    if not isinstance(value, str) or not _DATE_TIME.fullmatch(value):
        raise GraphQLError(f"AWSDateTime must be an ISO 8601 time with an offset but got {value!r}")
    return value


def _json_in(value: Any) -> Any:
    try:
        if isinstance(value, str):
            return json.loads(value)
    except ValueError:
        pass
    raise GraphQLError(f"AWSJSON must be a string of JSON but got {value!r}")


def _json_out(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
