"""The clock and the source of ids."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from chalicelib.domain.ids import RANDOM_BYTES, make_id
from chalicelib.services.ports import Clock


class SystemClock:
    """The port `Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class RandomIds:
    """The port `Ids`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def make(self, prefix: str) -> str:
        milliseconds = int(self._clock.now().timestamp() * 1000)
        return make_id(prefix, milliseconds, secrets.token_bytes(RANDOM_BYTES))
