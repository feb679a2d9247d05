"""The calls that a whole job's one thread never makes: a heartbeat, and giving a unit back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chalicelib.contracts import table_keys
from chalicelib.contracts.claims import UnitKey
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.units import MAX_ATTEMPTS, Unit, UnitKind, UnitState
from chalicelib.services.ports import Owner
from gpu_batch.aws import Claim, Superseded
from gpu_batch.errors import Passing
from tests.faults.wire import Fault, Plan
from tests.faults.world import TENANT, Rig, a_rig

OWNER = Owner(TENANT, "vid_" + "0" * 26)
FAULTS = [Fault.REFUSED, Fault.REFUSED_ONCE, Fault.REPLY_LOST, Fault.NEVER_ANSWERED]
LEASE_SECONDS = 30.0


@pytest.fixture(scope="module")
def shared_rig() -> Iterator[Rig]:
    with a_rig() as rig:
        yield rig


@pytest.fixture
def rig(shared_rig: Rig) -> Iterator[Rig]:
    with shared_rig.world():
        yield shared_rig


def claim_probe(rig: Rig) -> Claim:
    rig.ports.units.open_step(OWNER, Unit(UnitKind.PROBE, 0, UnitState.OPEN, submission=SubmissionId("probe")))
    key = UnitKey(table_keys.partition(OWNER.tenant, OWNER.name), UnitKind.PROBE)
    claim = rig.cloud.claim(key, claimed_by="a worker", lease_seconds=LEASE_SECONDS)
    assert claim is not None
    return claim


def probe(rig: Rig) -> Unit:
    unit = rig.ports.units.get(OWNER, UnitKind.PROBE)
    assert unit is not None
    return unit


def meet(rig: Rig, fault: Fault, act: Callable[[], None]) -> None:
    """Act once under the fault; trouble that passes is the caller's to bear."""
    rig.wire.begin(Plan(0, fault))
    with rig.wire.process("worker"):
        try:
            act()
        except Passing:
            return


@pytest.mark.parametrize("fault", FAULTS)
def test_a_heartbeat_in_trouble_does_not_lose_the_claim(rig: Rig, fault: Fault) -> None:
    claim = claim_probe(rig)

    meet(rig, fault, lambda: rig.cloud.keep(claim, lease_seconds=2 * LEASE_SECONDS))

    rig.cloud.end(claim, UnitState.DONE)
    assert probe(rig).state is UnitState.DONE


def test_a_heartbeat_whose_reply_is_lost_extends_the_lease(rig: Rig) -> None:
    claim = claim_probe(rig)

    meet(rig, Fault.REPLY_LOST, lambda: rig.cloud.keep(claim, lease_seconds=2 * LEASE_SECONDS))

    assert probe(rig).lease_until == claim.item["lease_until"] + LEASE_SECONDS


@pytest.mark.parametrize("fault", FAULTS)
def test_a_drained_attempt_is_given_back_at_most_once(rig: Rig, fault: Fault) -> None:
    claim = claim_probe(rig)

    meet(rig, fault, lambda: rig.cloud.release(claim, is_drained=True, failure={}))

    assert probe(rig).attempts_allowed == MAX_ATTEMPTS + (fault is not Fault.REFUSED)


def test_what_was_given_back_unheard_cannot_be_kept(rig: Rig) -> None:
    claim = claim_probe(rig)
    meet(rig, Fault.NEVER_ANSWERED, lambda: rig.cloud.release(claim, is_drained=True, failure={}))

    with pytest.raises(Superseded):
        rig.cloud.keep(claim, lease_seconds=LEASE_SECONDS)
