"""Answers as folds over rows in the order of results; the folds of detections, counts and things in one frame.

A fold gives what it finds in batches, and moves its state on only when the next batch is asked for. So whoever stops
within a batch keeps `state()`, the position before the row (or `held_from`) and how much of the batch was taken, and
another fold gives the same batch again. States are JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, Protocol

from chalicelib.domain.query.ast import Relation
from chalicelib.domain.query.conditions import Test
from chalicelib.domain.query.found import Bucket, Found, FoundRow, Pair, Side
from chalicelib.domain.query.geometry import box_distance_squared
from chalicelib.domain.query.rows import BOX_UNITS, SeenRow

Batches = Iterator[Iterable[Found]]


class Fold(Protocol):
    """One query at work on one job."""

    @property
    def is_done(self) -> bool:
        """Whether further rows would change nothing; `finish` comes next."""
        ...

    @property
    def steps(self) -> int:
        """How many comparisons were made beyond one for each row."""
        ...

    @property
    def held_from(self) -> tuple[Any] | None:
        """Where a walk must go on so that rows come again that are held and not in the state; None: no such rows."""
        ...

    def take(self, row: SeenRow, before: Any) -> Batches:
        """What is known now that this row came; `before` is the position of a walk before it."""
        ...

    def pause(self) -> Batches:
        """What is known since every frame that was begun is complete, though more rows may come."""
        ...

    def finish(self) -> Batches:
        """What is known since no more rows come."""
        ...

    def state(self) -> Any:
        """Everything that another fold needs to go on."""
        ...


class DetectionsFold:
    """The rows that pass."""

    is_done = False
    steps = 0
    held_from = None

    def __init__(self, test: Test) -> None:
        self._test = test

    def take(self, row: SeenRow, before: Any) -> Batches:  # noqa: ARG002  nothing is held
        """The row, if it passes."""
        if self._test(row):
            yield (FoundRow(row),)

    def pause(self) -> Batches:
        """Nothing."""
        return iter(())

    def finish(self) -> Batches:
        """Nothing."""
        return iter(())

    def state(self) -> Any:
        """None: a row is found by itself."""
        return None


class CountFold:
    """How many rows pass, in each span of time or in all, by label or of any."""

    is_done = False
    steps = 0
    held_from = None

    def __init__(
        self, test: Test, *, timebase: Fraction, width: Fraction | None, by_label: bool, state: Any | None
    ) -> None:
        self._test = test
        self._width = width
        self._by_label = by_label
        self._timebase = timebase
        span, counts = state or (None, {})
        self._span: int | None = span
        self._counts: dict[str, int] = dict(counts)

    def take(self, row: SeenRow, before: Any) -> Batches:  # noqa: ARG002  nothing is held
        """The span that ends before this row."""
        if not self._test(row):
            return
        span = span_of(row.pts, self._timebase, self._width)
        if span != self._span:
            yield from self._end_span()
            self._span = span
        name = row.label if self._by_label else ""
        self._counts[name] = self._counts.get(name, 0) + 1

    def pause(self) -> Batches:
        """Nothing: the span may go on."""
        return iter(())

    def finish(self) -> Batches:
        """The last span."""
        yield from self._end_span()
        if self._width is None and not self._by_label and not self._counts:
            yield (Bucket(None, None, None, 0),)

    def state(self) -> Any:
        """The span, and the counts in it."""
        return [self._span, self._counts]

    def _end_span(self) -> Batches:
        if self._counts:
            yield list_buckets(self._span or 0, self._counts, self._width, by_label=self._by_label)
        if self._width is not None:
            self._counts = {}


class FramePairsFold:
    """Pairs of rows of one frame, that are near each other if that is asked."""

    is_done = False

    def __init__(self, left: Test, right: Test, within: Fraction | None) -> None:
        self._left, self._right = left, right
        self._limit = None if within is None else (within * BOX_UNITS) ** 2
        self._rows: list[SeenRow] = []
        self.steps = 0
        self.held_from: tuple[Any] | None = None

    def take(self, row: SeenRow, before: Any) -> Batches:
        """The pairs of the frame before, when this row is of another one."""
        if self._rows and (row.pts, row.ordinal) != (self._rows[0].pts, self._rows[0].ordinal):
            yield from self._end_frame()
        if not self._rows:
            self.held_from = (before,)
        self._rows.append(row)

    def pause(self) -> Batches:
        """The pairs of the frame, which is complete."""
        return self._end_frame()

    def finish(self) -> Batches:
        """The pairs of the last frame."""
        return self._end_frame()

    def state(self) -> Any:
        """None: the rows that are held come again."""
        return None

    def _end_frame(self) -> Batches:
        yield self._pairs()
        self._rows, self.held_from = [], None

    def _pairs(self) -> Iterator[Pair]:
        rights = [row for row in self._rows if self._right(row)]
        for left in filter(self._left, self._rows):
            self.steps += len(rights)
            for right in rights:
                distance = box_distance_squared(left.box, right.box)
                if left is not right and (self._limit is None or distance <= self._limit):
                    yield Pair(Relation.TOGETHER, _side(left), _side(right), left.pts, left.pts, distance)


def span_of(pts: int, timebase: Fraction, width: Fraction | None) -> int:
    """Which span of time a PTS is in; spans start at multiples of the width."""
    return 0 if width is None else pts * timebase // width


def list_buckets(span: int, counts: dict[str, int], width: Fraction | None, *, by_label: bool) -> list[Bucket]:
    """The buckets of a span, by label; "" stands for all labels when they are not told apart."""
    start = None if width is None else span * width
    return [Bucket(start, width, name if by_label else None, count) for name, count in sorted(counts.items())]


def _side(row: SeenRow) -> Side:
    return Side(row.label, row.pts, row.track_id or None, row)
