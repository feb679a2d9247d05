"""Event patterns, as EventBridge rules and Lambda's event filters use them.

Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from infra.wiring import EventPattern


def matches(pattern: EventPattern, event: Mapping[str, Any]) -> bool:
    """Whether every field that the pattern names is in the event with one of the accepted values.

    Raises:
        NotImplementedError: the pattern uses an operator that no rule of ours has needed so far.
    """
    return all(_field_matches(accepted, name, event) for name, accepted in pattern.items())


def _field_matches(accepted: object, name: str, event: Mapping[str, Any]) -> bool:
    value = event.get(name)
    if isinstance(accepted, Mapping):
        return matches(accepted, value if isinstance(value, Mapping) else {})
    if not isinstance(accepted, list | tuple):
        raise TypeError(f"A pattern must end in lists of accepted values but got {accepted!r}")
    if name not in event:
        return {"exists": False} in accepted
    # An array in the event matches when any of its members does.
    values = value if isinstance(value, list) else [value]
    return any(_value_matches(rule, each) for rule in accepted for each in values)


def _value_matches(rule: object, value: object) -> bool:
    if not isinstance(rule, Mapping):
        return bool(value == rule)
    match dict(rule):
        case {"prefix": str(prefix)}:
            return isinstance(value, str) and value.startswith(prefix)
        case {"wildcard": str(wildcard)}:
            return isinstance(value, str) and _fits_wildcard(wildcard, value)
        case {"exists": bool(wanted)}:
            return wanted
        case _:
            known = "prefix, wildcard and exists"
            raise NotImplementedError(f"The local stack knows the pattern operators {known} but got {rule!r}")


def _fits_wildcard(wildcard: str, value: str) -> bool:
    """`*` stands for any characters, none and slashes included."""
    return re.fullmatch(".*".join(map(re.escape, wildcard.split("*"))), value, re.DOTALL) is not None
