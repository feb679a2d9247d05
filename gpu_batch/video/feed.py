"""What of a cell must be decoded for the frames that a job wants: GOPs, each up to its last such frame, and no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from chalicelib.contracts.sample_table import CellSamples, SampleFlag
from chalicelib.domain.media import Pts
from gpu_batch.video.keyframes import Verdict
from gpu_batch.video.run_reader import Span, merge_spans

MERGE_GAP_BYTES = 64 << 10
"""A request costs more time than this many bytes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which frames of a run of cells a job looks at."""

    pts_by_cell: Mapping[int, Set[Pts]]
    """By index of a cell; a cell that is not there has none."""
    only_keyframes: bool
    """They are keyframes as the container claims them; one that the bitstream refutes is not wanted any more."""

    def of(self, cell: CellSamples) -> Set[Pts]:
        """The PTS that are wanted of a cell."""
        return self.pts_by_cell.get(cell.index, frozenset())


@dataclass(frozen=True, slots=True)
class Gop:
    """A GOP inside a cell as the container claims it; its frames lie from `start_pts` to the start of the next."""

    position: int
    """Of its keyframe among the samples."""
    end: int
    """One past its last sample."""
    start_pts: Pts


def claimed_gops(cell: CellSamples) -> list[Gop]:
    """The GOPs of a cell, its tail included: each starts at a sync sample that is displayed after all before it."""
    samples = cell.samples
    positions: list[int] = []
    highest_pts: Pts | None = None
    for position, pts in enumerate(samples.pts):
        if highest_pts is not None and pts <= highest_pts:
            continue
        highest_pts = pts
        if not position or samples.flags[position] & SampleFlag.KEY:
            positions.append(position)
    return [
        Gop(position, end, samples.pts[position] if position else cell.start_pts)
        for position, end in zip(positions, [*positions[1:], len(samples)], strict=True)
    ]


def claimed_keyframes(cell: CellSamples) -> list[Pts]:
    """PTS of the cell's shown keyframes as the container claims them, rising."""
    samples = cell.samples
    return [
        samples.pts[gop.position]
        for gop in claimed_gops(cell)
        if gop.position < cell.own
        and samples.flags[gop.position] & SampleFlag.SHOWN
        and cell.start_pts <= samples.pts[gop.position] < cell.end_pts
    ]


def mark_needed(cell: CellSamples, gops: Sequence[Gop], wanted: Set[Pts], judge: Callable[[int], Verdict]) -> bytearray:
    """For each sample 1 when the frames at `wanted` need it, or may need it, else 0.

    `judge` says what is known of the keyframe of a GOP, given by its index. Each stretch of ones starts at the keyframe
    of a GOP that is proved, or at the start of the cell.
    """
    samples = cell.samples
    needed = bytearray(len(samples))
    is_needed_whole = False
    for index in reversed(range(len(gops))):
        gop = gops[index]
        asked = [
            position
            for position in range(gop.position, gop.end)
            if samples.pts[position] in wanted and samples.flags[position] & SampleFlag.SHOWN
        ]
        if not asked and not is_needed_whole:
            continue
        last = gop.end - 1 if is_needed_whole else asked[-1]
        needed[gop.position : last + 1] = bytes([1]) * (last + 1 - gop.position)
        verdict = judge(index)
        asks_leading = any(samples.pts[position] < samples.pts[gop.position] for position in asked)
        # Leading pictures of an open GOP may refer to any frame of the GOP before.
        is_needed_whole = not verdict.is_proved or (asks_leading and verdict is not Verdict.PROVED_CLOSED)
    return needed


def spans_to_read(cells: Sequence[CellSamples], wanted: Wanted | None) -> list[Span]:
    """Where the bytes lie that the wanted frames need (None: all frames), as far as the table tells.

    All frames are one span. Otherwise pieces closer than `MERGE_GAP_BYTES` are read as one.
    """
    if wanted is None:
        present = [cell.byte_range for cell in cells if cell.byte_range[1]]
        return [(min(start for start, _ in present), max(end for _, end in present))] if present else []
    verdict = Verdict.PROVED_CLOSED if wanted.only_keyframes else Verdict.PROVED_OPEN
    spans: list[Span] = []
    for cell in cells:
        if not wanted.of(cell):
            continue
        samples = cell.samples
        needed = mark_needed(cell, claimed_gops(cell), wanted.of(cell), lambda _: verdict)
        spans += [
            (samples.offsets[position], samples.offsets[position] + samples.sizes[position])
            for position, is_needed in enumerate(needed)
            if is_needed and not samples.flags[position] & SampleFlag.MISSING
        ]
    return merge_spans(spans, MERGE_GAP_BYTES)
