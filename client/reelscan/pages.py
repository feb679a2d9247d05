"""Lists that come in pages, as iterators."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from reelscan.connection import Connection, take_out
from reelscan.reading import read_record
from reelscan.worlds import Asynchronous, Blocking, Resource, World, operation, run_to_end

W_co = TypeVar("W_co", bound=World, covariant=True)
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """One answer to a question that may have more."""

    items: tuple[T_co, ...]
    """May be few, or none, and still be followed by another page."""
    next_cursor: str | None
    """Where the next page begins; None on the last one."""


class Pages(Resource[W_co], Generic[W_co, T_co]):
    """All items of a list, asked for page by page as they are taken; can be gone through again, which asks again.

    `for item in pages` in a blocking client, `async for item in pages` in an asynchronous one.
    """

    def __init__(
        self,
        connection: Connection,
        path: str,
        kind: type[T_co] | Mapping[str, type[Any]],
        query: Mapping[str, object],
    ) -> None:
        self._world: W_co = connection.world  # type: ignore[assignment]  # a client makes both for one world
        self._connection = connection
        self._path = path
        self._kind = kind
        self._query = query

    @operation
    async def page(self, cursor: str | None = None) -> Page[T_co]:
        """One page: the first one, or the one that `next_cursor` of another names."""
        return await self._read(cursor)

    @operation
    async def all(self) -> tuple[T_co, ...]:
        """Every item, once the last page is there."""
        return await self._read_all()

    def __iter__(self: Pages[Blocking, T_co]) -> Iterator[T_co]:
        """Every item, in a blocking client."""
        if not isinstance(self._world, Blocking):
            raise TypeError("these pages are of an AsyncClient: use `async for`")
        cursor: str | None = None
        while True:
            page = run_to_end(self._read(cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    async def __aiter__(self: Pages[Asynchronous, T_co]) -> AsyncIterator[T_co]:
        """Every item, in an asynchronous client."""
        cursor: str | None = None
        while True:
            page = await self._read(cursor)
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _read(self, cursor: str | None) -> Page[T_co]:
        query = {**self._query, "cursor": cursor} if cursor else self._query
        answer = await self._connection.call("GET", self._path, query=query)
        kind = self._kind
        record: Callable[..., Any] = kind if isinstance(kind, type) else _kind_of(kind, answer.json)
        items = tuple(read_record(record, item) for item in take_out(answer.json, "items"))  # type: ignore[arg-type]
        return Page(items, take_out(answer.json, "next_cursor"))

    async def _read_all(self) -> tuple[T_co, ...]:
        items: list[T_co] = []
        cursor: str | None = None
        while True:
            page = await self._read(cursor)
            items += page.items
            cursor = page.next_cursor
            if cursor is None:
                return tuple(items)


def _kind_of(kinds: Mapping[str, type[Any]], json: Any) -> type[Any]:
    return kinds[take_out(json, "kind")]
