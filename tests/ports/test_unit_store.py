"""The contract of the port `UnitStore`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.ids import SubmissionId, TenantId
from chalicelib.domain.side_steps import SideStep, StepName
from chalicelib.domain.units import MAX_ATTEMPTS, Lane, Unit, UnitKind, UnitState
from chalicelib.services.ports import Due, Owner, Ports
from tests.fakes.makers import A_FAILURE, NOW, make_segment, make_unit

ANOTHER = SubmissionId("another")


@pytest.fixture
def owner(ports: Ports, tenant: TenantId) -> Owner:
    return Owner(tenant, ports.ids.make("job"))


def add(ports: Ports, owner: Owner, count: int) -> list[Unit]:
    units = [make_unit(index=index, child=index % 2, lane=Lane.GPU) for index in range(count)]
    ports.units.add_segments(owner, [(make_segment(unit.index), unit) for unit in units])
    return units


def end(ports: Ports, owner: Owner, unit: Unit, state: UnitState) -> bool:
    return ports.units.end(owner, unit, state=state, fence=ports.ids.make("fnc"), failure=A_FAILURE)


def requeue(ports: Ports, owner: Owner, unit: Unit, blame: int = 0) -> bool:
    return ports.units.requeue(owner, unit, submission=ANOTHER, child=3, lane=Lane.CPU, blame=blame, failure=A_FAILURE)


def test_what_was_added_is_what_is_read(ports: Ports, owner: Owner) -> None:
    unit = make_unit(index=2, attempt=1, fence="f", lease_until=1.5, claimed_by="batch", child=3, failure=A_FAILURE)
    ports.units.add_segments(owner, [(make_segment(2), unit)])
    assert list(ports.units.list_segments(owner, -1, 10)) == [(make_segment(2), unit)]


def test_a_unit_that_was_never_added_is_none(ports: Ports, owner: Owner) -> None:
    assert ports.units.get(owner, UnitKind.SEGMENT, 0) is None


def test_adding_again_leaves_what_is_there_and_adds_what_is_not(ports: Ports, owner: Owner) -> None:
    units = add(ports, owner, 2)
    end(ports, owner, units[0], UnitState.FAILED)
    add(ports, owner, 3)
    states = [unit.state for _, unit in ports.units.list_segments(owner, -1, 10)]
    assert states == [UnitState.FAILED, UnitState.OPEN, UnitState.OPEN]


def test_a_late_second_run_of_a_plan_opens_no_segment_that_has_ended(ports: Ports, owner: Owner) -> None:
    units = add(ports, owner, 2)
    for unit in units:
        end(ports, owner, unit, UnitState.CANCELLED)
    add(ports, owner, 2)
    assert not ports.units.has_open(owner)


def test_more_segments_than_a_transaction_holds_are_all_there(ports: Ports, owner: Owner) -> None:
    units = add(ports, owner, 123)
    assert [unit for _, unit in ports.units.list_segments(owner, -1, 500)] == units
    assert ports.units.count(owner) == (123, 0)


def test_segments_are_listed_in_order_page_by_page(ports: Ports, owner: Owner) -> None:
    units = add(ports, owner, 12)
    first = [unit for _, unit in ports.units.list_segments(owner, -1, 5)]
    rest = [unit for _, unit in ports.units.list_segments(owner, 4, 100)]
    assert (first, rest) == (units[:5], units[5:])


@pytest.mark.parametrize(
    ("pts", "index"), [(-1, 0), (0, 0), (1999, 0), (2000, 1), (9_999, 4), (13_999, 6), (99_999, 6)]
)
def test_the_segment_of_a_moment_is_the_last_that_has_started(ports: Ports, owner: Owner, pts: int, index: int) -> None:
    add(ports, owner, 7)
    assert ports.units.find_segment(owner, 7, pts) == index


def test_open_segments_are_those_that_are_not_terminal(ports: Ports, owner: Owner) -> None:
    units = add(ports, owner, 4)
    end(ports, owner, units[1], UnitState.FAILED)
    end(ports, owner, units[2], UnitState.CANCELLED)
    assert list(ports.units.list_open(owner)) == [units[0], units[3]]
    assert ports.units.count(owner) == (2, 1)


def test_nothing_is_open_once_all_have_ended(ports: Ports, owner: Owner) -> None:
    units = add(ports, owner, 2)
    before = ports.units.has_open(owner)
    for unit in units:
        end(ports, owner, unit, UnitState.FAILED)
    assert (before, ports.units.has_open(owner)) == (True, False)


def test_a_step_is_no_segment(ports: Ports, owner: Owner) -> None:
    ports.units.open_step(owner, make_unit(UnitKind.FINISH))
    assert (ports.units.has_open(owner), ports.units.count(owner)) == (False, (0, 0))


def test_a_step_is_opened_once(ports: Ports, owner: Owner) -> None:
    step = make_unit(UnitKind.PROBE, submission=SubmissionId("probe"))
    opened = [ports.units.open_step(owner, step), ports.units.open_step(owner, step)]
    assert opened == [True, False]
    assert ports.units.get(owner, UnitKind.PROBE) == step


def test_a_step_that_is_open_is_not_replaced(ports: Ports, owner: Owner) -> None:
    step = make_unit(UnitKind.FINISH, submission=SubmissionId("finish-4"))
    ports.units.open_step(owner, step)
    assert not ports.units.open_step(owner, replace(step, submission=ANOTHER))
    assert ports.units.get(owner, UnitKind.FINISH) == step


def test_a_step_that_ended_is_opened_for_another_round(ports: Ports, owner: Owner) -> None:
    step = make_unit(UnitKind.FINISH, submission=SubmissionId("finish-4"))
    ports.units.open_step(owner, step)
    end(ports, owner, step, UnitState.FAILED)
    assert ports.units.open_step(owner, replace(step, submission=ANOTHER))


def test_a_step_that_ended_is_not_opened_again_for_its_own_round(ports: Ports, owner: Owner) -> None:
    step = make_unit(UnitKind.FINISH, submission=SubmissionId("finish-4"))
    ports.units.open_step(owner, step)
    requeue(ports, owner, step)
    requeued = ports.units.get(owner, UnitKind.FINISH)
    assert requeued is not None
    end(ports, owner, requeued, UnitState.FAILED)
    assert not ports.units.open_step(owner, step)


def test_requeueing_hands_a_unit_to_another_submission(ports: Ports, owner: Owner) -> None:
    claimed = make_unit(state=UnitState.CLAIMED, attempt=1, fence="f", lease_until=9.0, claimed_by="batch")
    ports.units.add_segments(owner, [(make_segment(0), claimed)])
    assert requeue(ports, owner, claimed)
    expected = replace(
        claimed, state=UnitState.OPEN, fence="", lease_until=0.0, submission=ANOTHER, child=3, failure=A_FAILURE
    )
    assert ports.units.get(owner, UnitKind.SEGMENT, 0) == expected


def test_blame_counts_as_an_attempt(ports: Ports, owner: Owner) -> None:
    (unit,) = add(ports, owner, 1)
    requeue(ports, owner, unit, blame=1)
    blamed = ports.units.get(owner, UnitKind.SEGMENT, 0)
    assert blamed is not None
    assert blamed.attempt == 1


@pytest.mark.parametrize("change", [{"fence": "newer"}, {"attempt": 2}, {"state": UnitState.CLAIMED}])
def test_a_unit_that_is_not_as_it_was_seen_is_neither_requeued_nor_ended(
    ports: Ports, owner: Owner, change: dict[str, object]
) -> None:
    stored = make_unit(fence="f", attempt=1)
    ports.units.add_segments(owner, [(make_segment(0), stored)])
    seen = replace(stored, **change)  # type: ignore[arg-type]
    done = [requeue(ports, owner, seen), end(ports, owner, seen, UnitState.FAILED)]
    assert done == [False, False]
    assert ports.units.get(owner, UnitKind.SEGMENT, 0) == stored


def test_a_unit_that_is_gone_is_neither_requeued_nor_ended(ports: Ports, owner: Owner) -> None:
    unit = make_unit()
    done = [requeue(ports, owner, unit), end(ports, owner, unit, UnitState.FAILED)]
    assert (done, ports.units.get(owner, UnitKind.SEGMENT, 0), ports.units.count(owner)) == ([False] * 2, None, (0, 0))


def test_ending_sets_state_fence_and_cause(ports: Ports, owner: Owner) -> None:
    (unit,) = add(ports, owner, 1)
    assert ports.units.end(owner, unit, state=UnitState.FAILED, fence="mine", failure=A_FAILURE)
    expected = replace(unit, state=UnitState.FAILED, fence="mine", failure=A_FAILURE)
    assert ports.units.get(owner, UnitKind.SEGMENT, 0) == expected


def test_a_unit_is_not_ended_twice(ports: Ports, owner: Owner) -> None:
    (unit,) = add(ports, owner, 1)
    ended = [end(ports, owner, unit, UnitState.FAILED), end(ports, owner, unit, UnitState.CANCELLED)]
    assert ended == [True, False]
    assert ports.units.count(owner) == (0, 1)


def test_reopening_takes_the_failed_and_the_open_and_no_others(ports: Ports, owner: Owner) -> None:
    units = add(ports, owner, 5)
    end(ports, owner, units[1], UnitState.FAILED)
    end(ports, owner, units[2], UnitState.CANCELLED)
    end(ports, owner, units[4], UnitState.FAILED)
    indices = ports.units.reopen(owner, submission=ANOTHER, children=2, lane=Lane.CPU, attempts=3)
    assert (list(indices), ports.units.count(owner)) == ([0, 1, 3, 4], (4, 0))


def test_a_reopened_segment_has_attempts_left_and_no_past(ports: Ports, owner: Owner) -> None:
    unit = make_unit(attempt=3, attempts_allowed=3)
    ports.units.add_segments(owner, [(make_segment(0), unit)])
    end(ports, owner, unit, UnitState.FAILED)
    ports.units.reopen(owner, submission=ANOTHER, children=2, lane=Lane.CPU, attempts=MAX_ATTEMPTS)
    expected = replace(unit, attempts_allowed=6, submission=ANOTHER)
    assert list(ports.units.list_segments(owner, -1, 10)) == [(make_segment(0), expected)]


def test_reopened_segments_are_dealt_out_in_turn(ports: Ports, owner: Owner) -> None:
    for unit in add(ports, owner, 5):
        end(ports, owner, unit, UnitState.FAILED)
    ports.units.reopen(owner, submission=ANOTHER, children=2, lane=Lane.CPU, attempts=1)
    assert [unit.child for unit in ports.units.list_open(owner)] == [0, 1, 0, 1, 0]


def test_a_claimed_segment_keeps_its_claim_when_others_are_reopened(ports: Ports, owner: Owner) -> None:
    claimed = make_unit(state=UnitState.CLAIMED, fence="f", attempt=1, lease_until=9.0)
    ports.units.add_segments(owner, [(make_segment(0), claimed)])
    ports.units.reopen(owner, submission=ANOTHER, children=1, lane=Lane.CPU, attempts=3)
    assert ports.units.get(owner, UnitKind.SEGMENT, 0) == claimed


def make_step(kind: UnitKind = UnitKind.EXPORT, name: str = "exp_1", **changes: Any) -> SideStep:
    unit = make_unit(kind, submission=SubmissionId(f"{kind.lower()}-{name}"), name=name)
    later = NOW + timedelta(hours=1)
    return SideStep(
        **{
            "unit": unit,
            "parameters": {"n": 1.5, "of": ["a"]},
            "created_at": NOW,
            "deadline_at": later,
            "job_finished_at": NOW,
            **changes,
        }
    )


def is_due(ports: Ports, owner: Owner, step: SideStep) -> bool:
    return Due(owner, step.step_name) in ports.due.list_due(NOW + timedelta(minutes=1), 1000)


def test_a_side_step_that_was_added_is_what_is_read(ports: Ports, owner: Owner) -> None:
    step = make_step()
    added = [ports.units.add_side_step(owner, step, NOW), ports.units.add_side_step(owner, step, NOW)]
    assert added == [True, False]
    assert ports.units.get_side_step(owner, step.step_name) == step


def test_side_steps_are_listed_by_kind_and_name(ports: Ports, owner: Owner) -> None:
    steps = [make_step(UnitKind.TRACKS, name) for name in ("0002", "0001")]
    for step in [*steps, make_step()]:
        ports.units.add_side_step(owner, step, NOW)
    assert list(ports.units.list_side_steps(owner, UnitKind.TRACKS)) == [steps[1], steps[0]]
    assert list(ports.units.list_side_steps(Owner(owner.tenant, ports.ids.make("job")), UnitKind.TRACKS)) == []


def test_a_side_step_is_no_segment_and_no_step_of_the_job(ports: Ports, owner: Owner) -> None:
    ports.units.add_side_step(owner, make_step(), NOW)
    assert (ports.units.has_open(owner), ports.units.count(owner)) == (False, (0, 0))
    assert ports.units.get(owner, UnitKind.FINISH) is None


def test_a_side_step_is_due_by_itself_until_it_ends(ports: Ports, owner: Owner) -> None:
    step = make_step()
    ports.units.add_side_step(owner, step, NOW)
    due = [is_due(ports, owner, step)]
    ports.due.postpone(Due(owner, step.step_name), NOW + timedelta(minutes=2))
    due.append(is_due(ports, owner, step))
    ports.due.postpone(Due(owner, step.step_name), NOW)
    end(ports, owner, step.unit, UnitState.FAILED)
    due.append(is_due(ports, owner, step))
    ports.due.postpone(Due(owner, step.step_name), NOW)
    assert [*due, is_due(ports, owner, step)] == [True, False, False, False]


def test_a_side_step_is_requeued_and_ended_like_any_unit(ports: Ports, owner: Owner) -> None:
    step = make_step()
    ports.units.add_side_step(owner, step, NOW)
    ports.units.add_side_step(owner, make_step(name="exp_2"), NOW)
    assert requeue(ports, owner, step.unit)
    requeued = replace(step.unit, submission=ANOTHER, child=3, failure=A_FAILURE)
    assert ports.units.get_side_step(owner, step.step_name) == replace(step, unit=requeued)
    assert ports.units.end(owner, requeued, state=UnitState.FAILED, fence="mine", failure=None)
    ended = replace(requeued, state=UnitState.FAILED, fence="mine", failure=None)
    assert ports.units.get_side_step(owner, step.step_name) == replace(step, unit=ended)
    assert ports.units.get_side_step(owner, StepName(UnitKind.EXPORT, "exp_2")) == make_step(name="exp_2")


def test_a_side_step_that_was_dropped_is_gone_and_not_due(ports: Ports, owner: Owner) -> None:
    step = make_step()
    ports.units.add_side_step(owner, step, NOW)
    ports.units.drop_side_step(owner, step.step_name)
    assert ports.units.get_side_step(owner, step.step_name) is None
    assert (is_due(ports, owner, step), end(ports, owner, step.unit, UnitState.FAILED)) == (False, False)


def test_a_video_has_side_steps_beside_its_probe(ports: Ports) -> None:
    owner = Owner(TenantId("acme"), ports.ids.make("vid"))
    step = make_step(UnitKind.RENDITION, "ren_1", job_finished_at=None)
    ports.units.open_step(owner, make_unit(UnitKind.PROBE))
    ports.units.add_side_step(owner, step, NOW)
    assert list(ports.units.list_side_steps(owner, UnitKind.RENDITION)) == [step]
    assert (is_due(ports, owner, step), ports.units.get(owner, UnitKind.PROBE)) == (True, make_unit(UnitKind.PROBE))
    assert end(ports, owner, step.unit, UnitState.CANCELLED)
    assert not is_due(ports, owner, step)


def test_two_owners_do_not_see_each_other(ports: Ports, owner: Owner) -> None:
    add(ports, owner, 2)
    other = Owner(owner.tenant, ports.ids.make("job"))
    assert (ports.units.count(other), list(ports.units.list_segments(other, -1, 10))) == ((0, 0), [])
