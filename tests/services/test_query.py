"""Every operator of the query language equals the oracle, and no page is wrong whatever its budget."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.query import ast
from chalicelib.domain.query.format import format_query
from chalicelib.domain.query.found import Appearance, Bucket, Dwell, FoundRow, FoundTrack, Pair, Side
from chalicelib.domain.query.parse import parse_query
from chalicelib.domain.query.rows import SeenRow
from chalicelib.services.query import QueryHit, run_query
from chalicelib.services.track_batches import TRACKS_PER_BATCH
from tests.domain.query_oracle import answer
from tests.domain.query_trees import by_operator
from tests.services.query_archive import QueryArchive, archive_of

ENOUGH = 1_000_000
MAX_PAGES = 5000
OPERATORS = sorted(by_operator)


def told_row(hit: QueryHit, row: SeenRow) -> tuple[Any, ...]:
    model = hit.models[row.model_index]
    return (row.pts, row.ordinal, -row.minus_score, row.label, row.box, model, row.track_id, row.frame_index)


def told_side(hit: QueryHit, side: Side) -> tuple[Any, ...]:
    return (side.label, side.first_pts, side.track_id, None if side.row is None else told_row(hit, side.row))


def told(hit: QueryHit) -> tuple[Any, ...]:
    """The item as the oracle has it."""
    match hit.found:
        case FoundRow(row):
            return ("detection", *told_row(hit, row))
        case FoundTrack(track_id, model, label, first, last, count, score, crossed):
            return ("track", track_id, model, label, first, last, count, score, crossed)
        case Appearance(label, first, last, count, score):
            return ("appearance", label, first, last, count, score)
        case Dwell(track_id, model, label, ticks, visits, first, last):
            return ("dwell", track_id, model, label, ticks, visits, first, last)
        case Bucket(start, width, label, count):
            return ("bucket", start, width, label, count)
        case Pair(relation, left, right, first, last, distance):
            sides = told_side(hit, left), told_side(hit, right)
            return ("pair", relation.value, *sides, first, last, distance)


def walk(archive: QueryArchive, text: str, *, limit: int, budget: int) -> list[tuple[Any, ...]]:
    """The items of all pages."""
    items: list[tuple[Any, ...]] = []
    cursor = None
    for _ in range(MAX_PAGES):
        page = run_query(archive.ports, archive.job, text, limit=limit, cursor=cursor, blocks_budget=budget)
        assert len(page.items) <= limit
        items += map(told, page.items)
        if page.next_cursor is None:
            return items
        assert page.next_cursor != cursor
        cursor = page.next_cursor
    raise AssertionError(f"the walk did not end in {MAX_PAGES} pages")


def check(archive: QueryArchive, query: ast.Query, limit: int, budget: int) -> None:
    text = format_query(query)
    assert parse_query(text) == query
    whole = walk(archive, text, limit=ENOUGH, budget=ENOUGH)
    expected = answer(query, archive.told)
    if isinstance(query, ast.Pairs) and not isinstance(query.left, ast.Detections):
        # Pairs come as they become certain; the oracle looks at them in another order.
        assert sorted(whole, key=repr) == sorted(expected, key=repr)
        if isinstance(query.left, ast.Appearances) and query.relation is not ast.Relation.BEFORE:
            assert [pair[5] for pair in whole] == sorted(pair[5] for pair in whole)
    else:
        assert whole == expected
    # Of a big archive there would be a thousand of the smallest pages.
    is_big = len(archive.rows) > 200
    assert walk(archive, text, limit=max(limit, 25 * is_big), budget=max(budget, 9 * is_big)) == whole


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_equals_the_oracle_whatever_the_pages(operator: str) -> None:
    @settings(max_examples=20)
    @given(
        query=by_operator[operator],
        seed=st.integers(0, 6),
        limit=st.sampled_from([1, 2, 5, 1000]),
        budget=st.sampled_from([1, 2, 3, 8]),
    )
    def holds(query: ast.Query, seed: int, limit: int, budget: int) -> None:
        check(archive_of(seed), query, limit, budget)

    holds()


@pytest.mark.parametrize("text", ["count tracks by 50ms, label", "count tracks by 5ms", "tracks where score >= 0"])
def test_tracks_of_many_batches_and_rounds_equal_the_oracle(text: str) -> None:
    archive = archive_of(7)
    assert len(archive.tracks) > TRACKS_PER_BATCH
    check(archive, parse_query(text), 50, 20)


@pytest.mark.parametrize(
    "text",
    [
        'appearances where label = "dog" overlaps appearances where label = "person" gap 100ms',
        'appearances where label = "dog" during appearances where label != "dog" gap 200ms',
        'appearances where label = "dog" before appearances where label = "bicycle" within 500ms gap 50ms',
        "appearances where score > 0.4 overlaps appearances gap 50ms",
        "appearances where time < 300ms before appearances where time < 3s within 2s gap 50ms",
        'detections where label = "dog" together with detections where label = "person"',
        "detections where time < 1s and score > 0.4 together with detections where time < 2s within 4px",
        "detections where track in (1, 2) together with detections where track in (3, 4, 5)",
        'tracks where label = "dog" overlaps tracks where label = "person"',
        "tracks where crosses line((32, -8), (32, 80)) and crosses line((-8, 32), (80, 32))",
        "count tracks where crosses line((0, 0), (64, 64)) by 5ms",
        "count tracks where center crosses line((0, 40), (64, 40)) left to right by 50ms, label",
        "dwell inside polygon((0, 0), (64, 0), (64, 64)) at least 100ms longest 3",
    ],
)
def test_these_equal_the_oracle_too(text: str) -> None:
    for seed in (0, 5, 7):
        check(archive_of(seed), parse_query(text), 2, 3)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_equals_the_oracle_in_hundreds_of_cases(operator: str) -> None:
    @settings(max_examples=600)
    @given(
        query=by_operator[operator],
        seed=st.integers(0, 400),
        limit=st.sampled_from([1, 2, 5, 1000]),
        budget=st.sampled_from([1, 2, 3, 8]),
    )
    def holds(query: ast.Query, seed: int, limit: int, budget: int) -> None:
        check(archive_of(seed), query, limit, budget)

    holds()
