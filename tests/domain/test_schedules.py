"""Times of schedules and windows, against a plain reading of the rules, minute by minute and over years."""

from __future__ import annotations

import calendar
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.schedules import (
    Once,
    Rate,
    RateUnit,
    Schedule,
    Window,
    is_open,
    last_times,
    minute_text,
    next_opening,
    next_time,
    parse_cron,
    parse_minute,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
moments = st.integers(1_577_836_800, 4_417_977_600).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(schedule: Schedule, after: datetime, until: datetime) -> list[datetime]:
    """All in (after, until], one after the other."""
    found: list[datetime] = []
    while (moment := next_time(schedule, found[-1] if found else after)) is not None and moment <= until:
        found.append(moment)
    return found


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}")
    step = st.integers(1, high)
    part = st.one_of(
        number.map(str), span, st.tuples(span, step).map(lambda pair: f"{pair[0]}/{pair[1]}"), step.map("*/{}".format)
    )
    return st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=3).map(",".join))


def fits_field(text: str, value: int, low: int) -> bool:
    """Whether the value is one of a field's, read as crontab(5) says it."""
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start, end = (low, 10**6) if span == "*" else (int(first), int(last or first))
        if start <= value <= end and (value - start) % int(step or 1) == 0:
            return True
    return False


def fits(expression: str, moment: datetime) -> bool:
    minute, hour, day, month, weekday = expression.split()
    in_month = fits_field(day, moment.day, 1)
    number = (moment.weekday() + 1) % 7
    in_week = fits_field(weekday, number, 0) or (number == 0 and "*" not in weekday and fits_field(weekday, 7, 0))
    either = not day.startswith("*") and not weekday.startswith("*")
    is_day = in_month or in_week if either else in_month and in_week
    return (
        fits_field(minute, moment.minute, 0) and fits_field(hour, moment.hour, 0) and fits_field(month, moment.month, 1)
    ) and is_day


crons = st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(crons, moments)
def test_a_cron_has_every_minute_that_fits_and_no_other(expression: str, moment: datetime) -> None:
    try:
        cron = parse_cron(expression)
    except InvalidRequest:
        # Only what fits no day of any year is refused.
        leap = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(366)]
        days = " ".join(expression.split()[2:])
        assert not any(fits(f"* * {days}", day) for day in leap)
        return
    until = moment + timedelta(hours=9)
    first = moment.replace(second=0, microsecond=0) + MINUTE
    expected = [first + n * MINUTE for n in range(9 * 60) if fits(expression, first + n * MINUTE)]
    assert times(cron, moment, until) == [one for one in expected if one <= until]


@settings(max_examples=100, deadline=None)
@given(crons, moments)
def test_between_a_moment_and_its_next_time_nothing_fits(expression: str, moment: datetime) -> None:
    try:
        cron = parse_cron(expression)
    except InvalidRequest:
        return
    found = next_time(cron, moment)
    assert found is not None
    assert found > moment
    assert fits(expression, found)
    days = (found.date() - moment.date()).days
    between = [moment.date() + timedelta(days=n) for n in range(1, days)]
    assert not any(cron.is_day(day) for day in between)


@settings(max_examples=100, deadline=None)
@given(st.one_of(crons, st.integers(1, 5000)), moments, st.integers(0, 3 * 24 * 60), st.integers(1, 7))
def test_the_last_times_are_the_end_of_all_times(
    made_of: str | int, moment: datetime, minutes: int, limit: int
) -> None:
    try:
        schedule = (
            parse_cron(made_of) if isinstance(made_of, str) else Rate(made_of, RateUnit.MINUTES, START - timedelta(1))
        )
    except InvalidRequest:
        return
    until = moment + minutes * MINUTE
    assert list(last_times(schedule, moment, until, limit)) == times(schedule, moment, until)[-limit:]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", ["2027-12-31T02:30", "2028-01-01T02:30"]),
        ("0 0 29 2 *", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("0 0 31 * *", ["2027-12-31T00:00", "2028-01-31T00:00", "2028-03-31T00:00"]),
        ("0 12 1 jan *", ["2028-01-01T12:00", "2029-01-01T12:00"]),
        ("0 9 * * MON-fri", ["2027-12-30T09:00", "2027-12-31T09:00", "2028-01-03T09:00"]),
        ("0 9 * * 7", ["2028-01-02T09:00", "2028-01-09T09:00"]),
        # Both restricted: either fits.
        ("0 0 13 * 5", ["2027-12-31T00:00", "2028-01-07T00:00", "2028-01-13T00:00", "2028-01-14T00:00"]),
    ],
)
def test_a_cron_at_the_ends_of_months_and_years(expression: str, expected: list[str]) -> None:
    cron = parse_cron(expression)
    first = at(expected[0])
    found = times(cron, first - MINUTE, at(expected[-1]))
    assert found == [at(text) for text in expected]


