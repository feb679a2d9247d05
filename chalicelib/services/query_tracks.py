"""Queries about tracks one by one: tracks, dwells, and one detection of each track, in the order of `GET tracks`."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.query.ast import Dwells, PerTrack, Tracks, is_about_whole_tracks
from chalicelib.domain.query.conditions import Test, steps_of
from chalicelib.domain.query.found import Dwell, Found, FoundTrack
from chalicelib.domain.query.track_folds import DwellsFold, PerTrackFold, Tally, TrackFold, TracksFold
from chalicelib.services.query_page import Asked, Filling, Source
from chalicelib.services.rows import Row
from chalicelib.services.track_batches import TrackList, may_match, tally_batch

TrackQuery = Tracks | PerTrack | Dwells


def fold_tracks(source: Source, query: TrackQuery, page: Filling, state: Any | None) -> Any | None:
    """Fill the page; the state to go on with, None at the end.

    A state is [start of a batch or None after the last, its tallies or None at its start, position of the walk or None
    when it has ended, how much of the result was given, the longest dwells so far].
    """
    if is_listed(query):
        return _list_tracks(source, query, page, state)
    start, tallies, position, skip, kept = state or ([0, 0], None, None, 0, [])
    asked = _with_steps(source.ask(query.where, is_of_tracks=True), query)
    fold = _make_fold(source, query, asked.test)
    track_list = TrackList(source, page)

    def add(_track: TrackRow, tally: Tally, row: Row) -> Tally:
        return fold.add(tally, row)

    while start is not None:
        batch = track_list.collect((start[0], start[1]), lambda track: may_match(track, asked.bounds))
        if tallies is None or position is not None:
            tallies = tallies or [None] * len(batch.tracks)
            position = tally_batch(source, asked, batch, tallies, page, position=position, add=add)
            if position is not None:
                return [start, tallies, position, 0, kept]
        results = _list_results(fold, batch.tracks, tallies)
        if isinstance(query, Dwells) and query.longest is not None:
            kept = _keep_longest(kept, results, query.longest)
        elif (taken := page.take(results, skip)) is not None:
            return [start, tallies, None, taken, kept]
        start, tallies, skip = batch.next_place, None, 0
        if start is not None and page.is_spent:
            return [start, None, None, 0, kept]
    given = page.take([Dwell(*form) for form in kept], skip)
    return None if given is None else [None, None, None, given, kept]


def is_listed(query: object) -> bool:
    """Whether the list of tracks itself is the answer, so that no block is read."""
    return isinstance(query, Tracks) and not query.crossings and is_about_whole_tracks(query.where)


def row_of_track(source: Source, track: TrackRow) -> Row:
    """Any row of a track, as far as label, model and track go."""
    model_index = source.scene.models.index(track.model) if track.model in source.scene.models else -1
    return Row(track.first_pts, 0, -track.score_max, track.label, (0, 0, 0, 0), model_index, track.track_id, None)


def _list_tracks(source: Source, query: TrackQuery, page: Filling, state: Any | None) -> Any | None:
    asked = source.ask(query.where, is_of_tracks=True)
    place = (state[0], state[1]) if state else (0, 0)
    for track, after in TrackList(source, page).from_place(place):
        if after[0] != place[0] and page.chunks_left <= 0:
            return [after[0], 0]
        if page.steps_left <= 0:
            return list(place)
        page.steps_left -= asked.row_steps
        if asked.test(row_of_track(source, track)):
            found = FoundTrack(
                track.track_id,
                track.model,
                track.label,
                track.first_pts,
                track.last_pts,
                track.frames,
                track.score_max,
            )
            if page.take((found,), 0) is not None:
                return list(place)
        place = after
    return None


def _make_fold(source: Source, query: TrackQuery, test: Test) -> TrackFold:
    match query:
        case Tracks():
            return TracksFold(test, query.crossings)
        case PerTrack():
            return PerTrackFold(test, query.choice)
        case Dwells():
            return DwellsFold(test, query.region, (query.at_least or 0) / source.timebase)


def _with_steps(asked: Asked, query: TrackQuery) -> Asked:
    """With what is done with each row beside its condition."""
    match query:
        case Tracks():
            return replace(asked, row_steps=asked.row_steps + len(query.crossings))
        case Dwells():
            return replace(asked, row_steps=steps_of(query.where, query.region))
        case _:
            return asked


def _list_results(fold: TrackFold, tracks: tuple[TrackRow, ...], tallies: list[Tally]) -> list[Found]:
    results = (fold.result(track, tally) for track, tally in zip(tracks, tallies, strict=True))
    return [result for result in results if result is not None]


def _keep_longest(kept: list[Any], results: list[Found], count: int) -> list[Any]:
    """The longest of both, as JSON; of equal ones the first in order."""
    dwells = [*kept, *(list(astuple(result)) for result in results if isinstance(result, Dwell))]
    return sorted(dwells, key=lambda form: (-Dwell(*form).ticks, Dwell(*form).first_pts, form[0]))[:count]
