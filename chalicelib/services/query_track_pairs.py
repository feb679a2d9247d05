"""Pairs of tracks, from the list of tracks alone: each track with those that begin after it and soon enough."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.query.ast import Pairs, Relation
from chalicelib.domain.query.found import Pair, Side
from chalicelib.services.query_page import Filling, Source
from chalicelib.services.query_tracks import row_of_track
from chalicelib.services.track_batches import TrackList

Roles = tuple[bool, bool]
"""Whether a track may be the left one, and the right one."""


def pair_tracks(source: Source, query: Pairs, page: Filling, state: Any | None) -> Any | None:
    """Fill the page; the state to go on with, None at the end.

    A state is [chunk and position of the earlier track, chunk and position of the later, how many of their pairs].
    """
    outer, inner, skip = state or ([0, 0], None, 0)
    left = source.ask(query.left.where, is_of_tracks=True)
    right = source.ask(query.right.where, is_of_tracks=True)
    within_ticks = math.floor((query.within or 0) / source.timebase)
    tracks = TrackList(source, page)
    roles: dict[int, Roles] = {}

    def roles_of(track: TrackRow) -> Roles:
        if track.track_id not in roles:
            row = row_of_track(source, track)
            page.steps_left -= left.row_steps + right.row_steps
            roles[track.track_id] = left.test(row), right.test(row)
        return roles[track.track_id]

    for earlier, after_earlier in tracks.from_place((outer[0], outer[1])):
        place = tuple(inner) if inner else after_earlier
        if any(roles_of(earlier)):
            for later, after_later in tracks.from_place((place[0], place[1])):
                page.steps_left -= 1
                if later.first_pts > earlier.last_pts + within_ticks:
                    break
                pairs = _relate(query.relation, earlier, roles_of(earlier), later, roles_of(later), within_ticks)
                given = page.take(pairs, skip)
                if given is not None:
                    return [list(outer), list(place), given]
                place, skip = after_later, 0
                if page.steps_left <= 0 or page.chunks_left <= 0:
                    return [list(outer), list(place), 0]
        outer, inner = after_earlier, None
        if page.steps_left <= 0 or page.chunks_left <= 0:
            return [list(outer), None, 0]
    return None


def _relate(
    relation: Relation, one: TrackRow, roles: Roles, other: TrackRow, other_roles: Roles, within_ticks: int
) -> Iterator[Pair]:
    """The pairs that two tracks are, either way round."""
    for left, right, is_asked in (
        (one, other, roles[0] and other_roles[1]),
        (other, one, other_roles[0] and roles[1]),
    ):
        if not is_asked:
            continue
        match relation:
            case Relation.BEFORE:
                holds = left.last_pts < right.first_pts <= left.last_pts + within_ticks
                shared = (left.last_pts, right.first_pts)
            case Relation.DURING:
                holds = right.first_pts <= left.first_pts and left.last_pts <= right.last_pts
                shared = (left.first_pts, left.last_pts)
            case _:
                shared = (max(left.first_pts, right.first_pts), min(left.last_pts, right.last_pts))
                holds = shared[0] <= shared[1]
        if holds:
            sides = [Side(track.label, track.first_pts, track.track_id) for track in (left, right)]
            yield Pair(relation, sides[0], sides[1], *shared)
