"""What of two jobs must be compared: the blocks of a stretch of time, and how much of each must be looked at.

Where it is proved by the index that both jobs looked at the same frames of a cell, most of it need not be compared:

* a block that both jobs name (same key and bytes, seen with the same least score) is *shared*: all its detections are
  matched with themselves. That is the common case: a pipeline that adds a model.
* a block without a detection of a label that the other job has in that cell is *lone*: all its detections are added,
  or removed.

Both are counted and not compared: from the index alone where its counts tell enough, else in one pass over the rows.
Where it is not proved (other sampling, other damage, other cells), every block is read and compared frame by frame.

Why a shared block may be left out: equal rows are matched first, whatever else there is (`domain/box_matching.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.contracts.blocks import BlockRef
from chalicelib.contracts.cell_results import CellResult, DamagedRange
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.domain.diff import Timeline
from chalicelib.domain.jobs import Job
from chalicelib.domain.media import Pts

A, B = 0, 1


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two jobs, and what of it is compared."""

    job: Job
    models: tuple[int, ...]
    """Positions in the job's models, rising."""
    floors: tuple[int, ...]
    """For each model of the job: the least score, in ten-thousandths."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is compared."""

    sides: tuple[Side, Side]
    timeline: Timeline
    labels: frozenset[str] | None
    """None: all."""
    kinds: frozenset[int] | None = None
    """Set when changes are listed and not summed: the sides whose lone detections are asked for."""

    @property
    def has_same_sampling(self) -> bool:
        """Whether both jobs chose frames by the same rule."""
        a, b = self.sides
        return a.job.request.sampling == b.job.request.sampling


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A block, and whose it is."""

    ref: BlockRef
    models: tuple[int | None, int | None]
    """In a, and in b; None: it is not in that job."""
    floor: int
    """The least score, in ten-thousandths."""
    is_settled: bool
    """Whether both jobs looked at all of its frames, and their number is known without it."""
    is_counted: bool = False
    """Whether it is counted as a whole, at its first frame, and not compared frame by frame."""
    known: Mapping[str, int] | None = None
    """Of a block that is counted: its detections by label, where the index tells."""

    @property
    def needs_block(self) -> bool:
        """Whether it must be read."""
        return self.known is None


@dataclass(frozen=True, slots=True)
class SettledFrames:
    """Frames of a cell that both jobs looked at."""

    first_pts: Pts
    frames: int


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of the frames of a cell without reading it; equal facts and sampling mean the same frames."""

    frames_shown: int
    frames: int
    """That are stored."""
    damage: tuple[DamagedRange, ...]
    first_pts: Pts
    last_pts: Pts


@dataclass(frozen=True, slots=True)
class _Owned:
    ref: BlockRef
    model: int
    floor: int
    labels: frozenset[str]
    """That are asked for and there."""


def find_pieces(
    entries: tuple[IndexEntry, IndexEntry], scope: Scope, from_pts: Pts, to_pts: Pts
) -> tuple[list[Piece], list[SettledFrames]]:
    """The blocks of two committed segments that hold something of [from_pts, to_pts), where both have results."""
    cells = [_cells_of(entry, side) for entry, side in zip(entries, scope.sides, strict=True)]
    pieces: list[Piece] = []
    settled: list[SettledFrames] = []
    for number in sorted({*cells[A], *cells[B]}):
        of_cell = cells[A].get(number, []), cells[B].get(number, [])
        owned = [
            [_own(ref, model, side, scope) for model, cell in results for ref in cell.blocks]
            for results, side in zip(of_cell, scope.sides, strict=True)
        ]
        facts = _same_facts(of_cell) if scope.has_same_sampling else None
        if facts is not None and from_pts <= facts.first_pts and facts.last_pts < to_pts:
            settled.append(SettledFrames(facts.first_pts, facts.frames))
            pieces += _settle(owned[A], owned[B], scope)
        else:
            pieces += _compare_all(owned[A], owned[B])
    in_time = [piece for piece in pieces if piece.ref.last_pts >= from_pts and piece.ref.first_pts < to_pts]
    return sorted(in_time, key=lambda piece: piece.ref.first_pts), sorted(settled, key=lambda cell: cell.first_pts)


