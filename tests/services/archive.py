"""A job with random results, and what any question about it must be answered, found by looking at every row."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import BlockRef, make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.track_ids import IdColumn, pack_track_ids
from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.jobs import Job, JobRequest, JobState, ModelRef, PlanFacts
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.segments import Segment
from chalicelib.domain.videos import VideoState
from chalicelib.services.dispatch import owner_of
from chalicelib.services.results import DetectionQuery, FoundDetection
from tests.contracts.block_makers import make_block
from tests.fakes.finish import write_finish
from tests.fakes.make import make_fakes
from tests.fakes.makers import make_job, make_manifest, make_media, make_unit, make_video

TIMEBASE = Fraction(1, 90)
LABELS = ("bicycle", "dog", "person")
MODELS = ("ant", "bee", "cat")
DEFAULT_SCORE = {"ant": 4000, "bee": 5000, "cat": 3500}
# Few values, so that rows tie in every field but one.
SCORES = (1500, 3499, 3500, 4000, 5000, 9876)
SIDES = (-16, 0, 5, 160)
DIGEST = "d" * 64


@dataclass(frozen=True, order=True)
class StoredRow:
    """One row as it was stored; the first fields are the order in which rows are found."""

    pts: int
    ordinal: int
    minus_score: int
    label: str
    box: tuple[int, int, int, int]
    model_index: int
    segment: int
    rank: int
    track_id: int


class Archive:
    """A finished job, drawn from a seed."""

    def __init__(self, seed: int, *, segments: int, failed: bool = True) -> None:
        self._random = random.Random(seed)
        self.fakes = make_fakes()
        self.ports = self.fakes.ports
        self._models = MODELS[: self._random.randint(1, 3)]
        self.rows: list[StoredRow] = []
        self.job = self._make_job(segments)
        self._bases = self._random.choice([None, [i * 1000 if i % 4 else None for i in range(segments)]])
        self._columns: dict[tuple[int, int], list[IdColumn]] = {}
        """By segment and model."""
        pts = self._random.randint(-50, 50)
        for index in range(segments):
            is_failed = failed and self._random.random() < 0.15
            pts = self._add_segment(index, pts, is_committed=not is_failed)
        if self._bases is not None:
            self._finish(self._bases)
        self.end_pts = pts

    @property
    def is_finished(self) -> bool:
        """Whether its tracks and trees are there."""
        return self._bases is not None

    def draw_query(self) -> DetectionQuery:
        """A question; most of its filters are unset."""
        choose, unset = self._random.choice, [None] * 3
        seconds = [
            None,
            None,
            *(Fraction(self._random.randint(-60, self.end_pts + 60), ticks) for ticks in (90, 90, 91)),
        ]
        return DetectionQuery(
            label=choose([*unset, *LABELS, "unicorn"]),
            model=choose([*unset, *MODELS, "nobody"]),
            from_seconds=choose(seconds),
            to_seconds=choose(seconds),
            score_min=choose([*unset, 0.0, 0.35, 0.4, 0.98765]),
            track_id=choose([*unset, 1, 2, 4, 99]),
        )

    def answer(self, query: DetectionQuery) -> list[FoundDetection]:
        """Every row that matches, in order."""
        return [self._found(row) for row in sorted(self.rows) if self._matches(query, row)]

    def _matches(self, query: DetectionQuery, row: StoredRow) -> bool:
        model = self._models[row.model_index]
        seconds = row.pts * TIMEBASE
        asked = query.score_min if query.score_min is not None else self.job.request.score_min
        least = DEFAULT_SCORE[model] if asked is None else round(asked * 10_000)
        return (
            query.label in (None, row.label)
            and (not self.job.request.labels or row.label in self.job.request.labels)
            and query.model in (None, model)
            and (query.from_seconds is None or query.from_seconds <= seconds)
            and (query.to_seconds is None or seconds < query.to_seconds)
            and -row.minus_score >= least
            and query.track_id in (None, row.track_id)
        )

    def _found(self, row: StoredRow) -> FoundDetection:
        base = self._bases[row.segment] if self._bases is not None else None
        x1, y1, x2, y2 = (side / 16 for side in row.box)
        return FoundDetection(
            pts=row.pts,
            timebase=TIMEBASE,
            frame_index=None if base is None else base + row.rank,
            model=self._models[row.model_index],
            label=row.label,
            score=-row.minus_score / 10_000,
            box=(x1, y1, x2, y2),
            track_id=row.track_id or None,
        )

    def _finish(self, bases: list[int | None]) -> None:
        """What the finish writes."""
        write_finish(self.fakes.results, self.job, bases, self._draw_chunks(self._tracks_of_rows()), self._pack_ids())

    def _pack_ids(self) -> dict[str, bytes]:
        """The ids of every segment and model, in parts that are far smaller than real ones."""
        return {
            table_keys.track_ids(0, segment, model, number): part
            for (segment, model), columns in self._columns.items()
            for number, part in enumerate(pack_track_ids(columns, max_part_bytes=24))
        }

    def _tracks_of_rows(self) -> list[TrackRow]:
        """A track for each id that a row has."""
        rows_by_id: dict[int, list[StoredRow]] = {}
        for row in self.rows:
            if row.track_id:
                rows_by_id.setdefault(row.track_id, []).append(row)
        tracks = [
            TrackRow(
                track_id,
                self._models[rows[0].model_index],
                rows[0].label,
                min(row.pts for row in rows),
                max(row.pts for row in rows),
                len(rows),
                max(-row.minus_score for row in rows),
            )
            for track_id, rows in rows_by_id.items()
        ]
        return sorted(tracks, key=lambda track: (track.first_pts, track.track_id))

    def _draw_chunks(self, tracks: list[TrackRow]) -> list[list[TrackRow]]:
        size = self._random.randint(1, 4)
        return [tracks[first : first + size] for first in range(0, len(tracks), size)]

    def _make_job(self, segments: int) -> Job:
        for name in self._models:
            self.fakes.models.register(make_manifest(name, labels=LABELS, score_default=DEFAULT_SCORE[name] / 10_000))
        video = make_video(state=VideoState.READY, media=make_media(timebase=TIMEBASE))
        video = replace(video, source=replace(video.source, content_digest=DIGEST))
        self.ports.videos.add(video, None)
        labels = self._random.choice([(), (), ("person", "dog")])
        score_min = self._random.choice([None, None, 0.4])
        job = make_job(
            state=JobState.PARTIAL,
            request=JobRequest(self._models, Sampling(), score_min, labels),
            models=tuple(ModelRef(name, "1", make_manifest(name).sha256) for name in self._models),
            plan=PlanFacts(segments, segments * 2),
        )
        self.ports.jobs.add(job, None)
        return job

    def _add_segment(self, index: int, start_pts: int, *, is_committed: bool) -> int:
        """The segment's end."""
        pts, shown = start_pts, 0
        cells_by_model: list[list[CellResult]] = [[] for _ in self._models]
        for cell in range(index * 2, index * 2 + 2):
            frames = self._draw_frames(pts)
            pts = frames[-1][0] + self._random.randint(1, 4)
            for model, cells in enumerate(cells_by_model):
                blocks = list(self._store(index, cell, model, frames, shown, is_committed=is_committed))
                cells.append(CellResult(cell, len(frames), len(frames), (), tuple(blocks)))
            shown += len(frames)
        segment = Segment(index, start_pts, pts, index * 2, index * 2 + 2)
        self.ports.units.add_segments(owner_of(self.job), [(segment, make_unit(index=index))])
        if is_committed:
            entry = IndexEntry(index, start_pts, pts, shown, tuple(tuple(cells) for cells in cells_by_model))
            self.fakes.results.write_index(self.job.tenant, self.job.job_id, entry)
        return pts

    def _draw_frames(self, pts: int) -> list[tuple[int, int]]:
        """(pts, ordinal) of a cell's frames; some repeat a PTS."""
        frames = [(pts, 0)]
        for _ in range(self._random.randint(0, 6)):
            last, ordinal = frames[-1]
            frames.append(
                (last, ordinal + 1) if self._random.random() < 0.25 else (last + self._random.randint(1, 9), 0)
            )
        return frames

    def _store(
        self, segment: int, cell: int, model: int, frames: list[tuple[int, int]], shown: int, *, is_committed: bool
    ) -> Iterator[BlockRef]:
        """Blocks of up to three frames each."""
        size = self._random.randint(1, 3)
        for number, first in enumerate(range(0, len(frames), size)):
            columns, ids = [], []
            for rank, (pts, ordinal) in enumerate(frames[first : first + size], start=first):
                rows = self._draw_rows()
                columns.append((pts, ordinal, rank, 0, [(label, score, *box) for score, label, box in rows]))
                for score, label, box in rows:
                    drawn = self._random.randint(0, 2)
                    ids.append(model + 1 + (drawn - 1) * len(self._models) if drawn and self._bases else 0)
                    if is_committed:
                        place = (pts, ordinal, -score, LABELS[label], box, model, segment, shown + rank, ids[-1])
                        self.rows.append(StoredRow(*place))
            block = make_block(TIMEBASE, LABELS, columns)
            packed = pack_block(block)
            sk = f"{model}#{cell}#{number}"
            self.fakes.results.write_block(self.job.tenant, DIGEST, sk, packed)
            self._columns.setdefault((segment, model), []).append(IdColumn(block.counts, ids))
            yield make_ref(block, packed, sk)

    def _draw_rows(self) -> list[tuple[int, int, tuple[int, int, int, int]]]:
        """(score, label, box), distinct, in the order of a block."""
        drawn = {
            (
                self._random.choice(SCORES),
                self._random.randrange(len(LABELS)),
                (self._random.choice(SIDES), self._random.choice(SIDES), 320, 320),
            )
            for _ in range(self._random.choice([0, 0, 1, 2, 5]))
        }
        return sorted(drawn, key=lambda row: (-row[0], LABELS[row[1]], row[2]))
