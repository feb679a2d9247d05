"""Budgets and measured rates, as the use cases need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from chalicelib.domain.budgets import Budget, Decision, Ledger, Reservation
from chalicelib.domain.ids import TenantId
from chalicelib.domain.rates import Observation, Observations


class LedgerStore(Protocol):
    """BUDGET, LEDGER, TOTAL and RESERVATION items."""

    def get_budget(self, tenant: TenantId) -> Budget:
        """What the tenant set; nothing, when it never did."""
        ...

    def set_budget(self, tenant: TenantId, budget: Budget, month: str, cap_nano_usd: int | None) -> None:
        """Replace it, and with it the cap of that month, at once; months before keep theirs."""
        ...

    def get_month(self, tenant: TenantId, month: str) -> Ledger | None:
        """The tenant's ledger of a month; None when nothing was reserved in it, nor its cap set."""
        ...

    def get_total(self, tenant: TenantId, owner: str) -> Ledger:
        """The ledger of a video or job, over all months; its cap is that of the last reservation."""
        ...

    def reserve(
        self,
        reservation: Reservation,
        *,
        default_cap_nano_usd: int | None,
        job_cap_nano_usd: int | None,
        due_at: datetime,
    ) -> Decision:
        """Set the money aside in both ledgers, or in none; asking again for the same submission changes nothing.

        A month that nothing was reserved in yet gets the cap of the tenant's budget, or else the default; one that has
        its cap keeps it. The owner is due at `due_at` (`Due.is_costs`) until everything is settled.

        Raises:
            DependencyFailed: too many others reserve for this tenant at this moment.
        """
        ...

    def settle(self, reservation: Reservation, committed_nano_usd: int) -> bool:
        """Commit so much of an open reservation, and free the rest; False when it was settled before."""
        ...

    def list_reservations(self, tenant: TenantId, owner: str) -> Sequence[Reservation]:
        """All of a video or job, by submission."""
        ...

    def rest(self, tenant: TenantId, owner: str) -> None:
        """The owner is due no longer, if nothing of it is reserved."""
        ...


class RateStore(Protocol):
    """RATE items: what the last jobs of a tenant took."""

    def get(self, tenant: TenantId) -> Mapping[str, Observations]:
        """By name of the rate."""
        ...

    def add(self, tenant: TenantId, seen: Mapping[str, Observation]) -> None:
        """What one job took, by name; telling it again changes nothing."""
        ...
