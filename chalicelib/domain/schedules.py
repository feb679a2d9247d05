"""When something is to happen again and again: once, at a rate, or by cron; and windows of a week. All of it is UTC.

Cron is that of Unix, five fields: minute, hour, day of month, month, day of week (0 to 7, both 0 and 7 are Sunday). A
field is `*` or a list of numbers, ranges `a-b` and steps `*/n`, `a-b/n`; months and days of the week may be named by
three letters. Where both the day of the month and the day of the week are restricted (neither begins with `*`), a day
that fits either of them fits. Source: crontab(5) of Vixie cron. EventBridge Scheduler's form (six fields, `?`, `L`,
`W`, `#`) is another one and is not taken: it is not what makes these times, `services/campaigns.py` is.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from chalicelib.domain.errors import InvalidRequest

MINUTE = timedelta(minutes=1)
HORIZON_DAYS = 13 * 366
"""Without a day that fits, nothing fits: the first of a February is a given day of the week at least every 12 years."""
MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""In the order of `date.weekday()`."""
LONGEST_MONTH = {month: 29 if month == 2 else calendar.monthrange(2023, month)[1] for month in range(1, 13)}


class RateUnit(StrEnum):
    """What a rate counts in."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"


@dataclass(frozen=True, slots=True)
class Once:
    """One moment."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """`starts_at`, and every `every` units after it."""

    every: int
    unit: RateUnit
    starts_at: datetime

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InvalidRequest(f"every must be at least 1 but got {self.every}")

    @property
    def period(self) -> timedelta:
        """The time between two of them."""
        return timedelta(**{self.unit: self.every})


@dataclass(frozen=True, slots=True)
class Cron:
    """The minutes that fit a cron expression; make it with `parse_cron`."""

    expression: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days_of_month: frozenset[int]
    months: frozenset[int]
    days_of_week: frozenset[int]
    """0 is Sunday."""
    is_either_day: bool
    """A day that fits one of the two fields fits."""

    def is_day(self, day: date) -> bool:
        """Whether the cron has any time on this day."""
        if day.month not in self.months:
            return False
        fits_month, fits_week = day.day in self.days_of_month, day.isoweekday() % 7 in self.days_of_week
        return (fits_month or fits_week) if self.is_either_day else (fits_month and fits_week)

    def first_of_day(self, start: time) -> time | None:
        """The first time, from `start` on, of a day that fits."""
        later = min((minute for minute in self.minutes if minute >= start.minute), default=None)
        if start.hour in self.hours and later is not None:
            return time(start.hour, later)
        hour = min((hour for hour in self.hours if hour > start.hour), default=None)
        return time(hour, min(self.minutes)) if hour is not None else None

    def backwards(self) -> Iterator[time]:
        """The times of a day that fits, the last one first."""
        minutes = sorted(self.minutes, reverse=True)
        return (time(hour, minute) for hour in sorted(self.hours, reverse=True) for minute in minutes)


Schedule = Once | Rate | Cron


@dataclass(frozen=True, slots=True)
class Window:
    """From a minute of each of these days until a minute of it, or of the next day when that is not later."""

    days: frozenset[int]
    """Monday is 0."""
    from_minute: int
    to_minute: int
    """Minutes of the day; the end is not inside. The same as `from_minute`: a whole day."""

    def __post_init__(self) -> None:
        if not self.days:
            raise InvalidRequest("a window must have at least one day")

    def has(self, moment: datetime) -> bool:
        """Whether the moment lies inside."""
        minute, day = moment.hour * 60 + moment.minute, moment.weekday()
        if self.from_minute < self.to_minute:
            return day in self.days and self.from_minute <= minute < self.to_minute
        began_today = day in self.days and minute >= self.from_minute
        return began_today or ((day - 1) % 7 in self.days and minute < self.to_minute)


def next_time(schedule: Schedule, after: datetime) -> datetime | None:
    """The first time of the schedule later than `after`; None when there is none."""
    match schedule:
        case Once():
            return schedule.at if schedule.at > after else None
        case Rate():
            passed = (after - schedule.starts_at) // schedule.period
            return schedule.starts_at + max(0, passed + 1) * schedule.period
        case Cron():
            return _next_of_cron(schedule, after)


def last_times(schedule: Schedule, after: datetime, until: datetime, limit: int) -> tuple[datetime, ...]:
    """The last `limit` times of the schedule in (after, until], in order; costs the same however long that is."""
    found: list[datetime] = []
    for moment in _backwards(schedule, until):
        if moment <= after or len(found) == limit:
            break
        found.append(moment)
    return tuple(reversed(found))


def is_open(windows: Sequence[Window], moment: datetime) -> bool:
    """Whether the moment lies inside one of the windows; without windows it always does."""
    return not windows or any(window.has(moment) for window in windows)


def next_opening(windows: Sequence[Window], moment: datetime) -> datetime:
    """The first moment from `moment` on that lies inside one of the windows."""
    if is_open(windows, moment):
        return moment
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return min(
        start
        for days in range(8)
        for window in windows
        if (start := midnight + timedelta(days=days, minutes=window.from_minute)) > moment
        and start.weekday() in window.days
    )


def parse_cron(expression: str) -> Cron:
    """The cron that an expression means.

    Raises:
        InvalidRequest: what is wrong with it, or that it fits no day of any year.
    """
    fields = expression.split()
    if len(fields) != 5:
        raise InvalidRequest(
            f"a cron must have 5 fields (minute, hour, day of month, month, day of week) but got {len(fields)}",
            hint='For example "30 2 * * 1-5": at 02:30 UTC from Monday to Friday',
        )
    minute, hour, day_of_month, month, day_of_week = fields
    is_either_day = not day_of_month.startswith("*") and not day_of_week.startswith("*")
    cron = Cron(
        expression=" ".join(fields),
        minutes=_parse_field("minute", minute, 0, 59),
        hours=_parse_field("hour", hour, 0, 23),
        days_of_month=_parse_field("day of month", day_of_month, 1, 31),
        months=_parse_field("month", month, 1, 12, MONTHS),
        days_of_week=frozenset(day % 7 for day in _parse_field("day of week", day_of_week, 0, 7, DAYS)),
        is_either_day=is_either_day,
    )
    if not is_either_day and all(min(cron.days_of_month) > LONGEST_MONTH[number] for number in cron.months):
        raise InvalidRequest(f"cron {cron.expression!r} fits no day of any year")
    return cron


def parse_minute(text: str) -> int:
    """The minute of the day of `HH:MM`.

    Raises:
        InvalidRequest: it is none.
    """
    hour, colon, minute = text.partition(":")
    is_time = colon and len(hour) == len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdigit()
    if not is_time or int(hour) > 23 or int(minute) > 59:
        raise InvalidRequest(f"a time of day must be HH:MM, 00:00 to 23:59, but got {text!r}")
    return int(hour) * 60 + int(minute)


def minute_text(minute: int) -> str:
    """`HH:MM` of a minute of the day."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _parse_field(what: str, text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    def number(word: str) -> int:
        value = (names or {}).get(word.lower())
        if value is None and word.isascii() and word.isdigit():
            value = int(word)
        if value is None or not low <= value <= high:
            raise InvalidRequest(f"the {what} of a cron must be from {low} to {high} but got {word!r}")
        return value

    values: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = low, min(high, 6) if high == 7 else high
        else:
            start = number(first)
            end = number(last) if dash else start
        is_step = step_text.isascii() and step_text.isdigit() and int(step_text) > 0
        if start > end or (slash and not (is_step and (dash or span == "*"))):
            raise InvalidRequest(f"the {what} of a cron must be *, a, a-b, */n or a-b/n but got {part!r}")
        values.update(range(start, end + 1, int(step_text) if slash else 1))
    return frozenset(values)


