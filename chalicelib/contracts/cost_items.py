"""Items of budgets and rates in table `meta`, both ways.

    BUDGET        monthly_nano (NO_CAP for none)
    LEDGER        cap_nano (NO_CAP for none), reserved_nano, committed_nano, used_nano = reserved + committed
    TOTAL         likewise, of one video or job; due while anything of it is reserved
    RESERVATION   month, amount_nano, state, committed_nano; one for each submission
    RATE          observations (JSON: [job id, seconds, amount] each), revision

Amounts are nano-dollars. `used_nano` is there for the conditions of writes, which cannot add.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.domain.budgets import Ledger, Reservation, ReservationState
from chalicelib.domain.ids import SubmissionId, TenantId
from chalicelib.domain.rates import Observation, Observations

NO_CAP = -1
KEPT_DAYS = 400
"""A settled reservation stays for the year's accounts."""


def cap_to_number(cap_nano_usd: int | None) -> int:
    """A cap as an attribute."""
    return NO_CAP if cap_nano_usd is None else cap_nano_usd


def cap_from_number(number: int) -> int | None:
    """A cap from an attribute."""
    return None if number == NO_CAP else number


def ledger_from_item(item: Item | None) -> Ledger | None:
    """The ledger of a LEDGER or TOTAL item."""
    if item is None:
        return None
    return Ledger(
        cap_from_number(int(item.get("cap_nano", NO_CAP))),
        int(item.get("reserved_nano", 0)),
        int(item.get("committed_nano", 0)),
    )


def reservation_to_item(reservation: Reservation) -> Item:
    """RESERVATION."""
    return {
        **table_keys.reservation_key(reservation.tenant, reservation.owner, reservation.submission_id),
        "kind": "RESERVATION",
        "month": reservation.month,
        "amount_nano": reservation.nano_usd,
        "state": reservation.state,
        "committed_nano": reservation.committed_nano_usd,
    }


def reservation_from_item(tenant: TenantId, owner: str, item: Item) -> Reservation:
    """The reservation of a RESERVATION item."""
    return Reservation(
        tenant=tenant,
        owner=owner,
        submission_id=SubmissionId(item["sk"].partition("#")[2]),
        month=item["month"],
        nano_usd=int(item["amount_nano"]),
        state=ReservationState(item["state"]),
        committed_nano_usd=int(item["committed_nano"]),
    )


def kept_until(month: str) -> int:
    """When a settled reservation of that month expires, in epoch seconds."""
    start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    return int((start + timedelta(days=KEPT_DAYS)).timestamp())


def observations_to_text(observations: Observations) -> str:
    """Observations as an attribute: one string, which DynamoDB stores smaller than a list of lists."""
    rows = [[item.job_id, round(item.seconds, 6), round(item.amount, 3)] for item in observations.items]
    return json.dumps(rows, separators=(",", ":"))


def observations_from_text(text: str) -> Observations:
    """Observations from an attribute."""
    return Observations(tuple(Observation(job_id, float(s), float(n)) for job_id, s, n in json.loads(text)))