def test_the_29th_of_february_comes_in_every_leap_year_of_a_century_and_not_in_2100() -> None:
    found = times(parse_cron("0 0 29 2 *"), at("2050-01-01"), at("2150-01-01"))
    assert [moment.year for moment in found] == [year for year in range(2050, 2150) if calendar.isleap(year)]


def test_no_hour_of_five_years_comes_twice_or_is_left_out() -> None:
    """There is no summer time in UTC."""
    found = times(parse_cron("0 * * * *"), at("2098-01-01") - MINUTE, at("2103-01-01") - MINUTE)
    assert len(found) == 24 * sum(366 if calendar.isleap(year) else 365 for year in range(2098, 2103))
    assert {second - first for first, second in itertools.pairwise(found)} == {timedelta(hours=1)}


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "1/2 * * * *",
        "a * * * *",
        "1, * * * *",
        "-1 * * * *",
        "* * ? * *",
        "* * L * *",
        "0 0 31 2 *",
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
        "١ * * * *",
    ],
)
def test_what_is_no_cron_is_refused(expression: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_cron(expression)


def test_a_rate_counts_from_its_start_however_long_ago_that_is() -> None:
    rate = Rate(7, RateUnit.DAYS, at("2001-01-01T05:00"))
    found = next_time(rate, at("2026-06-01"))
    assert found is not None
    assert (found - rate.starts_at) % timedelta(days=7) == timedelta()
    assert timedelta() < found - at("2026-06-01") <= timedelta(days=7)


def test_a_rate_begins_with_its_start() -> None:
    rate = Rate(2, RateUnit.HOURS, START)
    assert times(rate, START - timedelta(days=9), START + timedelta(hours=5)) == [
        START,
        START + timedelta(hours=2),
        START + timedelta(hours=4),
    ]


def test_once_is_once() -> None:
    assert times(Once(START), START - MINUTE, START + timedelta(days=9999)) == [START]
    assert last_times(Once(START), START, START + MINUTE, 9) == ()


def test_an_outage_of_ten_years_costs_no_more_than_the_times_that_are_asked_for() -> None:
    every_minute = parse_cron("* * * * *")
    found = last_times(every_minute, at("2016-01-01"), at("2026-01-01"), 3)
    assert found == (at("2025-12-31T23:58"), at("2025-12-31T23:59"), at("2026-01-01"))


windows = st.lists(
    st.builds(
        Window, st.frozensets(st.integers(0, 6), min_size=1), st.integers(0, 24 * 60 - 1), st.integers(0, 24 * 60 - 1)
    ),
    min_size=1,
    max_size=3,
)


def is_inside(window: Window, moment: datetime) -> bool:
    """Whether one of the window's spans, of this week or the last, has the moment."""
    minutes = (window.to_minute - window.from_minute) % (24 * 60) or 24 * 60
    for days in range(9):
        day = (moment - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
        start = day + window.from_minute * MINUTE
        if day.weekday() in window.days and start <= moment < start + minutes * MINUTE:
            return True
    return False


@settings(max_examples=100, deadline=None)
@given(windows, moments)
def test_a_window_has_the_moments_of_its_spans(several: list[Window], moment: datetime) -> None:
    assert is_open(several, moment) is any(is_inside(window, moment) for window in several)


@settings(max_examples=100, deadline=None)
@given(windows, moments)
def test_the_next_opening_is_the_first_moment_that_is_open(several: list[Window], moment: datetime) -> None:
    found = next_opening(several, moment)
    assert is_open(several, found)
    minutes = int((found - moment) / MINUTE)
    assert not any(is_open(several, moment + n * MINUTE) for n in range(minutes) if moment + n * MINUTE < found)


def test_without_windows_every_moment_is_open() -> None:
    assert is_open((), START)
    assert next_opening((), START) == START


def test_a_night_ends_on_the_next_morning() -> None:
    friday_night = Window(frozenset({4}), parse_minute("22:00"), parse_minute("06:00"))
    saturday = at("2026-03-07T05:59")
    assert friday_night.has(saturday)
    assert not friday_night.has(saturday + MINUTE)
    assert not friday_night.has(at("2026-03-06T05:00"))


@given(st.integers(0, 24 * 60 - 1))
def test_a_minute_of_the_day_goes_there_and_back(minute: int) -> None:
    assert parse_minute(minute_text(minute)) == minute


@pytest.mark.parametrize("text", ["", "24:00", "12:60", "1:00", "12", "12:0", "ab:cd", "+1:00", "１２:00"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_minute(text)
