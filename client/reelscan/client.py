"""The two clients: the same parts, in two worlds."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

import anyio
import httpx

from reelscan.connection import Connection, Retries
from reelscan.pages import Pages
from reelscan.records import Health
from reelscan.resources.base import Part
from reelscan.resources.budget import BudgetOfMonth
from reelscan.resources.campaigns import Campaigns
from reelscan.resources.exports import Exports
from reelscan.resources.jobs import FOUND_BY_KIND, FoundItem, Jobs
from reelscan.resources.models import Models
from reelscan.resources.pipelines import Pipelines
from reelscan.resources.renditions import Renditions
from reelscan.resources.versions import Versions
from reelscan.resources.videos import Videos
from reelscan.resources.webhooks import Webhooks
from reelscan.worlds import Asynchronous, Blocking, World, operation

W_co = TypeVar("W_co", bound=World, covariant=True)

LOCAL_URL = "http://127.0.0.1:8080"
"""Where `make local` has its stack."""

API_TIMEOUT = httpx.Timeout(60.0)
STORAGE_TIMEOUT = httpx.Timeout(60.0, write=300.0)
"""A part may be large and a line slow: only silence counts as failure."""


class _Parts(Part[W_co], Generic[W_co]):
    """What both clients have."""

    videos: Videos[W_co]
    jobs: Jobs[W_co]
    exports: Exports[W_co]
    renditions: Renditions[W_co]
    models: Models[W_co]
    pipelines: Pipelines[W_co]
    versions: Versions[W_co]
    campaigns: Campaigns[W_co]
    webhooks: Webhooks[W_co]
    budget: BudgetOfMonth[W_co]

    def __init__(self, world: W_co, base_url: str | None, token: str | None, retries: Retries) -> None:
        url = base_url or os.environ.get("REELSCAN_URL") or LOCAL_URL
        connection = Connection(world, url, token or os.environ.get("REELSCAN_TOKEN", ""), retries)
        super().__init__(connection)
        self.base_url = connection.base_url
        self.videos = Videos(connection)
        self.jobs = Jobs(connection)
        self.exports = Exports(connection)
        self.renditions = Renditions(connection)
        self.models = Models(connection)
        self.pipelines = Pipelines(connection)
        self.versions = Versions(connection)
        self.campaigns = Campaigns(connection)
        self.webhooks = Webhooks(connection)
        self.budget = BudgetOfMonth(connection)

    def search(self, q: str, *, limit: int | None = None) -> Pages[W_co, FoundItem]:
        """The answer to a question in the query language, across all videos."""
        return self._pages("/search", FOUND_BY_KIND, {"q": q, "limit": limit})

    @operation
    async def health(self) -> Health:
        """That the service answers, and which version it is; needs no token."""
        return await self._connection.get("/health", Health)

    @operation
    async def close(self) -> None:
        """Close the connections."""
        await self._world.close()


class Client(_Parts[Blocking]):
    """A deployment, as one tenant; every call blocks until its answer is there. Threads may share it.

        with Client("https://api.example.com", token) as client:
            uploaded = client.videos.upload("street.mp4", analyze={"models": ["nanodet-g"]})

    `base_url` and `token` unset are `REELSCAN_URL` (else the local stack) and `REELSCAN_TOKEN`. `transport`, `sleep`
    and `now` are for tests.
    """

    def __init__(
        self,
        base_url: str | None = None,
        token: str | None = None,
        *,
        retries: Retries = Retries(),  # noqa: B008 - frozen
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        trusted = _trusted(transport)
        api = httpx.Client(timeout=API_TIMEOUT, transport=transport, verify=trusted)
        storage = httpx.Client(timeout=STORAGE_TIMEOUT, transport=transport, verify=trusted)
        super().__init__(Blocking(api, storage, sleep, now), base_url, token, retries)

    def __enter__(self) -> Self:
        """Nothing is sent yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()


class AsyncClient(_Parts[Asynchronous]):
    """The same deployment for asyncio or trio: every call is awaited, every list gone through with `async for`.

    async with AsyncClient("https://api.example.com", token) as client:
        uploaded = await client.videos.upload("street.mp4", analyze={"models": ["nanodet-g"]})
    """

    def __init__(
        self,
        base_url: str | None = None,
        token: str | None = None,
        *,
        retries: Retries = Retries(),  # noqa: B008 - frozen
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        trusted = _trusted(transport)
        api = httpx.AsyncClient(timeout=API_TIMEOUT, transport=transport, verify=trusted)
        storage = httpx.AsyncClient(timeout=STORAGE_TIMEOUT, transport=transport, verify=trusted)
        super().__init__(Asynchronous(api, storage, sleep, now), base_url, token, retries)

    async def __aenter__(self) -> Self:
        """Nothing is sent yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()


def _trusted(transport: object) -> ssl.SSLContext | bool:
    """Whom both connections of a client trust: read once, as that takes 20 ms; a transport of a test's own decides."""
    return True if transport is not None else httpx.create_ssl_context()
