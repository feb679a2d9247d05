"""Asking again until something has ended."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from reelscan.connection import Connection, take_out
from reelscan.errors import WaitTimeout, problem_of
from reelscan.reading import read_record
from reelscan.records import Export, Rendition

T = TypeVar("T")
M = TypeVar("M", Export, Rendition)

MADE = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})

POLL_SECONDS = 1.0
"""When the service does not say when to ask again."""


async def wait_until(
    connection: Connection,
    path: str,
    kind: type[T],
    envelope: str,
    *,
    is_over: Callable[[T], bool],
    timeout_seconds: float | None,
    on_progress: Callable[[T], None] | None,
    poll_seconds: float | None = None,
) -> T:
    """The record, once `is_over` says so of it; `on_progress` hears of each change.

    It is asked for when the service says, or, if that is sooner, after `poll_seconds`.

    Raises:
        WaitTimeout: not within the time.
    """
    deadline = None if timeout_seconds is None else connection.world.now() + timeout_seconds
    etag, record = "", None
    while True:
        answer = await connection.call("GET", path, etag=etag)
        # 304: the service says that nothing changed, in a few bytes.
        if answer.json is not None or record is None:
            record, etag = read_record(kind, take_out(answer.json, envelope)), answer.etag
            if on_progress is not None:
                on_progress(record)
        if is_over(record):
            return record
        pause_seconds = POLL_SECONDS if answer.retry_after_seconds is None else answer.retry_after_seconds
        if poll_seconds is not None:
            pause_seconds = min(pause_seconds, poll_seconds)
        if deadline is not None and connection.world.now() + pause_seconds > deadline:
            raise WaitTimeout(
                f"{path} has not ended after {timeout_seconds:g} s: it is {getattr(record, 'state', 'under way')}",
                "It goes on: wait again, for longer",
            )
        await connection.world.sleep(pause_seconds)


async def wait_until_made(
    connection: Connection,
    path: str,
    kind: type[M],
    envelope: str,
    *,
    timeout_seconds: float | None,
    on_progress: Callable[[M], None] | None,
    poll_seconds: float | None,
) -> M:
    """The record of a file that a worker makes, once it is made.

    Raises:
        Problem: it could not be made.
        WaitTimeout: not within the time.
    """
    made = await wait_until(
        connection,
        path,
        kind,
        envelope,
        is_over=ended(MADE),
        timeout_seconds=timeout_seconds,
        on_progress=on_progress,
        poll_seconds=poll_seconds,
    )
    if made.error is not None:
        raise problem_of(made.error)
    return made


def id_of(thing: Any, field: str) -> str:
    """The id of a record, or the id itself."""
    return thing if isinstance(thing, str) else str(getattr(thing, field))


def ended(states: Collection[str]) -> Callable[[Any], bool]:
    """Whether a record is in one of these states."""
    return lambda record: record.state in states
