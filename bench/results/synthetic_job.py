"""A finished job of any length and density, whose stored items are made when they are read.

Frames come at 25 a second, a keyframe every 2 s; the real rules cut cells and segments. Objects live for one GOP: in
every GOP each of a number of slots has an object with a label, a score and a box that moves. A slot may be empty in
some frames, so that the density is met. There are 16 different GOPs that follow each other in turn, so that few cells
differ but in their times; what they hold is packed once for its size and its statistics, and again, with the right
times, whenever it is read.

Two labels are planted: `lamp`, once in every cell, and `comet`, once in the whole video.
"""

from __future__ import annotations

import random
from array import array
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from hashlib import sha256
from math import ceil
from typing import Any

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.blocks import MAX_BLOCK_BYTES, Block, BlockRef, make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult
from chalicelib.contracts.items import job_to_item, video_to_item
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.model_items import digest_to_item
from chalicelib.contracts.summary_tree import Summary
from chalicelib.contracts.track_ids import IdColumn, pack_track_ids
from chalicelib.contracts.tracks import TRACKS_PER_CHUNK, TrackRow, pack_tracks
from chalicelib.contracts.tree_fold import PlacedNode, TreeFold, add_up, summarize_segment
from chalicelib.domain.cells import Cell, cut_cells
from chalicelib.domain.jobs import JobState, PlanFacts
from chalicelib.domain.models import Manifest
from chalicelib.domain.segments import plan_segments
from chalicelib.domain.videos import VideoState
from tests.fakes.makers import TENANT, make_job, make_manifest, make_media, make_video

