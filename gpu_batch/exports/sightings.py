"""From rows in order of time to what was seen of each thing: where it is seen, and where it is not any more.

A thing is a track of the job; a row without a track is a thing of its own, seen once. It is followed from one sampled
frame to the next: the last sighting before a sampled frame in which it is missing closes it, and a later one opens it
again. In memory are the things of one frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from gpu_batch.exports.facts import ExportFrame, ExportRow


class Thing(NamedTuple):
    """What is followed; things order by track id, those without a track come last, in order of time."""

    is_single: bool
    number: int
    """The track id, or how many rows without a track came before."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A thing in one sampled frame."""

    thing: Thing
    frame: ExportFrame
    row: ExportRow
    is_last: bool
    """The next sampled frame does not show it, or there is none."""
    next_frame: ExportFrame | None
    """The next sampled frame."""


def follow(frames: Iterator[ExportFrame]) -> Iterator[Sighting]:
    """Every row as a sighting, frame by frame, in the order of things."""
    singles = 0
    seen: dict[Thing, ExportRow] = {}
    before: ExportFrame | None = None
    for frame in frames:
        now: dict[Thing, ExportRow] = {}
        for row in frame.rows:
            if row.track_id is None:
                now[Thing(is_single=True, number=singles)] = row
                singles += 1
            else:
                now[Thing(is_single=False, number=row.track_id)] = row
        if before is not None:
            yield from _sightings(before, seen, now, frame)
        before, seen = frame, now
    if before is not None:
        yield from _sightings(before, seen, {}, None)


def _sightings(
    frame: ExportFrame, seen: dict[Thing, ExportRow], after: dict[Thing, ExportRow], next_frame: ExportFrame | None
) -> Iterator[Sighting]:
    for thing in sorted(seen):
        yield Sighting(thing, frame, seen[thing], thing not in after, next_frame)
