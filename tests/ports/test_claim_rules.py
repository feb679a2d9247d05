"""The rules of a claim, one by one, on both sides of the protocol."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.contracts.claims import CLOCK_SKEW_SECONDS
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.units import MAX_ATTEMPTS, Lane, Unit, UnitKind, UnitState
from tests.ports.claim_sides import LEASE_SECONDS, Sides, SidesInMemory, SidesOnAws
from tests.ports.deployments import EveryReplyLost

ENDS = [UnitState.DONE, UnitState.FAILED]
AFTER_THE_LEASE = LEASE_SECONDS + CLOCK_SKEW_SECONDS + 1


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture(params=["in memory", "on AWS", "on AWS when replies are lost"])
def sides(request: pytest.FixtureRequest, watch: Watch) -> Sides:
    if request.param == "in memory":
        return SidesInMemory(watch)
    request.getfixturevalue("stack")
    return SidesOnAws(watch, EveryReplyLost) if "lost" in request.param else SidesOnAws(watch)


def stored(sides: Sides) -> Unit:
    unit = sides.units.get(sides.owner, UnitKind.SEGMENT)
    assert unit is not None
    return unit


def requeue(sides: Sides) -> bool:
    return sides.units.requeue(
        sides.owner, stored(sides), submission=SubmissionId("sub_2"), child=0, lane=Lane.CPU, blame=0, failure=None
    )


def end_from_outside(sides: Sides) -> bool:
    return sides.units.end(sides.owner, stored(sides), state=UnitState.CANCELLED, fence="outside", failure=None)


def take_over(sides: Sides, watch: Watch) -> None:
    watch.now += AFTER_THE_LEASE
    assert sides.claim("batch-2") is not None


LOSSES: dict[str, Callable[[Sides, Watch], object]] = {
    "taken over": take_over,
    "requeued": lambda sides, _: requeue(sides),
    "ended from outside": lambda sides, _: end_from_outside(sides),
}


def test_a_claim_counts_an_attempt_and_says_who_and_until_when(sides: Sides, watch: Watch) -> None:
    sides.claim("batch-1")
    unit = stored(sides)
    assert (unit.state, unit.attempt, unit.claimed_by) == (UnitState.CLAIMED, 1, "batch-1")
    assert unit.lease_until == watch.now + LEASE_SECONDS


def test_a_held_segment_is_not_to_be_had(sides: Sides, watch: Watch) -> None:
    sides.claim("batch-1")
    watch.now += LEASE_SECONDS + CLOCK_SKEW_SECONDS
    assert sides.claim("batch-2") is None


def test_a_segment_is_to_be_had_when_its_lease_ran_out(sides: Sides, watch: Watch) -> None:
    sides.claim("batch-1")
    watch.now += AFTER_THE_LEASE
    assert sides.claim("batch-2") is not None
    assert stored(sides).attempt == 2


def test_a_heartbeat_keeps_the_segment(sides: Sides, watch: Watch) -> None:
    claim = sides.claim("batch-1")
    watch.now += LEASE_SECONDS
    assert sides.keep(claim)
    watch.now += LEASE_SECONDS
    assert sides.claim("batch-2") is None


def test_nobody_claims_more_often_than_is_allowed(sides: Sides, watch: Watch) -> None:
    claims = []
    for _ in range(MAX_ATTEMPTS + 2):
        claims.append(sides.claim("batch-1"))
        watch.now += AFTER_THE_LEASE
    assert [claim is not None for claim in claims] == [True] * MAX_ATTEMPTS + [False] * 2
    assert stored(sides).attempt == MAX_ATTEMPTS


def test_a_released_segment_that_has_no_attempt_left_is_not_to_be_had(sides: Sides) -> None:
    for _ in range(MAX_ATTEMPTS):
        assert sides.release(sides.claim("batch-1"), is_drained=False)
    assert sides.claim("batch-1") is None


def test_a_drained_attempt_does_not_count(sides: Sides) -> None:
    for _ in range(MAX_ATTEMPTS + 1):
        assert sides.release(sides.claim("batch-1"), is_drained=True)
    assert sides.claim("batch-1") is not None


@pytest.mark.parametrize("state", ENDS)
def test_a_segment_that_ended_is_not_to_be_had(sides: Sides, watch: Watch, state: UnitState) -> None:
    sides.end(sides.claim("batch-1"), state)
    watch.now += AFTER_THE_LEASE
    assert sides.claim("batch-2") is None


@pytest.mark.parametrize(("state", "markers"), [(UnitState.DONE, set()), (UnitState.FAILED, {"FAILED"})])
def test_the_end_moves_the_marker(sides: Sides, state: UnitState, markers: set[str]) -> None:
    before = sides.markers()
    assert sides.end(sides.claim("batch-1"), state)
    assert (before, sides.markers()) == ({"OPEN"}, markers)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("state", ENDS)
def test_a_lost_claim_ends_nothing_and_makes_nothing_readable(
    sides: Sides, watch: Watch, loss: str, state: UnitState
) -> None:
    claim = sides.claim("batch-1")
    LOSSES[loss](sides, watch)
    before = (stored(sides), sides.markers())
    assert not sides.end(claim, state)
    assert (stored(sides), sides.markers(), sides.fence_of_commit()) == (*before, None)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_claim_is_neither_kept_nor_released(sides: Sides, watch: Watch, loss: str) -> None:
    claim = sides.claim("batch-1")
    LOSSES[loss](sides, watch)
    before = stored(sides)
    assert (sides.keep(claim), sides.release(claim, is_drained=True)) == (False, False)
    assert stored(sides) == before


def test_after_a_commit_the_same_claim_cannot_fail(sides: Sides) -> None:
    claim = sides.claim("batch-1")
    sides.end(claim, UnitState.DONE)
    assert not sides.end(claim, UnitState.FAILED)
    assert (stored(sides).state, sides.markers()) == (UnitState.DONE, set())


def test_a_commit_that_is_said_again_is_one_commit(sides: Sides) -> None:
    claim = sides.claim("batch-1")
    assert [sides.end(claim, UnitState.DONE) for _ in range(2)] == [True, True]
    assert sides.fence_of_commit() == stored(sides).fence


def test_the_service_does_not_end_what_was_committed_since_it_looked(sides: Sides) -> None:
    claim = sides.claim("batch-1")
    seen = stored(sides)
    sides.end(claim, UnitState.DONE)
    assert not sides.units.end(sides.owner, seen, state=UnitState.FAILED, fence="outside", failure=None)
    assert (stored(sides).state, sides.markers()) == (UnitState.DONE, set())


def test_the_service_does_not_requeue_what_was_claimed_since_it_looked(sides: Sides) -> None:
    seen = stored(sides)
    sides.claim("batch-1")
    requeued = sides.units.requeue(
        sides.owner, seen, submission=SubmissionId("sub_2"), child=0, lane=Lane.CPU, blame=0, failure=None
    )
    assert (requeued, stored(sides).claimed_by) == (False, "batch-1")
