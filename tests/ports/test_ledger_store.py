"""The contract of the port `LedgerStore`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.budgets import Budget, Ledger, Reservation, ReservationState, Verdict
from chalicelib.domain.ids import SubmissionId, TenantId
from chalicelib.services.ports import Due, Owner, Ports
from tests.fakes.makers import NOW

MONTH = "2026-03"
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def owner(ports: Ports) -> str:
    """A job that nobody has money set aside for."""
    return ports.ids.make("job")


def ask(
    ports: Ports,
    tenant: TenantId,
    owner: str,
    name: str,
    amount: int,
    *,
    cap: int | None = None,
    job_cap: int | None = None,
    month: str = MONTH,
) -> Verdict:
    wanted = Reservation(tenant, owner, SubmissionId(name), month, amount)
    found = ports.ledgers.reserve(wanted, default_cap_nano_usd=cap, job_cap_nano_usd=job_cap, due_at=LATER)
    return found.verdict


def test_what_is_reserved_stands_in_the_month_and_in_the_job(ports: Ports, tenant: TenantId, owner: str) -> None:
    assert ask(ports, tenant, owner, "analyze", 70) is Verdict.RESERVED
    assert ask(ports, tenant, owner, "finish", 5) is Verdict.RESERVED
    assert ports.ledgers.get_month(tenant, MONTH) == Ledger(None, 75, 0)
    assert ports.ledgers.get_total(tenant, owner) == Ledger(None, 75, 0)
    reserved = ports.ledgers.list_reservations(tenant, owner)
    assert [(one.submission_id, one.nano_usd, one.state) for one in reserved] == [
        ("analyze", 70, ReservationState.OPEN),
        ("finish", 5, ReservationState.OPEN),
    ]


def test_asking_again_for_the_same_submission_counts_once(ports: Ports, tenant: TenantId, owner: str) -> None:
    verdicts = [ask(ports, tenant, owner, "analyze", 70, cap=100) for _ in range(3)]
    assert (verdicts, ports.ledgers.get_month(tenant, MONTH)) == ([Verdict.RESERVED] * 3, Ledger(100, 70, 0))


def test_a_month_never_goes_over_its_cap(ports: Ports, tenant: TenantId, owner: str) -> None:
    assert ask(ports, tenant, owner, "a", 60, cap=100) is Verdict.RESERVED
    assert ask(ports, tenant, owner, "b", 41, cap=100) is Verdict.OVER_MONTH
    assert ask(ports, tenant, owner, "c", 40, cap=100) is Verdict.RESERVED
    assert ask(ports, tenant, ports.ids.make("job"), "d", 1, cap=100) is Verdict.OVER_MONTH
    assert ports.ledgers.get_month(tenant, MONTH) == Ledger(100, 100, 0)


def test_a_job_never_goes_over_its_own_cap(ports: Ports, tenant: TenantId, owner: str) -> None:
    assert ask(ports, tenant, owner, "a", 60, job_cap=100) is Verdict.RESERVED
    assert ask(ports, tenant, owner, "b", 41, job_cap=100) is Verdict.OVER_JOB
    assert ask(ports, tenant, ports.ids.make("job"), "b", 41, job_cap=100) is Verdict.RESERVED
    assert ports.ledgers.get_total(tenant, owner) == Ledger(100, 60, 0)


def test_settling_commits_a_part_and_frees_the_rest_once(ports: Ports, tenant: TenantId, owner: str) -> None:
    ask(ports, tenant, owner, "a", 60, cap=100)
    [reserved] = ports.ledgers.list_reservations(tenant, owner)
    ports.ledgers.settle(reserved, 20)
    assert ports.ledgers.settle(reserved, 20) is False
    assert ports.ledgers.get_month(tenant, MONTH) == Ledger(100, 0, 20)
    assert ports.ledgers.get_total(tenant, owner) == Ledger(None, 0, 20)
    assert ask(ports, tenant, owner, "b", 80, cap=100) is Verdict.RESERVED
    settled, _ = ports.ledgers.list_reservations(tenant, owner)
    assert settled == replace(reserved, state=ReservationState.SETTLED, committed_nano_usd=20)


def test_what_was_settled_is_not_reserved_again(ports: Ports, tenant: TenantId, owner: str) -> None:
    ask(ports, tenant, owner, "a", 60)
    ports.ledgers.settle(ports.ledgers.list_reservations(tenant, owner)[0], 60)
    ask(ports, tenant, owner, "a", 60)
    assert ports.ledgers.get_month(tenant, MONTH) == Ledger(None, 0, 60)


def test_a_cap_that_is_set_holds_from_then_on(ports: Ports, tenant: TenantId, owner: str) -> None:
    ask(ports, tenant, owner, "a", 60)
    ports.ledgers.set_budget(tenant, Budget(50), MONTH, 50)
    assert ask(ports, tenant, owner, "b", 1) is Verdict.OVER_MONTH
    ports.ledgers.set_budget(tenant, Budget(61), MONTH, 61)
    assert ask(ports, tenant, owner, "b", 1) is Verdict.RESERVED
    assert ports.ledgers.get_budget(tenant) == Budget(61)


def test_a_new_month_begins_with_the_cap_of_the_budget(ports: Ports, tenant: TenantId, owner: str) -> None:
    ports.ledgers.set_budget(tenant, Budget(50), MONTH, 50)
    assert ask(ports, tenant, owner, "a", 50, cap=10) is Verdict.RESERVED
    assert ask(ports, tenant, owner, "b", 51, cap=10, month="2026-04") is Verdict.OVER_MONTH
    assert ask(ports, tenant, owner, "b", 50, cap=10, month="2026-04") is Verdict.RESERVED
    assert ports.ledgers.get_month(tenant, "2026-04") == Ledger(50, 50, 0)


def test_a_budget_that_was_taken_back_leaves_the_default(ports: Ports, tenant: TenantId, owner: str) -> None:
    ports.ledgers.set_budget(tenant, Budget(50), MONTH, 50)
    ports.ledgers.set_budget(tenant, Budget(None), MONTH, None)
    assert ports.ledgers.get_budget(tenant) == Budget()
    assert ask(ports, tenant, owner, "a", 10**15) is Verdict.RESERVED


def test_an_owner_is_due_until_nothing_of_it_is_reserved(ports: Ports, tenant: TenantId, owner: str) -> None:
    due = Due(Owner(tenant, owner), is_costs=True)
    ask(ports, tenant, owner, "a", 60)
    ports.ledgers.rest(tenant, owner)
    assert due not in ports.due.list_due(LATER - timedelta(seconds=1), 100)
    assert due in ports.due.list_due(LATER, 100)
    ports.due.postpone(due, LATER + timedelta(minutes=5))
    assert due not in ports.due.list_due(LATER, 100)
    ports.ledgers.settle(ports.ledgers.list_reservations(tenant, owner)[0], 60)
    ports.ledgers.rest(tenant, owner)
    assert due not in ports.due.list_due(LATER + timedelta(days=1), 100)


def test_another_tenant_has_ledgers_of_its_own(ports: Ports, tenant: TenantId, owner: str) -> None:
    ask(ports, tenant, owner, "a", 60)
    stranger = TenantId(ports.ids.make("ten"))
    assert ports.ledgers.get_month(stranger, MONTH) is None
    assert list(ports.ledgers.list_reservations(stranger, owner)) == []
