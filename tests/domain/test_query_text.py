"""The text of queries: what is written is what is meant, and what is wrong is said where it stands."""

from __future__ import annotations

import re
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.query.ast import (
    MAX_NESTING,
    Appearances,
    Count,
    Detections,
    LabelIn,
    Not,
    Order,
    Query,
    Ranking,
    TimeIn,
    Tracks,
)
from chalicelib.domain.query.format import format_query
from chalicelib.domain.query.parse import parse_query
from chalicelib.domain.query.tokens import MAX_CHARS
from tests.domain.query_trees import queries

WORDS = re.findall(
    r"\S+",
    """detections tracks appearances where label model track score time inside center feet crosses polygon line left
    right to and or not in before during overlaps together with within gap longest first last best detection per count
    by dwell at least 10s 1m 80px 0.5 -3 7 "person" "a\\"b" ( ) [ ] , = != < <= > >= ((0,0),(9,0),(9,9))
    ((0,0),(9,9))""",
)


@settings(max_examples=40)
@given(queries)
def test_a_query_that_is_written_down_is_read_as_the_same(query: Query) -> None:
    assert parse_query(format_query(query)) == query


@given(st.text(min_size=1, max_size=20))
def test_any_name_can_be_written(name: str) -> None:
    query = Detections(LabelIn((name,)))
    assert parse_query(format_query(query)) == query


@settings(max_examples=120)
@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join) | st.text(max_size=60))
def test_any_text_is_a_query_or_an_invalid_request(text: str) -> None:
    try:
        query = parse_query(text)
    except InvalidRequest:
        return
    assert parse_query(format_query(query)) == query


