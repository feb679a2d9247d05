"""The optimal one-to-one assignment on small matrices: what a tracker needs of scipy, in numpy and in a fixed order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def assign(benefit: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pairs (rows, columns) with the greatest total benefit; rows ascend, each row and column is used at most once.

    Only entries above 0 may be paired: 0 or less means "rather leave both alone". Among equal totals the answer is
    always the same one, but which is not promised. `benefit` is float64 (R, C) and finite.
    """
    is_allowed = benefit > 0
    row_degree, column_degree = is_allowed.sum(axis=1), is_allowed.sum(axis=0)
    # Most pairs in a video are each other's only candidate; they need no search.
    is_plain = is_allowed & (row_degree == 1)[:, None] & (column_degree == 1)
    rows, columns = np.nonzero(is_plain)
    hard_rows = np.flatnonzero((row_degree > 0) & ~is_plain.any(axis=1))
    if hard_rows.size:
        hard_columns = np.flatnonzero(is_allowed[hard_rows].any(axis=0))
        found_rows, found_columns = _solve(benefit[np.ix_(hard_rows, hard_columns)])
        rows = np.concatenate([rows, hard_rows[found_rows]])
        columns = np.concatenate([columns, hard_columns[found_columns]])
        order = np.argsort(rows, kind="stable")
        rows, columns = rows[order], columns[order]
    return rows, columns


def _solve(benefit: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """`assign` without the shortcut: shortest augmenting paths with potentials, O(rows² · columns).

    Source: Jonker and Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment
    problems", Computing 38, 1987; the Hungarian method in the same form.
    """
    if benefit.shape[0] > benefit.shape[1]:
        columns, rows = _solve(benefit.T)
        order = np.argsort(rows, kind="stable")
        return rows[order], columns[order]
    row_count, column_count = benefit.shape
    # Every row takes some column; one that costs 0 stands for "alone". Since benefits are cut at 0 this loses nothing.
    cost = -np.maximum(benefit, 0.0)
    row_potential = np.zeros(row_count)
    column_potential = np.zeros(column_count)
    row_of_column = np.full(column_count, -1, dtype=np.intp)
    for new_row in range(row_count):
        distance = np.full(column_count, np.inf)
        came_from = np.full(column_count, -1, dtype=np.intp)
        is_done = np.zeros(column_count, dtype=bool)
        row, column, reached = new_row, -1, 0.0
        while row >= 0:
            step = reached + cost[row] - row_potential[row] - column_potential
            is_better = ~is_done & (step < distance)
            distance[is_better] = step[is_better]
            came_from[is_better] = column
            column = int(np.argmin(np.where(is_done, np.inf, distance)))
            reached = float(distance[column])
            is_done[column] = True
            row = int(row_of_column[column])
        closed = np.flatnonzero(is_done)
        slack = reached - distance[closed]
        column_potential[closed] -= slack
        closed_rows = row_of_column[closed]
        row_potential[closed_rows[closed_rows >= 0]] += slack[closed_rows >= 0]
        row_potential[new_row] += reached
        while column >= 0:
            previous = int(came_from[column])
            row_of_column[column] = new_row if previous < 0 else row_of_column[previous]
            column = previous
    columns = np.flatnonzero(row_of_column >= 0)
    rows = row_of_column[columns]
    is_paired = benefit[rows, columns] > 0
    rows, columns = rows[is_paired], columns[is_paired]
    order = np.argsort(rows, kind="stable")
    return rows[order], columns[order]
