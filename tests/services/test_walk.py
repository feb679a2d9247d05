"""Walks: whatever the budget, the pages together are the answer, and a page never stays where it began."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.services.results import DetectionQuery, row_filter_of
from chalicelib.services.rows import Row
from chalicelib.services.walk import Walk
from tests.services.archive import TIMEBASE, Archive

MAX_PAGES = 2000


def walk_of(archive: Archive, query: DetectionQuery, budget: int) -> Walk:
    video = archive.ports.videos.get(archive.job.tenant, archive.job.video_id)
    assert video is not None
    row_filter = row_filter_of(archive.ports, archive.job, query, TIMEBASE)
    return Walk(archive.ports, archive.job, video, row_filter, blocks_budget=budget)


def pages_of(archive: Archive, query: DetectionQuery, budget: int) -> list[list[Row]]:
    """The rows of one walk after the other, until one comes to the end."""
    pages: list[list[Row]] = []
    position: list[Any] | None = None
    while len(pages) < MAX_PAGES:
        walk = walk_of(archive, query, budget)
        pages.append(list(walk.rows(position)))
        if not walk.is_exhausted:
            return pages
        assert walk.position != position
        position = walk.position
    raise AssertionError(f"the walk did not end in {MAX_PAGES} pages")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), segments=st.integers(1, 8), budget=st.integers(1, 9))
def test_walks_of_any_budget_give_together_what_one_gives(seed: int, segments: int, budget: int) -> None:
    archive = Archive(seed, segments=segments)
    query = archive.draw_query()
    (whole,) = pages_of(archive, query, 1_000_000)
    assert [row for page in pages_of(archive, query, budget) for row in page] == whole
    assert len(whole) == len(archive.answer(query))


def test_a_walk_stops_where_its_budget_ends_and_not_before() -> None:
    archive = Archive(7, segments=12, failed=False)
    everything = DetectionQuery(score_min=0.0)
    pages = pages_of(archive, everything, 5)
    assert len(pages) > 5
    assert all(pages[:-1])
