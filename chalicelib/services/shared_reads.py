"""Reads that several callers share: whoever asks again within a second is given what was read for the first.

One process has one of these. It bounds what many clients that poll the same thing cost: one read per process and
second, whatever their number. What this process changes itself is dropped at once; what another process changed is
seen when the time is over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any, TypeVar

Value = TypeVar("Value")

MAX_KEPT = 1000
"""Answers kept in one process; beyond them the one that was asked for longest ago is dropped."""


@dataclass(slots=True)
class _Answer:
    lock: Lock = field(default_factory=Lock)
    read_at: datetime | None = None
    value: Any = None


class SharedReads:
    """Answers by key, each good for `seconds`; 0 keeps nothing."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()

    def get(self, key: Hashable, now: datetime, read: Callable[[], Value]) -> Value:
        """What `read` gave within the last `seconds`, by this call or another one.

        Calls of other threads with the same key wait for the one that reads. What `read` raises is raised here, and
        nothing is kept of it.
        """
        if not self._seconds:
            return read()
        answer = self._answer(key)
        with answer.lock:
            age = None if answer.read_at is None else (now - answer.read_at).total_seconds()
            # A clock that was put back must not keep an answer for ever.
            if age is None or not 0 <= age < self._seconds:
                answer.value, answer.read_at = read(), now
            value: Value = answer.value
            return value

    def forget(self, key: Hashable) -> None:
        """Read it anew next time: this process has just changed it."""
        with self._lock:
            self._answers.pop(key, None)

    def _answer(self, key: Hashable) -> _Answer:
        with self._lock:
            answer = self._answers.setdefault(key, _Answer())
            self._answers.move_to_end(key)
            if len(self._answers) > MAX_KEPT:
                self._answers.popitem(last=False)
            return answer