@settings(max_examples=40)
@given(queries, st.data())
def test_a_query_with_a_piece_cut_out_is_a_query_or_an_invalid_request(query: Query, data: st.DataObject) -> None:
    text = format_query(query)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    with suppress(InvalidRequest):
        parse_query(text[:start] + text[end:])


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "expected detections, tracks, appearances, count, dwell, or best, largest, first or last detection per"),
        ("detection", "expected detections, tracks"),
        ("detections label = 3", "expected the end but got label at character 12"),
        ("detections where", "expected a condition on label, model, track, score or time, or inside but got the end"),
        ("detections where label = person", "expected a name in double quotes but got person at character 26"),
        ('detections where label = "person', "expected a closing quote but got \"person at character 26"),
        ('detections where label is "person"', "expected =, != or in but got is at character 24"),
        ("detections where score > 1.5", "a score must be from 0 to 1 but got 1.5, at character 18"),
        ("detections where time > 10", "expected a duration such as 10s, 1m20s or 250ms but got 10 at character 25"),
        ("detections where time in [1s, 2s]", "expected ) but got ] at character 33"),
        ("detections where time in [2s, 1s)", "a window must end after it starts but got [2s, 1s), at character 18"),
        ("detections where time > 10parsecs", "expected a number, a duration such as 1m20s or 250ms, or a distance"),
        ("detections where inside polygon((0,0),(1,1))", "a polygon must have from 3 to 100 points but got 2"),
        ("detections where inside polygon((0,0),(1,1),(2,2))", "must not all lie on one line, at character 25"),
        ("detections where inside polygon((0,0),(1,1),(0,0.00001))", "with at most four decimals"),
        ("tracks where crosses line((0,0),(1,1),(2,3))", "expected a line of 2 points but got 3"),
        ("tracks where crosses line((1,1),(1,1))", "a line must have two different points"),
        ("tracks where crosses line((0,0),(1,1)) left to left", "expected right but got left at character 48"),
        ("detections where crosses line((0,0),(1,1))", "expected a condition on label, model, track, score or time"),
        ("tracks where not crosses line((0,0),(1,1))", "expected a condition on label, model, track, score or time"),
        ("tracks where crosses line((0,0),(1,1)) or track = 1", "expected the end of conditions that are joined by"),
        ("tracks where track = 0", "a track must be from 1 to 4294967295 but got 0, at character 14"),
        ("tracks where track = 1.5", "expected a whole number but got 1.5"),
        ("appearances longest 0", "longest must be followed by a number from 1 to 50 but got 0, at character 13"),
        ("appearances gap 0s", "gap must be followed by a duration over 0s but got 0s"),
        ("count appearances", "expected detections or tracks but got appearances"),
        ("count detections by 1s, 2s", "expected label or a duration, each once but got 2s at character 25"),
        ("dwell polygon((0,0),(1,0),(1,1))", "expected inside but got polygon"),
        ("best detection", "expected per but got the end at character 15"),
        ("tracks together with tracks", "together with must stand between detections"),
        ("detections overlaps detections", "overlaps must stand between tracks or appearances"),
        ("tracks overlaps appearances", "both sides of a relation must be of one kind"),
        ("tracks before tracks", "before must be followed by within and a duration"),
        ("tracks before tracks within 11m", "within must be over 0s and at most 600s but got 660s"),
        ("tracks overlaps tracks within 2s", "overlaps must not be followed by within"),
        ("detections together with detections within 2s", "expected a distance such as 80px but got 2s"),
        ("tracks where score > 0.5 overlaps tracks", "must be chosen by label, model and track alone"),
        ("tracks overlaps tracks gap 2s", "gap must follow appearances"),
        ("appearances gap 2s before appearances within 2s", "expected the end but got before"),
        ("detections; drop table", "expected a word, a name, a number or a sign but got ; drop"),
        ("detections where " + "(" * 17 + "track = 1" + ")" * 17, "expected conditions nested at most 16 deep"),
        ("detections where " + "not " * 17 + "track = 1", "expected conditions nested at most 16 deep"),
        ("detections where " + " " * MAX_CHARS, "a query must have at most 4096 characters but got 4113"),
        ("detections where label in (" + '"a",' * 100 + '"b")', "must be compared with 1 to 100 values but got 101"),
        ("detections where time > 1000001s", "a time must be at most 1000000s but got"),
        ('detections where label = ""', "a label must have from 1 to 255 characters but got 0"),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_was_expected_and_where(text: str, detail: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_query(text)
    assert detail in caught.value.failure.detail


def test_a_mistake_leads_to_the_page_of_the_language() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_query("nonsense")
    assert "docs/query.md" in caught.value.failure.hint


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        parse_query('detections where label = "\ud800"')


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("1m20s", 80), ("1h", 3600), ("1h2m3.5s", Fraction("3723.5")), ("250ms", Fraction(1, 4)), ("0s", 0)],
)
def test_a_duration_is_exact(text: str, seconds: Fraction) -> None:
    assert parse_query(f"detections where time in [{text}, 2h)") == Detections(
        TimeIn(Fraction(seconds), Fraction(7200))
    )


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("DETECTIONS", Detections()),
        ('tracks where not label != "a"', Tracks(Not(Not(LabelIn(("a",)))))),
        ("appearances first 3", Appearances(ranking=Ranking(Order.FIRST, 3))),
        ("count tracks by label, 10s", Count(Tracks(), Fraction(10), by_label=True)),
    ],
)
def test_a_query_is_read_as(text: str, query: Query) -> None:
    assert parse_query(text) == query


def test_and_binds_closer_than_or() -> None:
    apart = parse_query("detections where track = 1 or track = 2 and track = 3")
    assert apart == parse_query("detections where track = 1 or (track = 2 and track = 3)")
    assert apart != parse_query("detections where (track = 1 or track = 2) and track = 3")


def test_conditions_may_be_nested_as_deep_as_is_said() -> None:
    parse_query("detections where " + "not " * MAX_NESTING + "track = 1")
    parse_query("detections where " + "(" * MAX_NESTING + "track = 1" + ")" * MAX_NESTING)
