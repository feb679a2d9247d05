"""The order in which files are run leaves nothing out."""

from __future__ import annotations

from tests.file_order import spread

FLOW = [f"tests/flow/test_{number}.py" for number in range(3)]
OTHERS = [f"tests/domain/test_{number}.py" for number in range(9)]


def test_every_file_is_run_once() -> None:
    assert sorted(spread([*OTHERS, *FLOW, *OTHERS])) == sorted([*OTHERS, *FLOW])


def test_files_of_a_kind_stay_in_their_order() -> None:
    order = spread([*OTHERS, *FLOW])
    assert [name for name in order if name in FLOW] == FLOW
    assert [name for name in order if name in OTHERS] == OTHERS


def test_files_that_run_a_system_lie_evenly_among_the_others() -> None:
    order = spread([*OTHERS, *FLOW])
    assert [order.index(name) for name in FLOW] == [0, 4, 8]


def test_one_kind_alone_is_left_as_it_is() -> None:
    assert (spread(FLOW), spread(OTHERS), spread([])) == (FLOW, OTHERS, [])
