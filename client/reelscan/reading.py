"""JSON of the service as records.

A field that a record does not know is left out, so that an old client reads what a new service answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from reelscan.errors import UnexpectedAnswer

T = TypeVar("T")
Reader = Callable[[Any], Any]


def read_record(kind: type[T], json: Any) -> T:
    """A record of `kind`.

    Raises:
        UnexpectedAnswer: a field that every reelscan service answers is not there.
    """
    try:
        record: T = _reader_of(cast(Any, kind))(json)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnexpectedAnswer(
            f"the service answered what cannot be read as {kind.__name__}: {type(error).__name__} {error}",
            "Is this the base URL of a reelscan service, and the package as new as it?",
        ) from error
    return record


@cache
def _reader_of(kind: Any) -> Reader:
    if kind is datetime:
        return datetime.fromisoformat
    if get_origin(kind) is UnionType:
        return _optional([member for member in get_args(kind) if member is not NoneType])
    if get_origin(kind) is tuple:
        member, *rest = get_args(kind)
        each = _reader_of(member) if not rest or rest == [...] else _as_it_is
        return tuple if each is _as_it_is else lambda value: tuple(map(each, value))
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind)
    return _as_it_is


def _record(kind: type[Any]) -> Reader:
    hints = get_type_hints(kind)
    readers = [(field.name, _reader_of(hints[field.name])) for field in fields(kind)]
    plain = frozenset(name for name, reader in readers if reader is _as_it_is)
    others = [(name, reader) for name, reader in readers if reader is not _as_it_is]

    def read(json: dict[str, Any]) -> Any:
        values = {name: json[name] for name in plain & json.keys()}
        for name, reader in others:
            if name in json:
                values[name] = reader(json[name])
        return kind(**values)

    return read


def _optional(members: list[Any]) -> Reader:
    # The unions of the API that are not "or null" are of dictionaries, which stay what they are.
    reader = _reader_of(members[0]) if len(members) == 1 else _as_it_is
    if reader is _as_it_is:
        return _as_it_is
    return lambda value: None if value is None else reader(value)


def _as_it_is(value: Any) -> Any:
    return value
