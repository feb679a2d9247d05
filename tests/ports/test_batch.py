"""The contract of the port `Batch`; the workers of this stack sleep until they are stopped."""

from __future__ import annotations

import pytest

from chalicelib.adapters.batch import SHARES, share_of
from chalicelib.domain.ids import TenantId
from chalicelib.domain.units import Lane
from chalicelib.services.ports import ChildState, Owner, Ports
from infra.local.batch_api import SHARE
from tests.fakes.makers import make_submission
from tests.local.toys import wait_until

ORDER = "s3://bucket/order"


@pytest.fixture
def owner(ports: Ports, tenant: TenantId) -> Owner:
    return Owner(tenant, ports.ids.make("job"))


def test_a_submission_with_several_children_is_described_child_by_child(ports: Ports, owner: Owner) -> None:
    job = ports.batch.submit(make_submission(owner, children=((0,), (1,), (2,))), ORDER)
    states = ports.batch.describe(job, 3)
    ports.batch.terminate(job, "the test is over")
    assert [state in (ChildState.WAITING, ChildState.RUNNING) for state in states] == [True] * 3


def test_a_submission_with_one_child_is_a_job_of_one(ports: Ports, owner: Owner) -> None:
    job = ports.batch.submit(make_submission(owner, children=((0, 1),)), ORDER)
    states = ports.batch.describe(job, 1)
    ports.batch.terminate(job, "the test is over")
    assert [state in (ChildState.WAITING, ChildState.RUNNING) for state in states] == [True]


def test_every_submission_is_a_job_of_its_own(ports: Ports, owner: Owner) -> None:
    jobs = [ports.batch.submit(make_submission(owner, lane=lane), ORDER) for lane in (Lane.CPU, Lane.GPU, Lane.CPU)]
    for job in jobs:
        ports.batch.terminate(job, "the test is over")
    assert len(set(jobs)) == 3


def test_every_child_of_a_terminated_job_ends(ports: Ports, owner: Owner) -> None:
    job = ports.batch.submit(make_submission(owner, children=((0,), (1,))), ORDER)
    ports.batch.terminate(job, "job was cancelled")

    def have_ended() -> bool:
        return list(ports.batch.describe(job, 2)) == [ChildState.ENDED] * 2

    assert wait_until(have_ended, "the end of both children")


def test_terminating_what_has_ended_is_fine(ports: Ports, owner: Owner) -> None:
    job = ports.batch.submit(make_submission(owner, children=((0,),)), ORDER)
    for _ in range(2):
        ports.batch.terminate(job, "job was cancelled")
    assert wait_until(lambda: list(ports.batch.describe(job, 1)) == [ChildState.ENDED], "the end of the job")


def test_terminating_what_never_was_is_fine(ports: Ports) -> None:
    ports.batch.terminate("00000000-0000-0000-0000-000000000000", "job was cancelled")
    assert list(ports.batch.describe("00000000-0000-0000-0000-000000000000", 1)) == [ChildState.UNKNOWN]


def test_more_children_than_batch_describes_at_once_are_described(ports: Ports, owner: Owner) -> None:
    job = ports.batch.submit(make_submission(owner, children=tuple((i,) for i in range(130))), ORDER)
    states = ports.batch.describe(job, 130)
    ports.batch.terminate(job, "the test is over")
    assert (len(states), ChildState.UNKNOWN in states) == (130, False)


def test_tenants_are_spread_over_shares_that_batch_accepts() -> None:
    shares = {share_of(f"tenant-{number}_x") for number in range(2000)}
    assert (len(shares), all(SHARE.fullmatch(share) for share in shares)) == (SHARES, True)


def test_a_tenant_keeps_its_share() -> None:
    assert share_of("acme") == share_of("acme") != share_of("globex")
