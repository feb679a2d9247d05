"""How one implementation serves a blocking and an asynchronous client.

Everything of this package that sends or waits is written once, as `async def`. What differs between the two clients is
the *world* that such a coroutine runs in:

* in the `Blocking` world nothing ever suspends: requests, pauses and file reads block the thread, so the coroutine runs
  from its first to its last line in one go, and the caller gets its value;
* in the `Asynchronous` world the same coroutine is handed to the caller, who awaits it (under asyncio or trio).

`operation` is the one place where a method is given one face or the other; type checkers see both faces.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from functools import partial, update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

import anyio
import anyio.to_thread
import httpx

T = TypeVar("T")
P = ParamSpec("P")
Work = Callable[[], Coroutine[Any, Any, None]]


class World(Protocol):
    """What a coroutine of this package may wait for."""

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The answer of the service, read to its end."""

    async def store(self, request: httpx.Request) -> httpx.Response:
        """The answer of S3, whose body is still to be read: it must never see the token."""

    async def pieces(self, response: httpx.Response, take: Callable[[bytes], None]) -> None:
        """Give the body of an answer to `take`, piece by piece, and close it."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""

    async def in_thread(self, work: Callable[[], T]) -> T:
        """The result of work that reads files or computes for longer than a moment."""

    async def all_of(self, works: Sequence[Work], stop: Callable[[], None]) -> None:
        """Do all of these at once; when one fails, or the caller is interrupted, `stop` tells the others to end."""

    def now(self) -> float:
        """Seconds of a clock that never goes back."""

    async def close(self) -> None:
        """Close the connections."""


W_co = TypeVar("W_co", bound=World, covariant=True)


class Blocking:
    """The world of `Client`: every wait blocks the thread."""

    def __init__(
        self, api: httpx.Client, storage: httpx.Client, sleep: Callable[[float], None], now: Callable[[], float]
    ) -> None:
        self._api = api
        self._storage = storage
        self._sleep = sleep
        self.now = now

    async def send(self, request: httpx.Request) -> httpx.Response:
        """See `World`."""
        return self._api.send(request)

    async def store(self, request: httpx.Request) -> httpx.Response:
        """See `World`."""
        return self._storage.send(request, stream=True)

    async def pieces(self, response: httpx.Response, take: Callable[[bytes], None]) -> None:
        """See `World`."""
        with closing(response):
            for piece in response.iter_bytes():
                take(piece)

    async def sleep(self, seconds: float) -> None:
        """See `World`."""
        self._sleep(seconds)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """See `World`: this is a thread."""
        return work()

    async def all_of(self, works: Sequence[Work], stop: Callable[[], None]) -> None:
        """See `World`: a thread for each."""
        with ThreadPoolExecutor(len(works) or 1) as pool:
            try:
                outcomes = [pool.submit(_run, work) for work in works]
                for outcome in as_completed(outcomes):
                    outcome.result()
            except BaseException:
                stop()
                raise

    async def close(self) -> None:
        """See `World`."""
        self._api.close()
        self._storage.close()


class Asynchronous:
    """The world of `AsyncClient`: every wait lets others run."""

    def __init__(
        self,
        api: httpx.AsyncClient,
        storage: httpx.AsyncClient,
        sleep: Callable[[float], Awaitable[None]],
        now: Callable[[], float],
    ) -> None:
        self._api = api
        self._storage = storage
        self._sleep = sleep
        self.now = now

    async def send(self, request: httpx.Request) -> httpx.Response:
        """See `World`."""
        return await self._api.send(request)

    async def store(self, request: httpx.Request) -> httpx.Response:
        """See `World`."""
        return await self._storage.send(request, stream=True)

    async def pieces(self, response: httpx.Response, take: Callable[[bytes], None]) -> None:
        """See `World`."""
        try:
            async for piece in response.aiter_bytes():
                take(piece)
        finally:
            await response.aclose()

    async def sleep(self, seconds: float) -> None:
        """See `World`."""
        await self._sleep(seconds)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """See `World`."""
        return await anyio.to_thread.run_sync(work)

    async def all_of(self, works: Sequence[Work], stop: Callable[[], None]) -> None:
        """See `World`: a task for each."""
        try:
            async with anyio.create_task_group() as group:
                for work in works:
                    group.start_soon(work)
        except BaseExceptionGroup as failed:
            # One error is what the caller can answer; the others are mostly its consequences.
            raise failed.exceptions[0] from None
        finally:
            stop()

    async def close(self) -> None:
        """See `World`."""
        await self._api.aclose()
        await self._storage.aclose()


def run_to_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """The value of a coroutine of the blocking world."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise RuntimeError("a coroutine of the blocking world must not suspend")


def _run(work: Work) -> None:
    run_to_end(work())


class Resource(Generic[W_co]):
    """A part of a client: methods that are `operation`s, in the world of that client."""

    _world: W_co


R = TypeVar("R", bound=Resource[Any])


class operation(Generic[R, P, T]):  # noqa: N801 - reads as the decorator that it is
    """Makes a coroutine function a method that blocks in a blocking client and is awaited in an asynchronous one."""

    def __init__(self, function: Callable[Concatenate[R, P], Coroutine[Any, Any, T]]) -> None:
        self._function = function
        update_wrapper(self, function)  # type: ignore[arg-type]  # it is no function, but is documented like one

    @overload
    def __get__(self, resource: None, owner: type) -> operation[R, P, T]: ...

    @overload
    def __get__(self, resource: Resource[Blocking], owner: type) -> Callable[P, T]: ...

    @overload
    def __get__(self, resource: Resource[Asynchronous], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, resource: Any, owner: type) -> Any:
        """The method, bound to its resource."""
        if resource is None:
            return self
        bound = partial(self._function, resource)
        if not isinstance(resource._world, Blocking):
            return update_wrapper(bound, self._function)

        def blocking(*arguments: P.args, **options: P.kwargs) -> T:
            return run_to_end(bound(*arguments, **options))

        return update_wrapper(blocking, self._function)
