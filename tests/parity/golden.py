"""Events as AWS sends them, one file each, with the account and ids of an example.

Sources: Amazon S3 user guide, "EventBridge event message structure"; AWS Batch user guide, "Batch job state change
events" and the JobDetail of DescribeJobs; Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB" and "with API
Gateway"; EventBridge user guide, "Scheduled events"; AppSync developer guide, "Resolver context object reference". Ids,
names and parameters are those that this system's own resources would have.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).parent / "events"
NAMES = sorted(path.stem for path in EVENTS.glob("*.json"))


def read(name: str) -> Any:
    """A fresh copy of an event."""
    return json.loads((EVENTS / f"{name}.json").read_text())


def shape(value: Any, path: str = "") -> dict[str, str]:
    """JSON type by path; the items of a list share one path, and the keys below a `FREE` path are anyone's."""
    if path in FREE:
        return {path: _kind(value)}
    if isinstance(value, dict):
        return {found: kind for name, inner in value.items() for found, kind in shape(inner, f"{path}.{name}").items()}
    if isinstance(value, list):
        return {found: kind for inner in value for found, kind in shape(inner, f"{path}[]").items()}
    return {path: _kind(value)}


FREE = frozenset(
    {
        ".detail.parameters",
        ".detail.arrayProperties.statusSummary",
        ".Records[].dynamodb.Keys",
        ".Records[].dynamodb.NewImage",
        ".Records[].dynamodb.OldImage",
        ".arguments",
        ".identity.claims",
        ".source",
        ".prev",
        ".stash",
        ".request.headers",
        ".info.variables",
        ".headers",
        ".multiValueHeaders",
        ".queryStringParameters",
        ".multiValueQueryStringParameters",
        ".pathParameters",
    }
)
"""Where the names are data."""


def _kind(value: Any) -> str:
    names = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string"}
    return names.get(type(value), type(value).__name__)