def _next_of_cron(cron: Cron, after: datetime) -> datetime | None:
    first = after.replace(second=0, microsecond=0) + MINUTE
    for day in _days(cron, first.date(), 1):
        found = cron.first_of_day(first.time() if day == first.date() else time())
        if found is not None:
            return datetime.combine(day, found, UTC)
    return None


def _backwards(schedule: Schedule, until: datetime) -> Iterator[datetime]:
    """The times of the schedule up to `until`, the last one first."""
    match schedule:
        case Once():
            if schedule.at <= until:
                yield schedule.at
        case Rate():
            for passed in range((until - schedule.starts_at) // schedule.period, -1, -1):
                yield schedule.starts_at + passed * schedule.period
        case Cron():
            for day in _days(schedule, until.date(), -1):
                moments = (datetime.combine(day, moment, UTC) for moment in schedule.backwards())
                yield from (moment for moment in moments if moment <= until)


def _days(cron: Cron, day: date, step: int) -> Iterator[date]:
    """Days that fit the cron from this one on (or back), until none has come for as long as it takes to come round."""
    one, misses = timedelta(days=step), 0
    while misses < HORIZON_DAYS:
        fits = cron.is_day(day)
        misses = 0 if fits else misses + 1
        if fits:
            yield day
        if not date.min < day < date.max:
            return
        day += one
