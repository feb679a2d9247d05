"""Appearances: when a label is seen without a longer pause than the gap; alone, ranked, or in pairs.

An appearance is open until a row comes that is later than its end by more than the gap. At any moment a label has at
most one that is open, so the state is bounded by the number of labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple
from typing import Any

from chalicelib.domain.media import Pts
from chalicelib.domain.query.ast import Order, Ranking, Relation
from chalicelib.domain.query.conditions import Test
from chalicelib.domain.query.folds import Batches
from chalicelib.domain.query.found import Appearance, Pair, Side
from chalicelib.domain.query.rows import SeenRow


class _Open:
    """The appearances that may still go on, at most one of a label."""

    def __init__(self, test: Test, gap_ticks: int, state: dict[str, list[int]] | None) -> None:
        self._test = test
        self._gap_ticks = gap_ticks
        self.state = dict(state or {})
        """By label: first PTS, last PTS, detections, best score."""
        self._none_due_until = min((entry[1] for entry in self.state.values()), default=0) + gap_ticks

    def add(self, row: SeenRow) -> None:
        """Let the row begin an appearance, or go on with one."""
        entry = self.state.get(row.label)
        if entry is None:
            if not self.state:
                self._none_due_until = row.pts + self._gap_ticks
            self.state[row.label] = [row.pts, row.pts, 1, -row.minus_score]
        else:
            self.state[row.label] = [entry[0], row.pts, entry[2] + 1, max(entry[3], -row.minus_score)]

    def passes(self, row: SeenRow) -> bool:
        """Whether the row belongs to an appearance."""
        return self._test(row)

    def begins(self, row: SeenRow) -> bool:
        """Whether the row belongs to an appearance that is not open."""
        return row.label not in self.state and self._test(row)

    def find_ended(self, pts: Pts | None) -> tuple[Pts, str] | None:
        """End and label of the first that no row from `pts` on can prolong; None for `pts`: no row comes any more."""
        if not self.state or (pts is not None and pts <= self._none_due_until):
            return None
        last, label = min((entry[1], label) for label, entry in self.state.items())
        self._none_due_until = last + self._gap_ticks
        return (last, label) if pts is None or pts > self._none_due_until else None

    def list_open(self) -> list[Appearance]:
        """All that are open, as they stand, in order of their beginning."""
        return sorted((self.get(label) for label in self.state), key=lambda one: (one.first_pts, one.label))

    def get(self, label: str) -> Appearance:
        """The open one of a label."""
        return Appearance(label, *self.state[label])

    def end(self, label: str) -> None:
        """It is not open any more."""
        del self.state[label]


class AppearancesFold:
    """Appearances, in the order in which they end; or, ranked, the few when all are known."""

    steps = 0
    held_from = None

    def __init__(self, test: Test, gap_ticks: int, ranking: Ranking | None, state: Any | None) -> None:
        opened, kept = state or ({}, [])
        self._open = _Open(test, gap_ticks, opened)
        self._ranking = ranking
        self._kept = [Appearance(*form) for form in kept]

    @property
    def is_done(self) -> bool:
        """Whether the first few are known: what begins later comes after them."""
        if self._ranking is None or self._ranking.order is not Order.FIRST or len(self._kept) < self._ranking.count:
            return False
        return all(_rank(Order.FIRST, one) > _rank(Order.FIRST, self._kept[-1]) for one in self._open.list_open())

    def take(self, row: SeenRow, before: Any) -> Batches:  # noqa: ARG002  nothing is held
        """The appearances that have ended before this row."""
        yield from self._end_until(row.pts)
        if self._open.passes(row):
            self._open.add(row)

    def pause(self) -> Batches:
        """Nothing: any appearance may go on."""
        return iter(())

    def finish(self) -> Batches:
        """The appearances that last until the end, or the few that were asked for."""
        yield from self._end_until(None)
        yield tuple(self._kept)

    def state(self) -> Any:
        """What is open, and the few that are kept."""
        return [self._open.state, [astuple(one) for one in self._kept]]

    def _end_until(self, pts: Pts | None) -> Batches:
        while (ended := self._open.find_ended(pts)) is not None:
            _, label = ended
            if self._ranking is None:
                yield (self._open.get(label),)
            else:
                self._keep(self._ranking, self._open.get(label))
            self._open.end(label)

    def _keep(self, ranking: Ranking, one: Appearance) -> None:
        self._kept.append(one)
        self._kept.sort(key=lambda kept: _rank(ranking.order, kept))
        del self._kept[ranking.count :]


class AppearancePairsFold:
    """Pairs of appearances, each given as soon as it is certain.

    The pair of two that overlap is certain when the first of them ends, so that an appearance of many hours need not
    keep what happened in it; `before` keeps what has ended within the time that was asked.
    """

    is_done = False
    steps = 0
    held_from = None

    def __init__(
        self,
        relation: Relation,
        left: Test,
        right: Test,
        *,
        gap_ticks: int,
        within_ticks: int,
        state: Any | None,
    ) -> None:
        lefts, rights, ended = state or ({}, {}, [])
        self._relation = relation
        self._within_ticks = within_ticks
        self._left = _Open(left, gap_ticks, lefts)
        self._right = _Open(right, gap_ticks, rights)
        self._ended = [(label, first, last) for label, first, last in ended]
        """Left ones, for `before`: label, first and last PTS."""

    def take(self, row: SeenRow, before: Any) -> Batches:  # noqa: ARG002  nothing is held
        """The pairs of what has ended before this row, and of what begins with it."""
        yield from self._end_until(row.pts)
        self._ended = [one for one in self._ended if row.pts <= one[2] + self._within_ticks]
        if self._relation is Relation.BEFORE and self._right.begins(row):
            yield [self._before(*one, row.label, row.pts) for one in self._ended if one[2] < row.pts]
        if self._left.passes(row):
            self._left.add(row)
        if self._right.passes(row):
            self._right.add(row)

    def pause(self) -> Batches:
        """Nothing: any appearance may go on."""
        return iter(())

    def finish(self) -> Batches:
        """The pairs of what lasts until the end."""
        return self._end_until(None)

    def state(self) -> Any:
        """What is open, and what has ended not long ago."""
        return [self._left.state, self._right.state, self._ended]

    def _end_until(self, pts: Pts | None) -> Batches:
        while True:
            left, right = self._left.find_ended(pts), self._right.find_ended(pts)
            # Of two that end together the left goes first: then it still finds the right one that it is within.
            if left is not None and (right is None or left[0] <= right[0]):
                ended = self._left.get(left[1])
                yield self._pairs_of_left(ended)
                self._left.end(ended.label)
                if self._relation is Relation.BEFORE:
                    self._ended.append((ended.label, ended.first_pts, ended.last_pts))
            elif right is not None:
                ended = self._right.get(right[1])
                if self._relation is Relation.OVERLAPS:
                    yield [self._shared(left, ended, ended.last_pts) for left in self._overlapping(self._left, ended)]
                self._right.end(ended.label)
            else:
                return

    def _pairs_of_left(self, ended: Appearance) -> Iterable[Pair]:
        """Its pairs with right ones that are open, which end no earlier."""
        match self._relation:
            case Relation.OVERLAPS:
                return [self._shared(ended, right, ended.last_pts) for right in self._overlapping(self._right, ended)]
            case Relation.DURING:
                return [
                    self._shared(ended, right, ended.last_pts)
                    for right in self._overlapping(self._right, ended)
                    if right.first_pts <= ended.first_pts
                ]
            case _:
                return [
                    self._before(ended.label, ended.first_pts, ended.last_pts, right.label, right.first_pts)
                    for right in self._right.list_open()
                    if ended.last_pts < right.first_pts <= ended.last_pts + self._within_ticks
                ]

    def _overlapping(self, others: _Open, ended: Appearance) -> Iterable[Appearance]:
        return [
            other for other in others.list_open() if other.first_pts <= ended.last_pts and _name(other) != _name(ended)
        ]

    def _shared(self, left: Appearance, right: Appearance, last_pts: Pts) -> Pair:
        first_pts = max(left.first_pts, right.first_pts)
        return Pair(self._relation, Side(*_name(left)), Side(*_name(right)), first_pts, last_pts)

    def _before(self, label: str, first: Pts, last: Pts, right_label: str, right_first: Pts) -> Pair:
        return Pair(self._relation, Side(label, first), Side(right_label, right_first), last, right_first)


def _name(one: Appearance) -> tuple[str, Pts]:
    """What an appearance is known by; nothing is paired with itself."""
    return one.label, one.first_pts


def _rank(order: Order, one: Appearance) -> tuple[int, int, str]:
    match order:
        case Order.LONGEST:
            return (one.first_pts - one.last_pts, one.first_pts, one.label)
        case Order.FIRST:
            return (one.first_pts, 0, one.label)
        case Order.LAST:
            return (-one.first_pts, 0, one.label)
