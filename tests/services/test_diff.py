"""Diffs: the sums of a walk are those of looking at every pair, however it is split and whatever it leaves unread."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.diff import NO_DIFF, Diff
from chalicelib.domain.jobs import Job
from chalicelib.services.diff import DiffQuery, diff_jobs
from tests.services.diff_archive import DiffArchive

MAX_CALLS = 2000
seeds = st.integers(0, 2**32)


def sum_of(
    archive: DiffArchive,
    query: DiffQuery,
    *,
    ranges: int = 7,
    budget: int = 1_000_000,
    jobs: tuple[Job, Job] | None = None,
) -> Diff:
    """The sum of all calls."""
    a, b = jobs or (archive.a.job, archive.b.job)
    total, cursor = NO_DIFF, None
    for _ in range(MAX_CALLS):
        diff, cursor = diff_jobs(archive.ports, a, b, cursor, query=query, ranges=ranges, blocks_budget=budget)
        total += diff
        if cursor is None:
            return total
    raise AssertionError(f"the diff did not end in {MAX_CALLS} calls")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=seeds, ranges=st.sampled_from([1, 3, 60]), budget=st.sampled_from([1, 2, 5, 1_000_000]))
def test_the_sums_are_those_of_looking_at_every_pair(seed: int, ranges: int, budget: int) -> None:
    archive = DiffArchive(seed)
    query = archive.draw_query()
    assert sum_of(archive, query, ranges=ranges, budget=budget) == archive.answer(query, ranges)
