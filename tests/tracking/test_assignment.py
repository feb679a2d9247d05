from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from gpu_batch.tracking.assignment import assign

# Eighths: ties are frequent, and sums are exact.
benefits = st.tuples(st.integers(0, 5), st.integers(0, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-4, 8).map(lambda eighths: eighths / 8))
)


def best_total(benefit: NDArray[np.float64]) -> float:
    """By trying everything: each row takes a column or one of as many ways to stay alone."""
    rows, columns = benefit.shape
    padded = np.concatenate([np.maximum(benefit, 0.0), np.zeros((rows, rows))], axis=1)
    return max(
        (
            sum(float(padded[row, column]) for row, column in enumerate(choice))
            for choice in permutations(range(columns + rows), rows)
        ),
        default=0.0,
    )


@given(benefits.filter(lambda benefit: benefit.shape[0] <= 4))
def test_total_benefit_is_the_best_there_is(benefit: NDArray[np.float64]) -> None:
    rows, columns = assign(benefit)
    assert float(benefit[rows, columns].sum()) == best_total(benefit)


@given(benefits)
def test_nothing_is_paired_twice_or_at_a_loss(benefit: NDArray[np.float64]) -> None:
    rows, columns = assign(benefit)
    assert len(set(rows.tolist())) == len(rows) == len(set(columns.tolist()))
    assert (benefit[rows, columns] > 0).all()
    assert rows.tolist() == sorted(rows.tolist())


def test_a_crowd_is_assigned_as_well_as_its_transpose() -> None:
    benefit = np.random.default_rng(1).integers(-8, 64, (60, 45)) / 64
    rows, columns = assign(benefit)
    columns_turned, rows_turned = assign(benefit.T)
    assert benefit[rows, columns].sum() == benefit[rows_turned, columns_turned].sum()


def test_the_greedy_choice_gives_way_to_the_better_total() -> None:
    rows, columns = assign(np.array([[0.9, 0.8], [0.8, 0.0]]))
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])
