"""A clock that a test moves, and ids in the order in which they are made."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from chalicelib.domain.errors import Unauthenticated
from chalicelib.domain.ids import RANDOM_BYTES, make_id
from chalicelib.services.ports import Claims

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeClock:
    """The port `Clock`: stands still until it is moved."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class SequentialIds:
    """The port `Ids`: the random part counts up."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)

    def make(self, prefix: str) -> str:
        milliseconds = int(self._clock.now().timestamp() * 1000)
        return make_id(prefix, milliseconds, next(self._numbers).to_bytes(RANDOM_BYTES, "big"))


class FakeTokenVerifier:
    """The port `TokenVerifier`: knows the tokens that it was given."""

    def __init__(self) -> None:
        self.claims_by_token: dict[str, Claims] = {}

    def verify(self, token: str) -> Claims:
        if token not in self.claims_by_token:
            raise Unauthenticated("the token is not known")
        return self.claims_by_token[token]
