"""The two sides of the claim protocol over one segment: two workers and the service, in memory or on AWS."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Protocol

from chalicelib.adapters import clients
from chalicelib.adapters.table import Table
from chalicelib.adapters.unit_store import DynamoUnitStore
from chalicelib.contracts import table_keys
from chalicelib.contracts.claims import UnitKey
from chalicelib.domain.ids import TenantId
from chalicelib.domain.units import UnitKind, UnitState
from chalicelib.services.ports import Owner, UnitStore
from chalicelib.settings import read_settings
from gpu_batch.aws import Claim, Cloud, Superseded
from tests.fakes.make import make_fakes
from tests.fakes.makers import make_segment, make_unit

LEASE_SECONDS = 30.0
_numbers = itertools.count()


class Sides(Protocol):
    """One segment, as those who work on it see it. A claim is whatever `claim` gave."""

    owner: Owner
    units: UnitStore

    def claim(self, worker: str) -> Any: ...
    def keep(self, claim: Any) -> bool: ...
    def release(self, claim: Any, *, is_drained: bool) -> bool: ...
    def end(self, claim: Any, state: UnitState) -> bool: ...
    def fence_of_commit(self) -> str | None: ...
    def markers(self) -> set[str]: ...


class SidesInMemory:
    """On the fakes."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._fakes = make_fakes()
        self._committed: str | None = None
        self.owner = Owner(TenantId("acme"), "job_1")
        self.units: UnitStore = self._fakes.ports.units
        self.units.add_segments(self.owner, [(make_segment(0), make_unit())])

    def claim(self, worker: str) -> str | None:
        now, claims = self._now(), self._fakes.claims
        return claims.claim(self.owner, UnitKind.SEGMENT, 0, claimed_by=worker, now=now, lease_seconds=LEASE_SECONDS)

    def keep(self, claim: str) -> bool:
        claims = self._fakes.claims
        return claims.keep(self.owner, UnitKind.SEGMENT, 0, claim, now=self._now(), lease_seconds=LEASE_SECONDS)

    def release(self, claim: str, *, is_drained: bool) -> bool:
        return self._fakes.claims.release(self.owner, UnitKind.SEGMENT, 0, claim, refund=int(is_drained))

    def end(self, claim: str, state: UnitState) -> bool:
        has_ended = self._fakes.claims.end(self.owner, UnitKind.SEGMENT, 0, claim, state)
        if has_ended and state is UnitState.DONE:
            self._committed = claim
        return has_ended

    def fence_of_commit(self) -> str | None:
        return self._committed

    def markers(self) -> set[str]:
        still_open, failed = self.units.count(self.owner)
        return {name for name, count in (("OPEN", still_open), ("FAILED", failed)) if count}


class SidesOnAws:
    """On the adapters of the service and the worker's own module; each of these has a partition of its own."""

    def __init__(self, now: Callable[[], float], wrap: Callable[[Any], Any] = lambda client: client) -> None:
        settings = read_settings()
        client = wrap(clients.dynamodb())
        self._meta = Table(client, settings.meta_table)
        self._cloud = _CloudOf(client, settings.meta_table, settings.results_table, settings.bucket, now)
        self.owner = Owner(TenantId("acme"), f"job_{next(_numbers)}")
        self._pk = table_keys.partition(self.owner.tenant, self.owner.name)
        self.units: UnitStore = DynamoUnitStore(self._meta)
        self.units.add_segments(self.owner, [(make_segment(0), make_unit())])

    def claim(self, worker: str) -> Claim | None:
        key = UnitKey(self._pk, UnitKind.SEGMENT, 0)
        return self._cloud.claim(key, claimed_by=worker, lease_seconds=LEASE_SECONDS)

    def keep(self, claim: Claim) -> bool:
        try:
            self._cloud.keep(claim, lease_seconds=LEASE_SECONDS)
        except Superseded:
            return False
        return True

    def release(self, claim: Claim, *, is_drained: bool) -> bool:
        before = self.units.get(self.owner, UnitKind.SEGMENT)
        self._cloud.release(claim, is_drained=is_drained, failure={"code": "INTERNAL", "detail": "d", "hint": "h"})
        return self.units.get(self.owner, UnitKind.SEGMENT) != before

    def end(self, claim: Claim, state: UnitState) -> bool:
        more = []
        if state is UnitState.DONE:
            item = {"pk": self._pk, "sk": table_keys.index_entry(0), "fence": claim.fence}
            more.append(self._cloud.put_entry(self._cloud.results_table, item))
        try:
            self._cloud.end(claim, state, more=more)
        except Superseded:
            return False
        return True

    def fence_of_commit(self) -> str | None:
        item = self._cloud.get(self._cloud.results_table, self._pk, table_keys.index_entry(0))
        return item["fence"] if item else None

    def markers(self) -> set[str]:
        items = self._meta.query(self._pk)
        return {item["kind"] for item in items if item["sk"].startswith(("OPEN#", "FAILED#"))}


class _CloudOf(Cloud):
    """The worker's module with a client of ours."""

    def __init__(self, client: Any, *names: Any) -> None:
        super().__init__(*names)
        self._dynamodb = client
