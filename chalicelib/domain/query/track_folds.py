"""Answers about tracks: for each track of a batch a tally, which rows of the track are added to in order.

A tally is a JSON list, None for a track of which no row has come, so that the tallies of a batch are its state.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

from chalicelib.domain.media import Pts
from chalicelib.domain.query.ast import Choice, Crosses, Inside
from chalicelib.domain.query.conditions import Test
from chalicelib.domain.query.folds import span_of
from chalicelib.domain.query.found import Dwell, Found, FoundRow, FoundTrack
from chalicelib.domain.query.geometry import Area, Gate, anchor_point
from chalicelib.domain.query.rows import Box, SeenRow

Tally = list[Any] | None


class KnownTrack(Protocol):
    """What the job's list of tracks says of one."""

    @property
    def track_id(self) -> int:
        """Its id."""
        ...

    @property
    def model(self) -> str:
        """The model that found it."""
        ...

    @property
    def label(self) -> str:
        """Of all its detections."""
        ...


class TrackFold(Protocol):
    """One query at work on the tracks of a job."""

    def add(self, tally: Tally, row: SeenRow) -> Tally:
        """The tally with a row of the track, later than those before."""
        ...

    def result(self, track: KnownTrack, tally: Tally) -> Found | None:
        """What the tally of a whole track means; None: the track is not in the answer."""
        ...


class _Crossings:
    """Which lines were crossed, and when first."""

    def __init__(self, crossings: Sequence[Crosses]) -> None:
        self.count = len(crossings)
        self._gates = [(crossing.anchor, Gate(crossing.line, crossing.direction)) for crossing in crossings]

    def note(self, crossed: list[Pts | None], origin: Box | None, row: SeenRow) -> None:
        """Write down which lines lie between the box before and this row."""
        if origin is None:
            return
        for number, (anchor, gate) in enumerate(self._gates):
            if crossed[number] is None and gate.is_crossed(anchor_point(anchor, origin), anchor_point(anchor, row.box)):
                crossed[number] = row.pts


class TracksFold:
    """The tracks that have rows that pass, and cross all lines between them."""

    def __init__(self, test: Test, crossings: Sequence[Crosses]) -> None:
        self._test = test
        self._crossings = _Crossings(crossings)

    def add(self, tally: Tally, row: SeenRow) -> Tally:
        """[rows, first PTS, last PTS, best score, PTS by line, box before]."""
        if not self._test(row):
            return tally
        if tally is None:
            tally = [0, row.pts, row.pts, 0, [None] * self._crossings.count, None]
        rows, first, _, best, crossed, box = tally
        self._crossings.note(crossed, tuple(box) if box else None, row)
        kept = list(row.box) if self._crossings.count else None
        return [rows + 1, first, row.pts, max(best, -row.minus_score), crossed, kept]

    def result(self, track: KnownTrack, tally: Tally) -> FoundTrack | None:
        """The track, by its rows."""
        if tally is None or None in tally[4]:
            return None
        rows, first, last, best, crossed, _ = tally
        return FoundTrack(track.track_id, track.model, track.label, first, last, rows, best, tuple(crossed))


class PerTrackFold:
    """The row that stands for its track."""

    def __init__(self, test: Test, choice: Choice) -> None:
        self._test = test
        self._choice = choice

    def add(self, tally: Tally, row: SeenRow) -> Tally:
        """[rank, fields of the row]."""
        if not self._test(row):
            return tally
        rank = self._rank(row)
        return [rank, KeptRow.of(row)] if tally is None or rank > tally[0] else tally

    def result(self, track: KnownTrack, tally: Tally) -> FoundRow | None:  # noqa: ARG002  the row says it all
        """The row."""
        return None if tally is None else FoundRow(KeptRow.from_json(tally[1]))

    def _rank(self, row: SeenRow) -> list[int]:
        """The greater the better; of equal ones the earlier stays."""
        match self._choice:
            case Choice.BEST:
                return [-row.minus_score]
            case Choice.LARGEST:
                return [(row.box[2] - row.box[0]) * (row.box[3] - row.box[1])]
            case Choice.FIRST:
                return []
            case Choice.LAST:
                return [row.pts, row.ordinal]


class DwellsFold:
    """How long a track is inside: the time between rows that follow each other and are both inside."""

    def __init__(self, test: Test, region: Inside, at_least: Fraction) -> None:
        self._test = test
        self._anchor = region.anchor
        self._area = Area(region.polygon)
        self._at_least_ticks = at_least

    def add(self, tally: Tally, row: SeenRow) -> Tally:
        """[ticks, visits, first PTS inside, last PTS inside, whether the row before is inside]."""
        if not self._test(row):
            return tally
        if not self._area.contains(anchor_point(self._anchor, row.box)):
            return None if tally is None else [*tally[:4], False]
        if tally is None:
            return [0, 1, row.pts, row.pts, True]
        ticks, visits, first, last, was_inside = tally
        if was_inside:
            return [ticks + row.pts - last, visits, first, row.pts, True]
        return [ticks, visits + 1, first, row.pts, True]

    def result(self, track: KnownTrack, tally: Tally) -> Dwell | None:
        """The sum, when it is long enough."""
        if tally is None or tally[0] < self._at_least_ticks:
            return None
        ticks, visits, first, last, _ = tally
        return Dwell(track.track_id, track.model, track.label, ticks, visits, first, last)


class TrackCounts:
    """In which spans of time each track counts: where it has rows that pass.

    With lines to cross a track counts once: where it has crossed the last of them.
    """

    def __init__(self, test: Test, crossings: Sequence[Crosses], *, timebase: Fraction, width: Fraction | None) -> None:
        self._test = test
        self._crossings = _Crossings(crossings)
        self._timebase = timebase
        self._width = width

    def add(self, tally: Tally, row: SeenRow) -> tuple[Tally, int | None]:
        """[last span that was counted, PTS by line, box before], and the span in which the track counts with this row.

        The same span comes once.
        """
        if not self._test(row):
            return tally, None
        counted, crossed, box = tally or [None, [None] * self._crossings.count, None]
        span = span_of(row.pts, self._timebase, self._width)
        if not self._crossings.count:
            return [span, crossed, None], None if span == counted else span
        self._crossings.note(crossed, tuple(box) if box else None, row)
        if counted is None and None not in crossed:
            return [span, crossed, list(row.box)], span
        return [counted, crossed, list(row.box)], None


class KeptRow(NamedTuple):
    """A row that waited in a state."""

    pts: Pts
    ordinal: int
    minus_score: int
    label: str
    box: Box
    model_index: int
    track_id: int
    frame_index: int | None

    @staticmethod
    def of(row: SeenRow) -> list[Any]:
        """The row as JSON."""
        fields = (row.pts, row.ordinal, row.minus_score, row.label, list(row.box), row.model_index, row.track_id)
        return [*fields, row.frame_index]

    @staticmethod
    def from_json(form: Sequence[Any]) -> KeptRow:
        """The row that `of` wrote."""
        pts, ordinal, minus_score, label, box, model_index, track_id, frame_index = form
        return KeptRow(pts, ordinal, minus_score, label, tuple(box), model_index, track_id, frame_index)
