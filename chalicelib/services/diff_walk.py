"""A walk over two jobs side by side, in order of time, that reads the blocks it needs and no others.

It has a budget of blocks and one of comparisons. A walk whose budget is spent ends early and says so; its `position`
goes on from there. A position is JSON: [pts, segment of a, segment of b]. Everything before that PTS was dealt with:
the frames before it, and every block that is counted as a whole and begins before it. The segments are the next ones
that can reach beyond it.

The first segment of a job has everything that comes before it too, the last one everything after it: of a video
without an index, begin and end are estimates.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

from chalicelib.contracts.blocks import Block
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.summary_tree import Wanted
from chalicelib.domain.box_matching import SeenBox
from chalicelib.domain.diff_tally import BoxesByLabel
from chalicelib.domain.errors import NotFound
from chalicelib.domain.media import Pts
from chalicelib.services.decoded_blocks import decoded_block
from chalicelib.services.diff_pieces import A, B, Piece, Scope, SettledFrames, Side, find_pieces
from chalicelib.services.index_reader import IndexReader
from chalicelib.services.ports import Ports
from chalicelib.services.walk import BLOCKS_PER_PAGE, BLOCKS_PER_READ

STEPS_PER_WALK = 200_000
"""Comparisons of two boxes: whatever a frame holds, a walk is a fraction of a second of CPU."""
EARLIEST, LATEST = -(1 << 63), 1 << 63


class Frame(NamedTuple):
    """A frame that one of the jobs looked at, or both."""

    pts: Pts
    ordinal: int
    a: BoxesByLabel | None
    """None: that job did not look at it."""
    b: BoxesByLabel | None
    is_settled: bool
    """Whether it is among the frames that a `SettledFrames` has counted."""


class Counted(NamedTuple):
    """A block that is counted and not compared; decoded where the index does not tell its counts."""

    pts: Pts
    piece: Piece
    block: Block | None


class Missing(NamedTuple):
    """A stretch of time of which one of the jobs has no results, or neither."""

    pts: Pts
    end_pts: Pts
    in_a: bool
    in_b: bool


Event: TypeAlias = Frame | Counted | SettledFrames | Missing


class DiffWalk:
    """One walk; `events` may be called once."""

    def __init__(
        self, ports: Ports, scope: Scope, content_digest: str, *, blocks_budget: int = BLOCKS_PER_PAGE
    ) -> None:
        """The walk over what `scope` names; both jobs are of a video with this content."""
        self.is_exhausted = False
        """Whether the walk stopped because of its budget and not at the end."""
        self.pts: Pts = EARLIEST
        """Everything before it was dealt with when the last event was given."""
        self.steps_left = STEPS_PER_WALK
        """Whoever takes the events spends them."""
        self._ports = ports
        self._scope = scope
        self._content_digest = content_digest
        self._blocks_left = blocks_budget
        self._bodies: dict[str, bytes] = {}
        """By sort key; of pieces that are not dealt with yet."""
        self._streams: tuple[_Stream, ...] = ()

    @property
    def position(self) -> list[Any]:
        """Where to go on: before the event that was given last, or after all of them."""
        return [self.pts, *(stream.segment for stream in self._streams)]

    def events(self, position: list[Any] | None = None) -> Iterator[Event]:
        """What there is to deal with, in order of time, from the start or from where another walk stopped.

        Raises:
            NotFound: blocks of a job were removed.
        """
        begin, *segments = position or [EARLIEST, 0, 0]
        self.pts = begin
        self._streams = tuple(map(_Stream, [self._ports] * 2, self._scope.sides, segments))
        while self.pts < LATEST:
            for stream in self._streams:
                stream.skip_to(self.pts)
            if any(stream.is_cut for stream in self._streams):
                self.is_exhausted = True
                return
            entry_a, entry_b = (stream.covering(self.pts) for stream in self._streams)
            end = min(stream.next_bound(self.pts) for stream in self._streams)
            if entry_a is None or entry_b is None:
                yield Missing(self.pts, end, entry_a is None, entry_b is None)
            else:
                yield from self._compare((entry_a, entry_b), begin, end)
                if self.is_exhausted:
                    return
            self.pts = end

    def _compare(self, entries: tuple[IndexEntry, IndexEntry], begin: Pts, end: Pts) -> Iterator[Event]:
        """The events of a stretch of which both jobs have results; `begin` is that of the walk."""
        start = max(stream.start for stream in self._streams)
        pieces, cells = find_pieces(entries, self._scope, start, end)
        # What is counted as a whole was counted where it begins, by the walk that came by there.
        waiting = deque(
            piece for piece in pieces if (piece.ref.first_pts if piece.is_counted else piece.ref.last_pts) >= self.pts
        )
        settled = deque(cell for cell in cells if cell.first_pts >= self.pts)
        opened: list[Piece] = []
        while waiting or opened:
            stop = min((piece.ref.last_pts for piece in opened), default=LATEST)
            while waiting and waiting[0].ref.first_pts <= stop:
                opened.append(waiting.popleft())
                stop = min(stop, opened[-1].ref.last_pts)
            stop = min(stop + 1, end)
            active = [piece for piece in opened if piece.ref.first_pts < stop]
            if not self._read(active, [*opened, *waiting], must=self.pts == begin):
                self.is_exhausted = True
                return
            events: list[Event] = [*self._frames(active, self.pts, stop), *self._counted(active)]
            while settled and settled[0].first_pts < stop:
                events.append(settled.popleft())
            for event in sorted(events, key=_pts_of):
                if _pts_of(event) > self.pts:
                    self.pts = _pts_of(event)
                    if self.steps_left <= 0:
                        self.is_exhausted = True
                        return
                yield event
            self.pts = stop
            opened = [p for p in opened if p.ref.last_pts >= stop and not (p.is_counted and p.ref.first_pts < stop)]
            for piece in active:
                if piece not in opened:
                    self._bodies.pop(piece.ref.sk, None)
            if stop == end:
                break
        yield from settled

    def _read(self, active: Sequence[Piece], coming: Sequence[Piece], *, must: bool) -> bool:
        """Whether the blocks of the active pieces are there now; those of pieces that come soon may be too."""
        needed = self._unread(active)
        if not needed:
            return True
        # A walk that stopped where it began would never end: what lies there is read whatever the budget.
        if len(needed) > self._blocks_left and not must:
            return False
        soon = self._unread([*active, *coming])
        batch = soon[: max(len(needed), min(BLOCKS_PER_READ, self._blocks_left))]
        self._blocks_left -= len(batch)
        tenant = self._scope.sides[A].job.tenant
        packed = self._ports.results.get_blocks(tenant, self._content_digest, [piece.ref for piece in batch])
        for piece in batch:
            if piece.ref.sk not in packed:
                lost = self._scope.sides[B if piece.models[A] is None else A].job.job_id
                raise NotFound(f"results of job {lost} were removed", hint="Start a new job on this video")
            self._bodies[piece.ref.sk] = packed[piece.ref.sk]
        return True

    def _unread(self, pieces: Sequence[Piece]) -> list[Piece]:
        by_key: dict[str, Piece] = {}
        for piece in pieces:
            if piece.needs_block and piece.ref.sk not in self._bodies:
                by_key.setdefault(piece.ref.sk, piece)
        return list(by_key.values())

    def _frames(self, active: Sequence[Piece], start: Pts, stop: Pts) -> Iterator[Frame]:
        """The frames of [start, stop) that are compared, in order."""
        for is_settled in (True, False):
            frames: dict[tuple[Pts, int], list[dict[str, list[SeenBox]] | None]] = {}
            for piece in active:
                if not piece.is_counted and piece.is_settled == is_settled:
                    block = decoded_block(self._bodies[piece.ref.sk])
                    _add_frames(frames, piece, block, self._scope.labels, start, stop)
            for (pts, ordinal), (a, b) in sorted(frames.items(), key=_place_of):
                yield Frame(pts, ordinal, a, b, is_settled)

    def _counted(self, active: Sequence[Piece]) -> Iterator[Counted]:
        for piece in active:
            if piece.is_counted:
                block = decoded_block(self._bodies[piece.ref.sk]) if piece.needs_block else None
                yield Counted(piece.ref.first_pts, piece, block)


class _Stream:
    """The committed segments of one job in order of time, read as they are needed."""

    def __init__(self, ports: Ports, side: Side, first: int) -> None:
        """From segment `first` on."""
        # Below every score: segments in which nothing was found have frames, too.
        wanted = Wanted(side.models, (-1,) * len(side.job.models))
        self._reader = IndexReader(ports, side.job, wanted)
        self._entries = (indexed.entry for batch in self._reader.batches(first) for indexed in batch)
        self._last = side.job.plan.segments - 1 if side.job.plan else 0
        self._next: IndexEntry | None = next(self._entries, None)

    @property
    def segment(self) -> int:
        """The next one."""
        if self._next is not None:
            return self._next.segment
        return self._reader.next_segment if self._reader.next_segment is not None else self._last + 1

    @property
    def is_cut(self) -> bool:
        """Whether it is not known what comes next, since the budget of reads is spent."""
        return self._next is None and self._reader.next_segment is not None

    @property
    def start(self) -> Pts:
        """Where the next segment starts; `LATEST` without one."""
        if self._next is None:
            return LATEST
        return EARLIEST if self._next.segment == 0 else self._next.start_pts

    @property
    def _end(self) -> Pts:
        assert self._next is not None
        return LATEST if self._next.segment == self._last else self._next.end_pts

    def skip_to(self, pts: Pts) -> None:
        """Leave the segments behind that end before or at `pts`."""
        while self._next is not None and self._end <= pts:
            self._next = next(self._entries, None)

    def covering(self, pts: Pts) -> IndexEntry | None:
        """The segment that `pts` is in, if it is committed."""
        return self._next if self.start <= pts else None

    def next_bound(self, pts: Pts) -> Pts:
        """Where the next segment starts after `pts`, or ends."""
        return self._end if self._next is not None and self.start <= pts else self.start


def _add_frames(
    frames: dict[tuple[Pts, int], list[dict[str, list[SeenBox]] | None]],
    piece: Piece,
    block: Block,
    labels: frozenset[str] | None,
    start: Pts,
    stop: Pts,
) -> None:
    """Add what a block has in [start, stop)."""
    names = [name if labels is None or name in labels else None for name in block.labels]
    first, end = bisect_left(block.pts, start), bisect_left(block.pts, stop)
    first_row = sum(block.counts[:first])
    rows = slice(first_row, first_row + sum(block.counts[first:end]))
    columns = [column[rows] for column in (block.row_scores, block.x1, block.y1, block.x2, block.y2)]
    row_labels, floor = block.row_labels[rows], piece.floor
    for side, model in enumerate(piece.models):
        if model is None:
            continue
        boxes: list[SeenBox] = list(zip(*columns, repeat(model)))
        row = 0
        for number in range(first, end):
            place = (block.pts[number], block.ordinals[number])
            both = frames.get(place)
            if both is None:
                both = frames[place] = [{}, {}] if piece.is_settled else [None, None]
            found = both[side]
            if found is None:
                found = both[side] = {}
            first_row, row = row, row + block.counts[number]
            for at in range(first_row, row):
                box = boxes[at]
                # The surest come first.
                if box[0] < floor:
                    break
                name = names[row_labels[at]]
                if name is not None:
                    found.setdefault(name, []).append(box)


def _place_of(item: tuple[tuple[Pts, int], Any]) -> tuple[Pts, int]:
    return item[0]


def _pts_of(event: Event) -> Pts:
    return event.first_pts if isinstance(event, SettledFrames) else event.pts