def _cells_of(entry: IndexEntry, side: Side) -> dict[int, list[tuple[int, CellResult]]]:
    """By number of the cell: the result of each model."""
    cells: dict[int, list[tuple[int, CellResult]]] = {}
    for model in side.models:
        for cell in entry.cells_by_model[model]:
            cells.setdefault(cell.cell, []).append((model, cell))
    return cells


def _own(ref: BlockRef, model: int, side: Side, scope: Scope) -> _Owned:
    floor, asked = side.floors[model], scope.labels
    labels = (name for name, (_, best) in ref.labels.items() if best >= floor and (asked is None or name in asked))
    return _Owned(ref, model, floor, frozenset(labels))


def _same_facts(of_cell: tuple[Sequence[tuple[int, CellResult]], Sequence[tuple[int, CellResult]]]) -> _Facts | None:
    """What is known of a cell of which all models of both jobs know the same; None where they do not, or no frame."""
    if not all(of_cell):
        return None
    facts = {_facts_of(cell) for results in of_cell for _, cell in results}
    return facts.pop() if len(facts) == 1 else None


def _facts_of(cell: CellResult) -> _Facts | None:
    if not cell.blocks:
        return None
    first, last = cell.blocks[0].first_pts, cell.blocks[-1].last_pts
    return _Facts(cell.frames_shown, sum(ref.frames for ref in cell.blocks), cell.damage, first, last)


def _compare_all(a: Sequence[_Owned], b: Sequence[_Owned]) -> Iterable[Piece]:
    """Every block, since its frames must be known; one that both have is read once."""
    for shared, of_a, of_b in _pair(a, b):
        yield Piece(shared.ref, _models(of_a, of_b), shared.floor, is_settled=False)


def _settle(a: Sequence[_Owned], b: Sequence[_Owned], scope: Scope) -> Iterable[Piece]:
    """What is left to do of a cell whose frames both jobs looked at."""
    rest: list[tuple[_Owned, _Owned | None, _Owned | None]] = []
    for one, of_a, of_b in _pair(a, b):
        if not one.labels:
            continue
        if of_a is None or of_b is None:
            rest.append((one, of_a, of_b))
        elif scope.kinds is None:
            yield _counted(one, of_a, of_b, scope.timeline)
    others = [
        frozenset[str]().union(*(one.labels for one, of_a, _ in rest if (of_a is None) == (side == A)))
        for side in (A, B)
    ]
    """For each side, the labels that the other one has."""
    for one, of_a, of_b in rest:
        side = A if of_a is not None else B
        is_lone = not one.labels & others[side]
        if is_lone and scope.kinds is None:
            yield _counted(one, of_a, of_b, scope.timeline)
        elif not is_lone or side in (scope.kinds or ()):
            yield Piece(one.ref, _models(of_a, of_b), one.floor, is_settled=True)


def _pair(a: Sequence[_Owned], b: Sequence[_Owned]) -> Iterable[tuple[_Owned, _Owned | None, _Owned | None]]:
    """Each block once: with its owners in a and b, when it is the same block seen with the same least score."""
    left = list(b)
    for of_a in a:
        same = next((of_b for of_b in left if _identity(of_b) == _identity(of_a)), None)
        if same is not None:
            left.remove(same)
        yield of_a, of_a, same
    for of_b in left:
        yield of_b, None, of_b


def _identity(owned: _Owned) -> tuple[str, str, int]:
    return owned.ref.sk, owned.ref.sha256, owned.floor


def _counted(one: _Owned, of_a: _Owned | None, of_b: _Owned | None, timeline: Timeline) -> Piece:
    known = _known(one, timeline)
    return Piece(one.ref, _models(of_a, of_b), one.floor, is_settled=True, is_counted=True, known=known)


def _models(of_a: _Owned | None, of_b: _Owned | None) -> tuple[int | None, int | None]:
    return (None if of_a is None else of_a.model, None if of_b is None else of_b.model)


def _known(one: _Owned, timeline: Timeline) -> Mapping[str, int] | None:
    """The detections of a block by label, where the index tells: it counts all that is stored, whatever its score."""
    if timeline.range_of(one.ref.first_pts) != timeline.range_of(one.ref.last_pts):
        return None
    counts = {label: one.ref.labels[label][0] for label in one.labels}
    # The best score of a single row is its score.
    is_exact = one.floor <= 0 or all(count == 1 for count in counts.values())
    return counts if is_exact else None