FRAMES_PER_SECOND = 25
GOP_FRAMES = 50
TICKS = 512
"""Per frame."""
TIMEBASE = Fraction(1, FRAMES_PER_SECOND * TICKS)
VARIANTS = 16
LABELS = ("bicycle", "bus", "car", "cat", "comet", "dog", "lamp", "person", "truck")
COMMON = (2, 7, 7, 7, 0, 2, 5, 1, 8, 3)
"""Labels of the slots in turn: positions in LABELS."""
FRAME_COLUMNS = ("pts", "ordinals", "ranks", "counts", "flags")
ROW_COLUMNS = ("row_labels", "row_scores", "x1", "y1", "x2", "y2")
ANALYSIS = "a" * 32
DIGEST = "d" * 64
META, RESULTS = "meta", "results"


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one kind of GOP, frame by frame, in the order of a block; `slots` says which object each is."""

    counts: list[int]
    labels: list[int]
    scores: list[int]
    sides: tuple[list[int], ...]
    slots: list[int]


@dataclass(frozen=True, slots=True)
class _Part:
    """One block of a kind of cell, with times from 0."""

    block: Block
    ref: BlockRef
    slots: tuple[int, ...]
    """Of each row."""
    gops: tuple[int, ...]
    """Of each row: which of the cell."""


class SyntheticJob:
    """One job and everything that is stored of it."""

    def __init__(self, *, seconds: int, detections_per_second: float) -> None:
        """A job on a video of whole GOPs."""
        self.gops = seconds * FRAMES_PER_SECOND // GOP_FRAMES
        self.seconds = seconds
        per_frame = detections_per_second / FRAMES_PER_SECOND
        self._slots = max(1, ceil(per_frame))
        self._last_slot_frames = max(1, round((per_frame - (self._slots - 1)) * GOP_FRAMES))
        """Frames of a GOP in which the last slot is there."""
        self.detections = self.gops * ((self._slots - 1) * GOP_FRAMES + self._last_slot_frames)
        self.tracks = self.gops * self._slots
        gop_ticks = GOP_FRAMES * TICKS
        end_pts = self.gops * gop_ticks
        self._first_gops = cut_cells([gop * gop_ticks for gop in range(self.gops)], end_pts, TIMEBASE)
        bounds = [*self._first_gops, self.gops]
        self._cells = [
            Cell(index, bounds[index] * gop_ticks, bounds[index + 1] * gop_ticks, 0, 1, 0, 1, 1)
            for index in range(len(self._first_gops))
        ]
        self._bounds = bounds
        self.segments = plan_segments(self._cells, TIMEBASE, None)
        self.comet_cell = len(self._cells) * 7 // 10
        media = make_media(timebase=TIMEBASE, duration_seconds=float(seconds))
        video = make_video(state=VideoState.READY, media=media)
        self.video = replace(video, source=replace(video.source, content_digest=DIGEST))
        self.job = make_job(
            state=JobState.SUCCEEDED,
            plan=PlanFacts(len(self.segments), len(self._cells)),
            summary=_summary_of(),
        )
        self.manifest: Manifest = make_manifest(labels=LABELS, score_default=0.3)
        self._partition = table_keys.partition(TENANT, self.job.job_id)
        self._part_cache = lru_cache(maxsize=VARIANTS * 8)(self._make_parts)
        self._rows_cache = lru_cache(maxsize=VARIANTS)(self._make_rows)

    def find(self, table: str, pk: str, sk: str) -> Item | None:
        """The item with this key, made now."""
        key = {"pk": pk, "sk": sk}
        if table == META:
            return self._find_meta(pk, sk)
        if pk != self._partition:
            return key | {"kind": "BLOCK", "request_id": "r" * 32, **self._block_item(sk)}
        kind, *numbers = sk.split("#")
        match kind:
            case "INDEX":
                return self.entry(int(numbers[0])).to_item(TENANT, self.job.job_id)
            case "TRACKIDS":
                _, segment, _, *part = (int(text) for text in numbers)
                parts = self.track_ids(segment)
                number_of_part = part[0] if part else 0
                has_part = number_of_part < len(parts)
                return key | {"kind": "TRACKIDS", "body": parts[number_of_part]} if has_part else None
            case "TRACKS":
                return key | {"kind": "TRACKS", "body": pack_tracks(self.chunk(int(numbers[1])))}
            case table_keys.SEGMENT_TREE | "TRACKTREE":
                body = self._nodes.get(sk)
                return key | {"kind": "NODE", "body": body} if body else None
        return None

    def entry(self, segment: int) -> IndexEntry:
        """The index entry of a segment."""
        planned = self.segments[segment]
        cells = tuple(self._cell_result(cell) for cell in range(planned.first_cell, planned.end_cell))
        frames = sum(cell.frames_shown for cell in cells)
        return IndexEntry(segment, planned.start_pts, planned.end_pts, frames, (cells,))

    def tree_of_segments(self) -> list[PlacedNode]:
        """The nodes of the summary tree of segments."""
        tree, nodes = TreeFold(1), []
        for segment in self.segments:
            nodes += tree.push(summarize_segment(self.entry(segment.index), segment.start_pts // TICKS))
        return nodes + tree.finish()

    def tree_of_tracks(self) -> list[PlacedNode]:
        """The nodes of the summary tree of chunks of tracks."""
        tree, nodes = TreeFold(1), []
        for chunk in range(ceil(self.tracks / TRACKS_PER_CHUNK)):
            nodes += tree.push(self._chunk_summary(chunk))
        return nodes + tree.finish()

    def chunk(self, number: int) -> list[TrackRow]:
        """A chunk of tracks."""
        ids = range(number * TRACKS_PER_CHUNK + 1, min((number + 1) * TRACKS_PER_CHUNK, self.tracks) + 1)
        return [self._track(track_id) for track_id in ids]

    def track_ids(self, segment: int) -> list[bytes]:
        """The packed ids of a segment."""
        planned = self.segments[segment]
        columns = []
        for cell in range(planned.first_cell, planned.end_cell):
            first = self._bounds[cell]
            for part in self._parts(cell):
                places = zip(part.gops, part.slots, strict=True)
                ids = [(first + gop) * self._slots + slot + 1 for gop, slot in places]
                columns.append(IdColumn(part.block.counts, ids))
        return pack_track_ids(columns)

    @cached_property
    def _nodes(self) -> dict[str, bytes]:
        """Both trees, by sort key."""
        segments = _by_key(table_keys.SEGMENT_TREE, self.tree_of_segments())
        return segments | _by_key(table_keys.track_tree(0), self.tree_of_tracks())

    def _find_meta(self, pk: str, sk: str) -> Item | None:
        if sk == table_keys.JOB:
            return job_to_item(self.job, None)
        if sk == table_keys.VIDEO:
            return video_to_item(self.video, None)
        if pk == table_keys.PUBLIC_MODELS:
            return digest_to_item(pk, self.manifest, self.job.created_at)
        return None

    # --- blocks ---------------------------------------------------------------------------------------------------

    def _parts(self, cell: int) -> list[_Part]:
        first, end = self._bounds[cell], self._bounds[cell + 1]
        return self._part_cache(first % VARIANTS, end - first, cell == self.comet_cell)

    def _cell_result(self, cell: int) -> CellResult:
        frames = (self._bounds[cell + 1] - self._bounds[cell]) * GOP_FRAMES
        refs = tuple(self._shifted_ref(cell, number, part.ref) for number, part in enumerate(self._parts(cell)))
        return CellResult(cell, frames, frames, (), refs)

    def _shifted_ref(self, cell: int, number: int, ref: BlockRef) -> BlockRef:
        digest = sha256(f"{cell}#{number}".encode()).hexdigest()
        sk = table_keys.block_part(ANALYSIS, cell, digest) if number else table_keys.block_head(ANALYSIS, cell)
        start = self._cells[cell].start_pts
        return replace(ref, sk=sk, sha256=digest, first_pts=start + ref.first_pts, last_pts=start + ref.last_pts)

    def _block_item(self, sk: str) -> Item:
        cell = int(sk.split("#")[1])
        result = self._cell_result(cell)
        number = next(number for number, ref in enumerate(result.blocks) if ref.sk == sk)
        block = self._parts(cell)[number].block
        start = self._cells[cell].start_pts
        body = pack_block(replace(block, pts=array("q", [start + pts for pts in block.pts])))
        return {"body": body} if number else {**result.to_item(), "body": body}

    def _make_parts(self, first_variant: int, gops: int, has_comet: bool) -> list[_Part]:  # noqa: FBT001
        rows = [self._rows_cache((first_variant + gop) % VARIANTS) for gop in range(gops)]
        labels = array("H", [label for of_gop in rows for label in of_gop.labels])
        labels[0] = LABELS.index("lamp")
        if has_comet:
            labels[1] = LABELS.index("comet")
        frames = gops * GOP_FRAMES
        block = Block(
            TIMEBASE,
            LABELS,
            array("q", [frame * TICKS for frame in range(frames)]),
            array("H", [0] * frames),
            array("I", range(frames)),
            array("H", [count for of_gop in rows for count in of_gop.counts]),
            array("B", [0] * frames),
            labels,
            array("H", [score for of_gop in rows for score in of_gop.scores]),
            *(array("i", [side for of_gop in rows for side in of_gop.sides[axis]]) for axis in range(4)),
        )
        slots = [slot for of_gop in rows for slot in of_gop.slots]
        of_gops = [gop for gop, of_gop in enumerate(rows) for _ in of_gop.slots]
        parts, row = [], 0
        for part, packed in _split(block):
            end = row + len(part.row_labels)
            ref = make_ref(part, packed, "")
            parts.append(_Part(part, ref, tuple(slots[row:end]), tuple(of_gops[row:end])))
            row = end
        return parts

    def _make_rows(self, variant: int) -> _Rows:
        chance = random.Random(variant)
        objects = [
            [chance.uniform(0, 1700), chance.uniform(0, 900), chance.uniform(-9, 9), chance.uniform(-4, 4)]
            for _ in range(self._slots)
        ]
        made = _Rows([], [], [], ([], [], [], []), [])
        for frame in range(GOP_FRAMES):
            there = self._slots - (frame >= self._last_slot_frames)
            rows = []
            for slot in range(there):
                x, y, dx, dy = objects[slot]
                wide = 40 + slot * 7 % 160
                box = [round(16 * (side + chance.gauss(0, 0.7))) for side in (x, y, x + wide, y + 2 * wide)]
                objects[slot][:2] = x + dx, y + dy
                rows.append((-chance.randint(3000, 9800), COMMON[slot % len(COMMON)], box, slot))
            # The surest of all is in one frame of one of the sixteen kinds of GOP.
            if variant == 0 and frame == 0 and rows:
                rows[0] = (-9990, *rows[0][1:])
            rows.sort(key=lambda row: (row[0], LABELS[row[1]], row[2]))
            made.counts.append(len(rows))
            made.labels.extend(row[1] for row in rows)
            made.scores.extend(-row[0] for row in rows)
            for axis, column in enumerate(made.sides):
                column.extend(row[2][axis] for row in rows)
            made.slots.extend(row[3] for row in rows)
        return made

    # --- tracks ---------------------------------------------------------------------------------------------------

    def _track(self, track_id: int) -> TrackRow:
        gop, slot = divmod(track_id - 1, self._slots)
        frames = self._last_slot_frames if slot == self._slots - 1 else GOP_FRAMES
        first = gop * GOP_FRAMES * TICKS
        return TrackRow(
            track_id, "toy", LABELS[COMMON[slot % len(COMMON)]], first, first + (frames - 1) * TICKS, frames, 9700
        )

    def _chunk_summary(self, number: int) -> Summary:
        """As `summarize_tracks` has it, without the tracks."""
        first = number * TRACKS_PER_CHUNK + 1
        last = min((number + 1) * TRACKS_PER_CHUNK, self.tracks)
        labels = add_up(
            {self._track(track_id).label: (1, 9700)} for track_id in range(first, min(last, first + 40) + 1)
        )
        start, end = self._track(first).first_pts, self._track(last).last_pts + 1
        return Summary(number, start, end, None, (labels,), ((first, last),))


def _split(block: Block) -> list[tuple[Block, bytes]]:
    """The block, or its halves in time and theirs, as the worker cuts it; with their bytes."""
    packed = pack_block(block)
    if len(packed) <= MAX_BLOCK_BYTES:
        return [(block, packed)]
    middle = len(block.pts) // 2
    return [*_split(_cut(block, 0, middle)), *_split(_cut(block, middle, len(block.pts)))]


def _cut(block: Block, first: int, end: int) -> Block:
    rows = slice(sum(block.counts[:first]), sum(block.counts[:end]))
    of_frames: dict[str, Any] = {name: getattr(block, name)[first:end] for name in FRAME_COLUMNS}
    of_rows: dict[str, Any] = {name: getattr(block, name)[rows] for name in ROW_COLUMNS}
    return Block(block.timebase, block.labels, **of_frames, **of_rows)


def _by_key(tree: str, nodes: list[PlacedNode]) -> dict[str, bytes]:
    return {table_keys.tree_node(tree, node.level, node.number): node.body for node in nodes}


def _summary_of() -> dict[str, Any]:
    """As long as the summary of a job gets with these labels: 20 ranges each."""
    ranges = [[minute * 10.123456, minute * 10.123456 + 5] for minute in range(20)]
    labels = [
        {
            "label": label,
            "detections": 123_456,
            "tracks": 4567,
            "first_seconds": 0.0,
            "last_seconds": 86_399.96,
            "score_max": 0.98,
            "ranges": ranges,
        }
        for label in LABELS
    ]
    return {"frames_shown": 2_160_000, "detections": 1_000_000, "tracks": 20_000, "labels": labels}
