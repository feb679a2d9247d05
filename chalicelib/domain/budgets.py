"""Money that is set aside before it is spent: prices of submissions, reservations, and the ledgers that cap them.

What a submission may cost at the model's prices is reserved before Batch hears of it, and committed when it is over: as
much of it as was really started. `reserved + committed` of a month, and of a job, never exceed their caps.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from chalicelib.domain.ids import SubmissionId, TenantId
from chalicelib.domain.prices import NANO

MAX_USD = 1_000_000
"""Of a cap: far below what a float tells to the nano-dollar."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a submission may cost, in nano-dollars: each of its children, once."""

    child_nano_usd: int = 0
    """Of starting one child."""
    units_nano_usd: int = 0
    """Of all its units together; each is taken for as dear as the others."""
    finish_nano_usd: int = 0
    """Of the finish that comes after it, paid ahead: what was analysed can always be finished."""

    def __post_init__(self) -> None:
        if min(self.child_nano_usd, self.units_nano_usd, self.finish_nano_usd) < 0:
            raise ValueError(f"a price must be 0 or more but got {self}")

    def total(self, children: int) -> int:
        """Nano-dollars when everything is done once."""
        return self.child_nano_usd * children + self.units_nano_usd + self.finish_nano_usd

    def started(self, children: Sequence[Sequence[int]], units: Collection[int], *, is_finish_started: bool) -> int:
        """Nano-dollars of these units (by index) and of the children that have one of them; never above the total."""
        count = sum(len(child) for child in children)
        claimed = sum(index in units for child in children for index in child)
        begun = sum(any(index in units for index in child) for child in children)
        # Rounded up, so that what was started is never taken for cheaper than it is.
        work = -(-self.units_nano_usd * claimed // count) if count else 0
        return self.child_nano_usd * begun + work + (self.finish_nano_usd if is_finish_started else 0)

    def to_json(self) -> list[int]:
        """Its numbers, in order."""
        return [self.child_nano_usd, self.units_nano_usd, self.finish_nano_usd]

    @staticmethod
    def from_json(numbers: Sequence[int]) -> Price:
        """What `to_json` wrote."""
        return Price(*map(int, numbers))


FREE = Price()
"""Of what was paid for before."""


class ReservationState(StrEnum):
    """Whether it is over."""

    OPEN = "OPEN"
    SETTLED = "SETTLED"


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one submission may cost."""

    tenant: TenantId
    owner: str
    """The video or job that it is for."""
    submission_id: SubmissionId
    month: str
    """As 2026-11: that in which the submission was recorded, whenever it is sent."""
    nano_usd: int
    state: ReservationState = ReservationState.OPEN
    committed_nano_usd: int = 0
    """Once settled: how much of it was started."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a month of a tenant, or a job, may cost and has cost; in nano-dollars."""

    cap_nano_usd: int | None = None
    """None: as much as is asked for."""
    reserved_nano_usd: int = 0
    committed_nano_usd: int = 0

    @property
    def used_nano_usd(self) -> int:
        """Spent, or set aside."""
        return self.reserved_nano_usd + self.committed_nano_usd

    @property
    def left_nano_usd(self) -> int | None:
        """What may still be reserved; None without a cap, and 0 when the cap was lowered below what is used."""
        return None if self.cap_nano_usd is None else max(0, self.cap_nano_usd - self.used_nano_usd)

    def allows(self, nano_usd: int) -> bool:
        """Whether so much more may be reserved."""
        return self.left_nano_usd is None or nano_usd <= self.left_nano_usd


class Verdict(StrEnum):
    """What came of asking for money."""

    RESERVED = "RESERVED"
    """Now, or by an earlier try."""
    OVER_MONTH = "OVER_MONTH"
    """The tenant's cap of the month does not allow it."""
    OVER_JOB = "OVER_JOB"
    """The job's own cap does not allow it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What came of asking for money, and the ledgers as they were looked at."""

    verdict: Verdict
    month: Ledger
    total: Ledger
    """Of the video or job."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a tenant set for its months."""

    monthly_nano_usd: int | None = None
    """None: as the deployment has it."""

    def cap(self, default_nano_usd: int | None) -> int | None:
        """What a month may cost where the deployment allows so much."""
        return default_nano_usd if self.monthly_nano_usd is None else self.monthly_nano_usd


def month_of(moment: datetime) -> str:
    """The month that something recorded then is charged to, in UTC."""
    return f"{moment:%Y-%m}"


def dollars(nano_usd: int) -> float:
    """For people and JSON."""
    return nano_usd / NANO


def nano_usd(dollars: float) -> int:
    """Whole nano-dollars, rounded down: a cap is never raised by rounding."""
    return int(Decimal(str(dollars)) * NANO)


def text_of(amount_nano_usd: int) -> str:
    """An amount for people: `$0.0123`."""
    return f"${dollars(amount_nano_usd):.9f}".rstrip("0").rstrip(".")
