"""Chains: every row is in one, and a thing that moves keeps its own."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given

from chalicelib.contracts.blocks import Block
from chalicelib.contracts.chains import FRAMES_APART, find_chains
from tests.contracts.block_makers import Row, a_walk, blocks, make_block


def of_frames(*frames: list[Row]) -> Block:
    return make_block(Fraction(1, 25), ["cat", "dog"], [(at, 0, at, 0, rows) for at, rows in enumerate(frames)])


def a_dog(x: int) -> Row:
    return (1, 9000, x, 0, x + 400, 400)


@given(blocks())
def test_every_row_is_in_one_chain_of_one_label_in_order(block: Block) -> None:
    chains = find_chains(block)
    assert sorted(row for rows in chains for row in rows) == list(range(len(block.row_labels)))
    assert all(rows == sorted(rows) for rows in chains)
    assert all(len({block.row_labels[row] for row in rows}) == 1 for rows in chains)


def test_things_that_cross_in_score_keep_their_chains() -> None:
    block = of_frames([a_dog(0), a_dog(5000)], [a_dog(5010), a_dog(12)], [a_dog(24), a_dog(5020)])
    assert find_chains(block) == [[0, 3, 4], [1, 2, 5]]


def test_a_thing_of_another_label_is_another_chain() -> None:
    block = of_frames([a_dog(0)], [(0, 9000, 0, 0, 400, 400)])
    assert find_chains(block) == [[1], [0]]


def test_a_thing_that_was_missed_for_a_moment_goes_on() -> None:
    block = of_frames([a_dog(0)], *[[]] * (FRAMES_APART - 2), [a_dog(10)])
    assert find_chains(block) == [[0, 1]]


def test_a_thing_that_comes_back_late_is_a_new_one() -> None:
    block = of_frames([a_dog(0)], *[[]] * FRAMES_APART, [a_dog(10)])
    assert find_chains(block) == [[0], [1]]


def test_a_thing_that_jumps_is_a_new_one() -> None:
    assert find_chains(of_frames([a_dog(0)], [a_dog(4000)])) == [[0], [1]]


def test_in_a_crowd_each_keeps_its_chain() -> None:
    places = [600 * number for number in range(60)]
    block = of_frames([a_dog(x) for x in places], [a_dog(x + 40) for x in reversed(places)])
    assert find_chains(block) == [[number, 119 - number] for number in range(60)]


def test_chains_come_by_label_and_then_by_their_first_row() -> None:
    chains = find_chains(a_walk())
    labels = [a_walk().row_labels[rows[0]] for rows in chains]
    assert labels == sorted(labels)
