"""Who subscribed to what, and what a publication sends them.

As in AppSync: a subscription is fed by mutations, filtered by its arguments, and gets of the mutation's answer what it
selected itself; a field that the mutation did not select is null.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.appsync.execution import Caller, Engine, Json, Operation, Refusal, to_answer


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription that was let in."""

    field: str
    arguments: Mapping[str, Any]
    operation: Operation
    caller: Caller
    send: Callable[[Json], None]
    """Takes an answer; must not wait for the subscriber."""


class Broker:
    """All subscriptions of the API."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._by_number: dict[int, Subscription] = {}
        self._last_number = 0
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many there are."""
        with self._lock:
            return len(self._by_number)

    def add(self, subscription: Subscription) -> int:
        """Begin to send; the number under which it can be removed."""
        with self._lock:
            self._last_number += 1
            self._by_number[self._last_number] = subscription
            return self._last_number

    def remove(self, number: int) -> None:
        """Send no more."""
        with self._lock:
            self._by_number.pop(number, None)

    def publish(self, mutation: str, payload: Mapping[str, Any]) -> None:
        """Send the answer of a mutation to whoever subscribed to it."""
        fed = set(self._engine.sdl.subscriptions_of(mutation))
        with self._lock:
            wanted = [one for one in self._by_number.values() if one.field in fed]
        for one in wanted:
            if all(payload.get(name) == value for name, value in one.arguments.items() if value is not None):
                one.send(to_answer(self._engine.run(one.operation, one.caller, {one.field: dict(payload)})))


def authorize(engine: Engine, operation: Operation, caller: Caller) -> tuple[str, Mapping[str, Any]]:
    """Field and arguments of a subscription, after its resolver has let the caller in.

    Raises:
        Refusal: it did not, or there is not exactly one field.
    """
    if operation.kind != "subscription" or len(operation.fields) != 1:
        raise Refusal("BadRequestException", "a subscription must select exactly one field of Subscription")
    (node,) = operation.fields
    arguments = engine.read_arguments(node, "Subscription", operation.values)
    engine.call_function(caller, "Subscription", node.name.value, arguments)
    return node.name.value, arguments
