"""Two jobs on one video, drawn from a seed, and their diff, found by looking at every pair of boxes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from chalicelib.contracts.blocks import BlockRef, make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult, DamagedRange
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.domain.diff import Diff, DiffSums, FrameCounts, Timeline, join_ranges
from chalicelib.domain.ids import JobId
from chalicelib.domain.jobs import Job, JobRequest, JobState, ModelRef, PlanFacts
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.videos import VideoState
from chalicelib.services.diff import DiffQuery
from tests.contracts.block_makers import make_block
from tests.fakes.finish import write_finish
from tests.fakes.make import make_fakes
from tests.fakes.makers import TENANT, make_index, make_job, make_manifest, make_media, make_video

TIMEBASE = Fraction(1, 90)
LABELS = ("bicycle", "dog", "person")
MODELS = ("ant", "bee", "cat")
DEFAULT_SCORE = {"ant": 4000, "bee": 5000, "cat": 3500}
SCORES = (1500, 3499, 3500, 4000, 5000, 9876)
DIGEST = "d" * 64
SAMPLINGS = (Sampling(), Sampling(SamplingKind.PER_SECOND, Fraction(2)))

Place = tuple[int, int]
"""(pts, ordinal)."""
Box = tuple[int, int, int, int]
Row = tuple[int, str, Box]
"""Score, label, box."""


@dataclass
class Analysed:
    """One job, and what it has of every frame that it looked at: for each of its models, rows."""

    job: Job
    frames: list[dict[Place, list[Row]]]
    """By model."""
    missing: list[tuple[int, int]] = field(default_factory=list)
    """Of [start, end) of the segments that are not there; the first and the last reach beyond the video."""


class DiffArchive:
    """A deployment with two jobs on one video."""

    def __init__(self, seed: int, *, cells: int = 8, is_alike: bool | None = None) -> None:
        """`is_alike`: both jobs have the same sampling and cells, and nothing failed; None: as drawn."""
        self._random = random.Random(seed)
        self._is_alike = self._random.random() < 0.4 if is_alike is None else is_alike
        self.fakes = make_fakes()
        self.ports = self.fakes.ports
        for name in MODELS:
            self.fakes.models.register(make_manifest(name, labels=LABELS, score_default=DEFAULT_SCORE[name] / 10_000))
        self._cell_end = -20
        self._cells = [self._draw_cell() for _ in range(cells)]
        pts = [place[0] for cell in self._cells for place in cell]
        self.start_pts, self.end_pts = pts[0], pts[-1] + self._random.randint(1, 3)
        # Of a video without an index the length is an estimate, and the one segment has everything.
        self._is_estimated = self._random.random() < 0.1
        if self._is_estimated:
            self.start_pts, self.end_pts = self.start_pts + 3, max(self.start_pts + 4, self.end_pts - 5)
        video = make_video(state=VideoState.READY, media=make_media(timebase=TIMEBASE))
        source = replace(video.source, content_digest=DIGEST)
        index = make_index(start_pts=self.start_pts, end_pts=self.end_pts)
        self.ports.videos.add(replace(video, source=source, index=index), None)
        self._stored: dict[tuple[object, ...], tuple[list[BlockRef], dict[Place, list[Row]], bool]] = {}
        self.a = self._draw_job("A")
        self.b = self._draw_job("B")

    def draw_query(self) -> DiffQuery:
        """What is asked; most of it is unset."""
        choose = self._random.choice
        return DiffQuery(
            label=choose([None, None, *LABELS, "unicorn"]),
            model_a=choose([None, None, None, self.a.job.models[0].name]),
            model_b=choose([None, None, None, self.b.job.models[-1].name]),
            score_min=choose([None, None, 0.0, 0.0, 0.35, 0.4, 0.98765]),
            iou_min=choose([0.5, 0.5, 0.3, 0.0001, 1.0]),
            moved_below=choose([0.8, 0.8, 0.0, 1.0]),
        )

    def answer(self, query: DiffQuery, ranges: int) -> Diff:
        """The diff."""
        line = Timeline(self.start_pts, self.end_pts, TIMEBASE, min(ranges, self.end_pts - self.start_pts))
        labels: dict[str, DiffSums] = {}
        over_time = [DiffSums()] * line.ranges
        frames = FrameCounts()
        (seen_a, shown_a), (seen_b, shown_b) = self._shown(self.a, query), self._shown(self.b, query)
        for place in sorted(seen_a | seen_b):
            if any(start <= place[0] < end for start, end in (*self.a.missing, *self.b.missing)):
                continue
            in_both = place in seen_a and place in seen_b
            frames += FrameCounts(in_both, place not in seen_b, place not in seen_a)
            for label in LABELS if in_both else ():
                rows = [[row for row in shown.get(place, []) if row[1] == label] for shown in (shown_a, shown_b)]
                if any(rows):
                    sums = sums_of(rows[0], rows[1], query)
                    labels[label] = labels.get(label, DiffSums()) + sums
                    number = line.range_of(place[0])
                    over_time[number] += sums
        missing = [
            join_ranges(gap for start, end in side.missing if (gap := line.clip(start, end)))
            for side in (self.a, self.b)
        ]
        seconds = [sum((end - start for start, end in gaps), 0) * TIMEBASE for gaps in missing]
        return Diff(labels, frames, line, tuple(over_time), missing[0], missing[1], seconds[0], seconds[1])

    def _shown(self, side: Analysed, query: DiffQuery) -> tuple[set[Place], dict[Place, list[Row]]]:
        """The frames that a job looked at, and what it shows of each."""
        model_asked = query.model_a if side is self.a else query.model_b
        labels = set(LABELS)
        for one in (self.a, self.b):
            labels &= set(one.job.request.labels or LABELS)
        labels &= {query.label} if query.label is not None else labels
        seen: set[Place] = set()
        shown: dict[Place, list[Row]] = {}
        for ref, frames in zip(side.job.models, side.frames, strict=True):
            if model_asked not in (None, ref.name):
                continue
            asked = query.score_min if query.score_min is not None else side.job.request.score_min
            least = DEFAULT_SCORE[ref.name] if asked is None else round(asked * 10_000)
            for place, rows in frames.items():
                seen.add(place)
                shown.setdefault(place, []).extend(row for row in rows if row[0] >= least and row[1] in labels)
        return seen, shown

    def _draw_cell(self) -> list[Place]:
        frames = [(self._cell_end, 0)]
        for _ in range(self._random.randint(0, 7)):
            last, ordinal = frames[-1]
            is_repeated = self._random.random() < 0.25
            frames.append((last, ordinal + 1) if is_repeated else (last + self._random.randint(1, 9), 0))
        self._cell_end = frames[-1][0] + self._random.randint(1, 4)
        return frames

    def _draw_job(self, name: str) -> Analysed:
        models = tuple(self._random.sample(MODELS, self._random.randint(1, 3)))
        sampling = SAMPLINGS[0] if self._is_alike else self._random.choice(SAMPLINGS)
        rule = 1 if self._is_alike else self._random.choice([1, 1, 1, 2])
        cells = self._cells if rule == 1 else self._cut_otherwise()
        bounds = sorted(
            {0, len(cells), *(self._random.randrange(len(cells)) for _ in range(self._random.randint(0, 5)))}
        )
        if self._is_estimated:
            bounds = [0, len(cells)]
        segments = list(pairwise(bounds))
        request = JobRequest(
            models, sampling, self._random.choice([None, None, 0.4]), self._random.choice([(), (), ("person", "dog")])
        )
        job = make_job(
            job_id=JobId("job_" + "0" * 25 + name),
            state=self._random.choice([JobState.PARTIAL, JobState.RUNNING]),
            request=request,
            models=tuple(ModelRef(model, "1", "a" * 64) for model in models),
            plan=PlanFacts(len(segments), len(cells)),
        )
        self.ports.jobs.add(job, None)
        analysed = Analysed(job, [{} for _ in models])
        starts = [cell[0][0] for cell in cells] + [self._cell_end]
        for number, (first, end) in enumerate(segments):
            start_pts, end_pts = starts[first], starts[end]
            if self._is_estimated:
                start_pts, end_pts = self.start_pts, self.end_pts
            if not self._is_alike and self._random.random() < 0.2:
                reach = (-(10**6) if number == 0 else start_pts, 10**6 if number == len(segments) - 1 else end_pts)
                analysed.missing.append(reach)
                continue
            by_model = tuple(
                tuple(
                    self._analyse(rule, cell, cells[cell], model, sampling, analysed.frames[at])
                    for cell in range(first, end)
                )
                for at, model in enumerate(models)
            )
            entry = IndexEntry(number, start_pts, end_pts, sum(map(len, cells[first:end])), by_model)
            self.fakes.results.write_index(job.tenant, job.job_id, entry)
        if job.state is JobState.PARTIAL:
            write_finish(self.fakes.results, job, [None] * len(segments), [], {})
        return analysed

    def _cut_otherwise(self) -> list[list[Place]]:
        """The frames in other cells; frames of one PTS stay together."""
        cells: list[list[Place]] = []
        for place in (place for cell in self._cells for place in cell):
            if not cells or (place[1] == 0 and self._random.random() < 0.3):
                cells.append([])
            cells[-1].append(place)
        return cells

    def _analyse(
        self, rule: int, number: int, frames: list[Place], model: str, sampling: Sampling, found: dict[Place, list[Row]]
    ) -> CellResult:
        """The result of a cell; what makes it the same makes the same blocks."""
        key = (rule, number, tuple(frames), model, sampling)
        if key not in self._stored:
            self._stored[key] = self._store(f"{len(self._stored)}", number, frames, sampling)
        refs, rows_by_frame, is_damaged = self._stored[key]
        found.update(rows_by_frame)
        damage = (DamagedRange(frames[-1][0], frames[-1][0] + 1, "broken"),) if is_damaged else ()
        return CellResult(number, len(frames), len(rows_by_frame), damage, tuple(refs))

    def _store(
        self, name: str, number: int, frames: list[Place], sampling: Sampling
    ) -> tuple[list[BlockRef], dict[Place, list[Row]], bool]:
        is_sparse = sampling.kind is not SamplingKind.EVERY_FRAME
        chosen = [place for at, place in enumerate(frames) if not is_sparse or at % 2 == 0]
        is_damaged = not self._is_alike and self._random.random() < 0.1
        if is_damaged:
            chosen = chosen[:-1]
        rows_by_frame = {place: self._draw_rows(number) for place in chosen}
        refs = []
        size = self._random.randint(1, 4)
        for first in range(0, len(chosen), size):
            part = chosen[first : first + size]
            columns = [
                (
                    pts,
                    ordinal,
                    rank,
                    0,
                    [(LABELS.index(label), score, *box) for score, label, box in rows_by_frame[pts, ordinal]],
                )
                for rank, (pts, ordinal) in enumerate(part, start=first)
            ]
            block = make_block(TIMEBASE, LABELS, columns)
            packed = pack_block(block)
            ref = make_ref(block, packed, f"{name}#{first}")
            self.fakes.results.write_block(TENANT, DIGEST, ref.sk, packed)
            refs.append(ref)
        return refs, rows_by_frame, is_damaged

    def _draw_rows(self, cell: int) -> list[Row]:
        """Boxes near a few places, so that they overlap by all kinds of shares, and some are equal."""
        near = random.Random(cell)
        rows = set()
        for _ in range(self._random.choice([0, 0, 1, 2, 5])):
            x, y = near.choice([0, 40]), near.choice([0, 300])
            dx, dy, wide = (self._random.choice([0, 0, 0, 10, 33, -25]) for _ in range(3))
            box = (x + dx, y + dy, x + dx + 160 + wide, y + dy + 160)
            rows.add((self._random.choice(SCORES), self._random.choice(LABELS), box))
        if self._random.random() < 0.1:
            rows.add((9000, "dog", (5, 5, 5, 9)))
        return sorted(rows, key=lambda row: (-row[0], row[1], row[2]))


def sums_of(a: Sequence[Row], b: Sequence[Row], query: DiffQuery) -> DiffSums:
    """Of one frame and label: the best pair is taken until there is none."""
    left_a, left_b = list(a), list(b)
    sums = DiffSums(len(a), len(b))
    least, still = Fraction(str(query.iou_min)), Fraction(str(query.moved_below))
    while True:
        pairs = [(iou_of(one[2], two[2]), one, two) for one in left_a for two in left_b]
        pairs = [pair for pair in pairs if pair[0] >= least]
        if not pairs:
            return sums
        iou, one, two = min(pairs, key=_rank)
        left_a.remove(one)
        left_b.remove(two)
        sums += DiffSums(0, 0, 1, iou < still, round_half_up(iou * 1_000_000), two[0] - one[0])


def _rank(pair: tuple[Fraction, Row, Row]) -> tuple[Any, ...]:
    iou, one, two = pair
    return (-iou, abs(one[0] - two[0]), *sorted([(one[0], one[2]), (two[0], two[2])]))


def iou_of(one: Box, two: Box) -> Fraction:
    """Intersection over union."""
    if one == two:
        return Fraction(1)
    width = max(0, min(one[2], two[2]) - max(one[0], two[0]))
    height = max(0, min(one[3], two[3]) - max(one[1], two[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    return Fraction(width * height, areas - width * height) if areas else Fraction(0)


def round_half_up(number: Fraction) -> int:
    """The nearest whole number."""
    return (2 * number.numerator + number.denominator) // (2 * number.denominator)
