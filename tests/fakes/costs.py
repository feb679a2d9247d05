"""Budgets and rates in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from chalicelib.domain.budgets import Budget, Decision, Ledger, Reservation, ReservationState, Verdict
from chalicelib.domain.ids import TenantId
from chalicelib.domain.rates import Observation, Observations
from chalicelib.services.ports import Due, Owner
from tests.fakes.memory import Memory


@dataclass
class FakeLedgerStore:
    """The port `LedgerStore`."""

    memory: Memory
    budgets: dict[TenantId, Budget] = field(default_factory=dict)
    months: dict[tuple[TenantId, str], Ledger] = field(default_factory=dict)
    totals: dict[tuple[TenantId, str], Ledger] = field(default_factory=dict)
    reservations: dict[tuple[TenantId, str, str], Reservation] = field(default_factory=dict)

    def get_budget(self, tenant: TenantId) -> Budget:
        return self.budgets.get(tenant, Budget())

    def set_budget(self, tenant: TenantId, budget: Budget, month: str, cap_nano_usd: int | None) -> None:
        self.budgets[tenant] = budget
        self.months[tenant, month] = replace(self.months.get((tenant, month), Ledger()), cap_nano_usd=cap_nano_usd)

    def get_month(self, tenant: TenantId, month: str) -> Ledger | None:
        return self.months.get((tenant, month))

    def get_total(self, tenant: TenantId, owner: str) -> Ledger:
        return self.totals.get((tenant, owner), Ledger())

    def reserve(
        self,
        reservation: Reservation,
        *,
        default_cap_nano_usd: int | None,
        job_cap_nano_usd: int | None,
        due_at: datetime,
    ) -> Decision:
        tenant, owner, amount = reservation.tenant, reservation.owner, reservation.nano_usd
        cap = self.get_budget(tenant).cap(default_cap_nano_usd)
        month = self.months.get((tenant, reservation.month), Ledger(cap))
        total = replace(self.get_total(tenant, owner), cap_nano_usd=job_cap_nano_usd)
        if (tenant, owner, reservation.submission_id) in self.reservations:
            return Decision(Verdict.RESERVED, month, total)
        if not month.allows(amount):
            return Decision(Verdict.OVER_MONTH, month, total)
        if not total.allows(amount):
            return Decision(Verdict.OVER_JOB, month, total)
        self.months[tenant, reservation.month] = _moved(month, amount, 0)
        self.totals[tenant, owner] = _moved(total, amount, 0)
        self.reservations[tenant, owner, reservation.submission_id] = reservation
        self.memory.due.setdefault(Due(Owner(tenant, owner), is_costs=True), due_at)
        return Decision(Verdict.RESERVED, month, total)

    def settle(self, reservation: Reservation, committed_nano_usd: int) -> bool:
        tenant, owner = reservation.tenant, reservation.owner
        stored = self.reservations[tenant, owner, reservation.submission_id]
        if stored.state is ReservationState.SETTLED:
            return False
        month = self.months[tenant, reservation.month]
        self.months[tenant, reservation.month] = _moved(month, -reservation.nano_usd, committed_nano_usd)
        self.totals[tenant, owner] = _moved(self.totals[tenant, owner], -reservation.nano_usd, committed_nano_usd)
        self.reservations[tenant, owner, reservation.submission_id] = replace(
            stored, state=ReservationState.SETTLED, committed_nano_usd=committed_nano_usd
        )
        return True

    def list_reservations(self, tenant: TenantId, owner: str) -> Sequence[Reservation]:
        return [found for key, found in sorted(self.reservations.items()) if key[:2] == (tenant, owner)]

    def rest(self, tenant: TenantId, owner: str) -> None:
        if self.get_total(tenant, owner).reserved_nano_usd == 0:
            self.memory.due.pop(Due(Owner(tenant, owner), is_costs=True), None)


@dataclass
class FakeRateStore:
    """The port `RateStore`."""

    rates: dict[TenantId, dict[str, Observations]] = field(default_factory=dict)

    def get(self, tenant: TenantId) -> Mapping[str, Observations]:
        return dict(self.rates.get(tenant, {}))

    def add(self, tenant: TenantId, seen: Mapping[str, Observation]) -> None:
        of_tenant = self.rates.setdefault(tenant, {})
        for name, observation in seen.items():
            of_tenant[name] = of_tenant.get(name, Observations()).add(observation)


def _moved(ledger: Ledger, reserved: int, committed: int) -> Ledger:
    return replace(
        ledger,
        reserved_nano_usd=ledger.reserved_nano_usd + reserved,
        committed_nano_usd=ledger.committed_nano_usd + committed,
    )
