from __future__ import annotations

import pytest

from chalicelib.domain.units import MAX_ATTEMPTS, Unit, UnitKind, UnitState


@pytest.mark.parametrize(
    ("state", "is_terminal"),
    [
        (UnitState.OPEN, False),
        (UnitState.CLAIMED, False),
        (UnitState.DONE, True),
        (UnitState.FAILED, True),
        (UnitState.CANCELLED, True),
    ],
)
def test_a_unit_is_terminal_when_nothing_more_can_happen(state: UnitState, is_terminal: bool) -> None:
    assert Unit(UnitKind.SEGMENT, 0, state).is_terminal is is_terminal


@pytest.mark.parametrize(
    ("attempt", "extra", "is_exhausted"), [(0, 0, False), (2, 0, False), (3, 0, True), (2, 1, True)]
)
def test_a_unit_is_exhausted_when_no_claim_is_left(attempt: int, extra: int, is_exhausted: bool) -> None:
    unit = Unit(UnitKind.SEGMENT, 0, UnitState.OPEN, attempt=attempt, attempts_allowed=MAX_ATTEMPTS)
    assert unit.is_exhausted(extra) is is_exhausted


def test_a_retried_unit_has_claims_left() -> None:
    assert not Unit(UnitKind.SEGMENT, 0, UnitState.OPEN, attempt=3, attempts_allowed=6).is_exhausted()
