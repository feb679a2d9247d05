"""What changed between two jobs: the detections that were added, removed or moved, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from chalicelib.contracts.blocks import BOX_UNITS, SCORE_UNITS
from chalicelib.domain.box_matching import MILLION, MatchRules, SeenBox, match_boxes
from chalicelib.domain.jobs import Job
from chalicelib.domain.media import Pts
from chalicelib.services.cursors import make_cursor, read_cursor
from chalicelib.services.diff import DiffQuery, find_scope
from chalicelib.services.diff_pieces import A, B, Scope
from chalicelib.services.diff_walk import DiffWalk, Frame
from chalicelib.services.ports import Ports


class ChangeKind(StrEnum):
    """How a detection changed."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"


SIDES_BY_KIND = {
    ChangeKind.ADDED: frozenset({B}),
    ChangeKind.REMOVED: frozenset({A}),
    ChangeKind.MOVED: frozenset[int](),
}
"""Where a detection that nothing can match is such a change."""


class SeenDetection(NamedTuple):
    """A detection as one of the jobs has it."""

    model: str
    score: float
    box: tuple[float, float, float, float]


class Change(NamedTuple):
    """A detection that is not as it was."""

    kind: ChangeKind
    pts: Pts
    timebase: Fraction
    label: str
    a: SeenDetection | None
    b: SeenDetection | None
    iou: float | None
    """Of one that moved."""


def list_changes(
    ports: Ports, a: Job, b: Job, query: DiffQuery, *, kind: ChangeKind | None, limit: int, cursor: str | None
) -> tuple[Sequence[Change], str | None]:
    """One page of changes and the cursor of the next, None at the end; in order of time, label, kind.

    A page may be short, or empty, and still have a cursor.

    Raises:
        Conflict, InvalidRequest, NotFound: as `diff_jobs`.
    """
    kinds = frozenset(ChangeKind) if kind is None else frozenset({kind})
    sides = frozenset[int]().union(*(SIDES_BY_KIND[one] for one in kinds))
    scope, digest = find_scope(ports, a, b, query, 1, sides)
    key, name = ports.limits.cursor_key, f"changes|{a.job_id}|{b.job_id}|{query!r}|{kind}"
    position, skip = read_cursor(key, a.tenant, name, cursor) if cursor else (None, 0)
    walk = DiffWalk(ports, scope, digest)
    found: list[Change] = []
    pts, given = walk.pts, 0
    for event in walk.events(position):
        if not isinstance(event, Frame):
            continue
        # A cursor says how many changes of its PTS were given.
        if event.pts != pts:
            pts, given = event.pts, 0
        for change in _changes_of(event, scope, query.rules):
            if change.kind not in kinds:
                continue
            given += 1
            if position is not None and pts == position[0] and given <= skip:
                continue
            found.append(change)
            if len(found) == limit:
                return found, make_cursor(key, a.tenant, name, [walk.position, given])
        walk.steps_left -= _steps_of(event)
    return found, make_cursor(key, a.tenant, name, [walk.position, 0]) if walk.is_exhausted else None


def _steps_of(frame: Frame) -> int:
    if frame.a is None or frame.b is None:
        return 1
    return 1 + sum(len(boxes) * len(frame.b.get(label, ())) for label, boxes in frame.a.items())


def _changes_of(frame: Frame, scope: Scope, rules: MatchRules) -> Iterator[Change]:
    if frame.a is None or frame.b is None:
        return
    names = [[ref.name for ref in side.job.models] for side in scope.sides]
    timebase = scope.timeline.timebase
    for label in sorted({*frame.a, *frame.b}):
        # Of equal boxes of several models the first is that of the first model.
        boxes = [sorted(side.get(label, ()), key=_order_of) for side in (frame.a, frame.b)]
        matches = match_boxes(boxes[A], boxes[B], rules)
        matched = [{match.a for match in matches}, {match.b for match in matches}]
        lone = [
            [box for at, box in enumerate(of_side) if at not in matched[side]] for side, of_side in enumerate(boxes)
        ]
        for box in lone[B]:
            yield Change(ChangeKind.ADDED, frame.pts, timebase, label, None, _seen(box, names[B]), None)
        for match in sorted(match for match in matches if match.is_moved):
            of_a, of_b = _seen(boxes[A][match.a], names[A]), _seen(boxes[B][match.b], names[B])
            yield Change(ChangeKind.MOVED, frame.pts, timebase, label, of_a, of_b, match.iou / MILLION)
        for box in lone[A]:
            yield Change(ChangeKind.REMOVED, frame.pts, timebase, label, _seen(box, names[A]), None, None)


def _order_of(box: SeenBox) -> tuple[int, ...]:
    """As in a page of detections: score descending, then box."""
    return (-box[0], *box[1:])


def _seen(box: SeenBox, names: Sequence[str]) -> SeenDetection:
    score, x1, y1, x2, y2, model = box
    sides = (x1 / BOX_UNITS, y1 / BOX_UNITS, x2 / BOX_UNITS, y2 / BOX_UNITS)
    return SeenDetection(names[model], score / SCORE_UNITS, sides)
