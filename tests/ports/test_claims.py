"""The claim protocol: two workers and the service, in any order, with leases that run out and replies that are lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from chalicelib.contracts.claims import CLOCK_SKEW_SECONDS
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.units import Lane, Unit, UnitKind, UnitState
from tests.ports.claim_sides import LEASE_SECONDS, Sides, SidesInMemory, SidesOnAws
from tests.ports.deployments import EveryReplyLost

WORKERS = st.sampled_from(["batch-1", "batch-2"])
# Seeds are fixed, so that what fails here fails for everybody. Over HTTP shrinking would take minutes.
ON_AWS = settings(max_examples=12, stateful_step_count=20, deadline=None, derandomize=True, phases=[Phase.generate])
IN_MEMORY = settings(max_examples=100, stateful_step_count=40, deadline=None, derandomize=True)


class ClaimProtocol(RuleBasedStateMachine):
    """Holds what the segment's item must be against what it is, after every step."""

    make_sides: Callable[[Callable[[], float]], Sides]

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000.0
        self.sides: Sides = type(self).make_sides(lambda: self.now)
        self.claim_by_worker: dict[str, Any] = {}
        self.holder: str | None = None
        """The worker whose last claim holds the segment."""
        self.ended_by: tuple[str, UnitState] | None = None
        """Who ended the segment by the claim that it still has, and how."""
        self.commits = 0
        self.names = 0
        self.expected = self.stored()
        self.seen = self.expected
        """What the service read last; it may have become old since."""

    def stored(self) -> Unit:
        unit = self.sides.units.get(self.sides.owner, UnitKind.SEGMENT)
        assert unit is not None
        return unit

    @rule(seconds=st.sampled_from([1.0, LEASE_SECONDS, LEASE_SECONDS + CLOCK_SKEW_SECONDS + 1]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(worker=WORKERS)
    def claim(self, worker: str) -> None:
        unit = self.expected
        is_stale = unit.state is UnitState.CLAIMED and unit.lease_until < self.now - CLOCK_SKEW_SECONDS
        may_claim = (unit.state is UnitState.OPEN or is_stale) and unit.attempt < unit.attempts_allowed
        claim = self.sides.claim(worker)
        assert (claim is not None) == may_claim
        if claim is None:
            return
        fence = self.stored().fence
        assert fence not in ("", unit.fence), "every claim has a fence of its own"
        self.claim_by_worker[worker], self.holder, self.ended_by = claim, worker, None
        self.expected = replace(
            unit,
            state=UnitState.CLAIMED,
            attempt=unit.attempt + 1,
            fence=fence,
            lease_until=self.now + LEASE_SECONDS,
            claimed_by=worker,
            claimed_for=unit.submission,
        )

    @precondition(lambda self: self.claim_by_worker)
    @rule(worker=WORKERS)
    def heartbeat(self, worker: str) -> None:
        if worker in self.claim_by_worker:
            assert self.sides.keep(self.claim_by_worker[worker]) == (self.holder == worker)
        if self.holder == worker:
            self.expected = replace(self.expected, lease_until=self.now + LEASE_SECONDS)

    @precondition(lambda self: self.claim_by_worker)
    @rule(worker=WORKERS, state=st.sampled_from([UnitState.DONE, UnitState.FAILED]))
    def end_work(self, worker: str, state: UnitState) -> None:
        if worker not in self.claim_by_worker:
            return
        # Said again, as after a lost reply, the same end by the same claim is a success that changes nothing.
        is_said_again = self.ended_by == (worker, state) and self.expected.state is state
        assert self.sides.end(self.claim_by_worker[worker], state) == (self.holder == worker or is_said_again)
        if self.holder == worker:
            self.ended_by = (worker, state)
            if state is UnitState.DONE:
                self.commits += 1
            self.expected = replace(self.expected, state=state, lease_until=0.0)
            self.holder = None

    @precondition(lambda self: self.claim_by_worker)
    @rule(worker=WORKERS, is_drained=st.booleans())
    def release(self, worker: str, is_drained: bool) -> None:
        if worker not in self.claim_by_worker:
            return
        assert self.sides.release(self.claim_by_worker[worker], is_drained=is_drained) == (self.holder == worker)
        if self.holder == worker:
            allowed = self.expected.attempts_allowed + int(is_drained)
            self.expected = replace(self.expected, state=UnitState.OPEN, attempts_allowed=allowed, lease_until=0.0)
            self.holder = None

    @rule()
    def service_looks(self) -> None:
        self.seen = self.stored()

    @rule(wants_blame=st.booleans())
    def service_requeues(self, wants_blame: bool) -> None:
        if self.seen.is_terminal:
            return
        blame = int(wants_blame and not self.seen.is_exhausted(1))
        submission = SubmissionId(self.new_name("sub"))
        is_done = self.sides.units.requeue(
            self.sides.owner, self.seen, submission=submission, child=1, lane=Lane.CPU, blame=blame, failure=None
        )
        assert is_done == self.is_as_seen()
        if is_done:
            self.expected = replace(
                self.expected,
                state=UnitState.OPEN,
                attempt=self.seen.attempt + blame,
                fence="",
                lease_until=0.0,
                submission=submission,
                child=1,
                lane=Lane.CPU,
            )
            self.holder = None

    @rule(state=st.sampled_from([UnitState.FAILED, UnitState.CANCELLED]))
    def service_ends(self, state: UnitState) -> None:
        if self.seen.is_terminal:
            return
        fence = self.new_name("fnc")
        is_done = self.sides.units.end(self.sides.owner, self.seen, state=state, fence=fence, failure=None)
        assert is_done == self.is_as_seen()
        if is_done:
            self.expected = replace(self.expected, state=state, fence=fence, lease_until=0.0)
            self.holder = self.ended_by = None

    @rule()
    def service_retries(self) -> None:
        submission = SubmissionId(self.new_name("retry"))
        self.sides.units.reopen(self.sides.owner, submission=submission, children=1, lane=Lane.CPU, attempts=3)
        if self.expected.state in (UnitState.FAILED, UnitState.OPEN):
            self.expected = replace(
                self.expected,
                state=UnitState.OPEN,
                fence="",
                lease_until=0.0,
                submission=submission,
                child=0,
                attempts_allowed=self.expected.attempt + 3,
            )

    def new_name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}_{self.names}"

    def is_as_seen(self) -> bool:
        seen, unit = self.seen, self.expected
        return (seen.state, seen.fence, seen.attempt) == (unit.state, unit.fence, unit.attempt)

    @invariant()
    def the_item_is_what_the_rules_say(self) -> None:
        # Why the last attempt ended is told by other tests.
        assert replace(self.stored(), failure=None) == replace(self.expected, failure=None)

    @invariant()
    def markers_tell_what_is_open_and_what_failed(self) -> None:
        expected = {"OPEN"} if not self.expected.is_terminal else {"FAILED"} & {self.expected.state.value}
        assert self.sides.markers() == expected

    @invariant()
    def attempts_stay_within_what_is_allowed(self) -> None:
        assert self.stored().attempt <= self.stored().attempts_allowed

    @invariant()
    def only_the_one_commit_is_readable(self) -> None:
        assert self.commits <= 1
        assert (self.sides.fence_of_commit() is None) == (self.commits == 0)

    def teardown(self) -> None:
        if self.commits:
            assert self.stored().state is UnitState.DONE, "what is committed stays"


def test_the_protocol_holds_in_memory() -> None:
    class InMemory(ClaimProtocol):
        make_sides = SidesInMemory

    run_state_machine_as_test(InMemory, settings=IN_MEMORY)


@pytest.mark.usefixtures("stack")
def test_the_protocol_holds_on_aws() -> None:
    class OnAws(ClaimProtocol):
        make_sides = SidesOnAws

    run_state_machine_as_test(OnAws, settings=ON_AWS)


@pytest.mark.usefixtures("stack")
def test_the_protocol_holds_when_every_reply_is_lost() -> None:
    class RepliesLost(ClaimProtocol):
        @staticmethod
        def make_sides(now: Callable[[], float]) -> Sides:
            return SidesOnAws(now, EveryReplyLost)

    run_state_machine_as_test(RepliesLost, settings=ON_AWS)
