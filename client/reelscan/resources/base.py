"""What the resources share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from reelscan.connection import Connection, Query
from reelscan.pages import Pages
from reelscan.worlds import Resource, World

W_co = TypeVar("W_co", bound=World, covariant=True)
T = TypeVar("T")

PAGE_LIMIT = 1000
"""Items asked for in one page of results: the most that the service gives."""


class Part(Resource[W_co]):
    """A resource over a connection."""

    def __init__(self, connection: Connection) -> None:
        self._world: W_co = connection.world  # type: ignore[assignment]  # a client makes both for one world
        self._connection = connection

    def _pages(self, path: str, kind: type[T] | Mapping[str, type[Any]], query: Query | None = None) -> Pages[W_co, T]:
        return Pages(self._connection, path, kind, query or {})
