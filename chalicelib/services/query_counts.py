"""How many tracks there are in each span of time, or in all.

A round counts a number of spans, so that what a page hands on is bounded whatever the length of the video; a track that
lasts over several rounds is looked at in each of them.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, field, replace
from itertools import islice
from typing import Any

from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.media import Pts
from chalicelib.domain.query.ast import Count, Tracks
from chalicelib.domain.query.conditions import Bounds
from chalicelib.domain.query.folds import span_of
from chalicelib.domain.query.found import Bucket
from chalicelib.domain.query.track_folds import Tally, TrackCounts
from chalicelib.services.query_page import Filling, Source
from chalicelib.services.query_tracks import is_listed, row_of_track
from chalicelib.services.rows import Row
from chalicelib.services.track_batches import Batch, TrackList, may_match, tally_batch

SPANS_PER_ROUND = 100
SPANS_PER_ROUND_BY_LABEL = 10


@dataclass(slots=True)
class _Round:
    """Where the counting stands; its fields are the state of a page."""

    first_span: int
    start: list[int] | None = field(default_factory=lambda: [0, 0])
    """Of the batch, in the list of tracks; None after the last."""
    next_span: int | None = None
    """The first span of the next round; None as long as no track is known to reach beyond this one."""
    next_start: list[int] | None = None
    """The first batch with a track that reaches beyond this round."""
    counts: list[list[Any]] = field(default_factory=list)
    """[span, label or "", count]."""
    tallies: list[Tally] | None = None
    """None at the start of a batch."""
    position: Any | None = None
    """Of the walk over the rows of the batch."""
    given: int = 0
    """How many of the round's buckets."""


def count_tracks(source: Source, query: Count, page: Filling, state: Any | None) -> Any | None:
    """Fill the page; the state to go on with, None at the end."""
    assert isinstance(query.of, Tracks)
    return _Counting(source, query, query.of, page).run(_Round(*state) if state else None)


class _Counting:
    def __init__(self, source: Source, query: Count, of: Tracks, page: Filling) -> None:
        self._source, self._page = source, page
        self._width, self._by_label = query.width, query.by_label
        asked = source.ask(of.where, is_of_tracks=True)
        self._asked = replace(asked, row_steps=asked.row_steps + len(of.crossings))
        self._has_lines = bool(of.crossings)
        self._is_listed = query.width is None and is_listed(of)
        self._counts = TrackCounts(self._asked.test, of.crossings, timebase=source.timebase, width=query.width)
        self._tracks = TrackList(source, page)
        self._by_place: dict[tuple[int, str], int] = {}

    def run(self, at: _Round | None) -> Any | None:
        """The state to go on with, None at the end."""
        at = at or self._first_round()
        while True:
            self._by_place = {(span, name): count for span, name, count in at.counts}
            is_counted = self._count(at)
            at.counts = [[span, name, count] for (span, name), count in sorted(self._by_place.items())]
            if not is_counted:
                return list(astuple(at))
            given = self._page.take(self._list_buckets(), at.given)
            if given is not None:
                at.given = given
                return list(astuple(at))
            if at.next_span is None:
                return None
            at = _Round(at.next_span, at.next_start)
            if self._page.is_spent:
                return list(astuple(at))

    def _first_round(self) -> _Round:
        starts = [track.first_pts for track, _ in islice(self._tracks.from_place((0, 0)), 1)]
        starts += [pts for pts in (self._asked.bounds.from_pts,) if pts is not None]
        return _Round(span_of(max(starts, default=0), self._source.timebase, self._width))

    def _count(self, at: _Round) -> bool:
        """Count the batches of a round; False when the page's budget was spent before the end."""
        from_pts, to_pts = self._pts_of_round(at)
        within = self._asked.bounds & Bounds(from_pts=from_pts, to_pts=to_pts)
        # What a line needs is the box before, which may lie in an earlier round.
        rows_from = self._asked.bounds.from_pts if self._has_lines else within.from_pts
        walked = replace(self._asked, rows=replace(self._asked.rows, from_pts=rows_from, to_pts=within.to_pts))

        def add(track: TrackRow, tally: Tally, row: Row) -> Tally:
            tally, span = self._counts.add(tally, row)
            self._note(at, track, span)
            return tally

        while at.start is not None:
            place = (at.start[0], at.start[1])
            batch = self._tracks.collect(place, lambda track: may_match(track, within), before_pts=to_pts)
            if at.tallies is None:
                self._plan_next(at, batch, to_pts)
                at.tallies = [None] * len(batch.tracks)
            if self._is_listed:
                self._page.steps_left -= len(batch.tracks) * self._asked.row_steps
                for track in batch.tracks:
                    self._note(at, track, 0 if self._asked.test(row_of_track(self._source, track)) else None)
            else:
                at.position = tally_batch(
                    self._source, walked, batch, at.tallies, self._page, position=at.position, add=add
                )
                if at.position is not None:
                    return False
            at.start, at.tallies = list(batch.next_place) if batch.next_place else None, None
            if at.start is not None and self._page.is_spent:
                return False
        return True

    def _pts_of_round(self, at: _Round) -> tuple[Pts | None, Pts | None]:
        """[start, end) of its spans."""
        if self._width is None:
            return None, None
        bounds = (at.first_span * self._width, self._end_of(at) * self._width)
        return math.ceil(bounds[0] / self._source.timebase), math.ceil(bounds[1] / self._source.timebase)

    def _end_of(self, at: _Round) -> int:
        return at.first_span + (SPANS_PER_ROUND_BY_LABEL if self._by_label else SPANS_PER_ROUND)

    def _plan_next(self, at: _Round, batch: Batch, to_pts: Pts | None) -> None:
        """Note where the next round starts, if a track of the batch, or the first after it, reaches beyond this one."""
        last_pts = self._asked.bounds.to_pts
        if to_pts is None or (last_pts is not None and last_pts <= to_pts):
            return
        if any(track.last_pts >= to_pts for track in batch.tracks):
            at.next_span = self._end_of(at)
        elif at.next_span is None and batch.beyond_pts is not None:
            at.next_span = max(self._end_of(at), span_of(batch.beyond_pts, self._source.timebase, self._width))
        else:
            return
        at.next_start = at.next_start or at.start

    def _note(self, at: _Round, track: TrackRow, span: int | None) -> None:
        if span is None or (self._width is not None and not at.first_span <= span < self._end_of(at)):
            return
        place = (span, track.label if self._by_label else "")
        self._by_place[place] = self._by_place.get(place, 0) + 1

    def _list_buckets(self) -> list[Bucket]:
        width, by_label = self._width, self._by_label
        if width is None and not by_label:
            return [Bucket(None, None, None, sum(self._by_place.values()))]
        return [
            Bucket(None if width is None else span * width, width, name if by_label else None, count)
            for (span, name), count in sorted(self._by_place.items())
        ]
