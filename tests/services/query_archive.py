"""A finished job for the query language: things that move on a small grid, and so often touch lines and corners."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import BlockRef, make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.track_ids import IdColumn, pack_track_ids
from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.ids import JobId, VideoId
from chalicelib.domain.jobs import Job, JobRequest, JobState, ModelRef, PlanFacts
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.segments import Segment
from chalicelib.domain.videos import VideoState
from chalicelib.services.dispatch import owner_of
from tests.contracts.block_makers import make_block
from tests.domain.query_oracle import Known, Seen, Told
from tests.fakes.finish import write_finish
from tests.fakes.make import Fakes, make_fakes
from tests.fakes.makers import JOB_ID, VIDEO_ID, make_job, make_manifest, make_media, make_unit, make_video

TIMEBASE = Fraction(1, 90)
LABELS = ("bicycle", "dog", "person")
MODELS = ("ant", "bee")
DEFAULT_SCORE = {"ant": 4000, "bee": 5000}
SCORES = (1500, 3500, 4000, 5000, 9876)
DIGEST = "d" * 64


@dataclass(slots=True)
class Thing:
    """Something that moves, as one model sees it."""

    track_id: int
    label: int
    x: int
    y: int
    size: int


class QueryArchive:
    """A job with its detections and tracks, drawn from a seed; `told` is all that there is to know of it."""

    def __init__(
        self, seed: int, fakes: Fakes | None = None, *, video_id: VideoId = VIDEO_ID, job_id: JobId = JOB_ID
    ) -> None:
        self._random = random.Random(seed)
        self.fakes = fakes or make_fakes()
        self.ports = self.fakes.ports
        self._digest = f"{seed:064x}"
        self._models = MODELS[: self._random.choice([1, 1, 2])]
        self._labels = self._random.choice([(), (), ("person", "dog")])
        self._score_min = self._random.choice([None, None, 0.4])
        # Every eighth has more tracks than a batch holds.
        segments = 16 if seed % 8 == 7 else self._random.randint(1, 6)
        self.job = self._make_job(segments, video_id, job_id)
        # As the finish deals them out: to the models in turn.
        self._next_ids = [model + 1 for model in range(len(self._models))]
        self._things: list[list[Thing]] = [[] for _ in self._models]
        self._columns: dict[tuple[int, int], list[IdColumn]] = {}
        """By segment and model."""
        self.rows: list[Seen] = []
        pts, shown = self._random.choice([0, 0, -30]), 0
        for index in range(segments):
            pts, shown = self._add_segment(index, pts, shown, is_committed=index == 0 or self._random.random() > 0.1)
        self.rows.sort(key=lambda row: (row.pts, row.ordinal, -row.score, row.label, row.box, row.model))
        self.tracks = self._list_tracks()
        size = self._random.randint(1, 6)
        chunks = [self.tracks[first : first + size] for first in range(0, len(self.tracks), size)]
        write_finish(self.fakes.results, self.job, self._bases, chunks, self._pack_ids())
        self.told = Told(
            timebase=TIMEBASE,
            rows=tuple(row for row in self.rows if not self._labels or row.label in self._labels),
            tracks=tuple(Known(track.track_id, track.model, track.label) for track in self.tracks),
            default_floors={
                model: DEFAULT_SCORE[model] if self._score_min is None else round(self._score_min * 10_000)
                for model in self._models
            },
            default_gap=Fraction(2),
        )

    def _make_job(self, segments: int, video_id: VideoId, job_id: JobId) -> Job:
        for name in MODELS:
            self.fakes.models.register(make_manifest(name, labels=LABELS, score_default=DEFAULT_SCORE[name] / 10_000))
        video = make_video(video_id=video_id, state=VideoState.READY, media=make_media(timebase=TIMEBASE))
        self.ports.videos.add(replace(video, source=replace(video.source, content_digest=self._digest)), None)
        job = make_job(
            job_id=job_id,
            video_id=video_id,
            state=JobState.PARTIAL,
            request=JobRequest(self._models, Sampling(), self._score_min, self._labels),
            models=tuple(ModelRef(name, "1", make_manifest(name).sha256) for name in self._models),
            plan=PlanFacts(segments, segments * 2),
        )
        self.ports.jobs.add(job, None)
        self._bases: list[int | None] = [i * 1000 if i % 4 else None for i in range(segments)]
        return job

    def _add_segment(self, index: int, start_pts: int, _shown: int, *, is_committed: bool) -> tuple[int, int]:
        pts, shown = start_pts, 0
        cells_by_model: list[list[CellResult]] = [[] for _ in self._models]
        for cell in range(index * 2, index * 2 + 2):
            frames = self._draw_frames(pts)
            pts = frames[-1][0] + self._random.randint(1, 25)
            for model, cells in enumerate(cells_by_model):
                blocks = list(self._store(index, cell, model, frames, shown, is_committed=is_committed))
                cells.append(CellResult(cell, len(frames), len(frames), (), tuple(blocks)))
            shown += len(frames)
        segment = Segment(index, start_pts, pts, index * 2, index * 2 + 2)
        self.ports.units.add_segments(owner_of(self.job), [(segment, make_unit(index=index))])
        if is_committed:
            entry = IndexEntry(index, start_pts, pts, shown, tuple(tuple(cells) for cells in cells_by_model))
            self.fakes.results.write_index(self.job.tenant, self.job.job_id, entry)
        return pts, shown

    def _draw_frames(self, pts: int) -> list[tuple[int, int]]:
        frames = [(pts, 0)]
        for _ in range(self._random.randint(0, 6)):
            last, ordinal = frames[-1]
            is_repeated = self._random.random() < 0.15
            frames.append((last, ordinal + 1) if is_repeated else (last + self._random.randint(1, 9), 0))
        return frames

    def _store(
        self, segment: int, cell: int, model: int, frames: list[tuple[int, int]], shown: int, *, is_committed: bool
    ) -> Iterator[BlockRef]:
        size = self._random.randint(1, 3)
        base = self._bases[segment]
        for number, first in enumerate(range(0, len(frames), size)):
            columns, ids = [], []
            for rank, (pts, ordinal) in enumerate(frames[first : first + size], start=first):
                rows = self._draw_rows(model)
                columns.append((pts, ordinal, rank, 0, [(label, score, *box) for score, label, box, _ in rows]))
                for score, label, box, track_id in rows:
                    ids.append(track_id)
                    if is_committed:
                        frame_index = None if base is None else base + shown + rank
                        name = self._models[model]
                        self.rows.append(Seen(pts, ordinal, score, LABELS[label], box, name, track_id, frame_index))
            block = make_block(TIMEBASE, LABELS, columns)
            packed = pack_block(block)
            sk = f"{model}#{cell}#{number}"
            self.fakes.results.write_block(self.job.tenant, self._digest, sk, packed)
            self._columns.setdefault((segment, model), []).append(IdColumn(block.counts, ids))
            yield make_ref(block, packed, sk)

    def _pack_ids(self) -> dict[str, bytes]:
        return {
            table_keys.track_ids(0, segment, model, number): part
            for (segment, model), columns in self._columns.items()
            for number, part in enumerate(pack_track_ids(columns))
        }

    def _draw_rows(self, model: int) -> list[tuple[int, int, tuple[int, int, int, int], int]]:
        """(score, label, box, track), in the order of a block; no two alike but for the track."""
        chance, things = self._random, self._things[model]
        things[:] = [thing for thing in things if chance.random() > 0.12]
        while len(things) < 4 and chance.random() < 0.35:
            place = chance.randrange(0, 65, 4), chance.randrange(0, 65, 4)
            things.append(Thing(self._next_ids[model], chance.randrange(len(LABELS)), *place, chance.choice([4, 5, 8])))
            self._next_ids[model] += len(self._models)
        drawn: dict[tuple[int, int, tuple[int, int, int, int]], int] = {}
        for thing in things:
            thing.x += chance.choice([-8, -4, 0, 0, 4, 8])
            thing.y += chance.choice([-8, -4, 0, 0, 4, 8])
            if chance.random() < 0.8:
                row = self._row(thing)
                if row not in drawn:
                    drawn[row] = thing.track_id
        if chance.random() < 0.3:
            stray = Thing(0, chance.randrange(len(LABELS)), chance.randrange(0, 65, 4), chance.randrange(0, 65, 4), 8)
            drawn.setdefault(self._row(stray), 0)
        rows = [(*row, track_id) for row, track_id in drawn.items()]
        return sorted(rows, key=lambda row: (-row[0], LABELS[row[1]], row[2]))

    def _row(self, thing: Thing) -> tuple[int, int, tuple[int, int, int, int]]:
        box = (16 * thing.x, 16 * thing.y, 16 * (thing.x + thing.size), 16 * (thing.y + thing.size))
        return self._random.choice(SCORES), thing.label, box

    def _list_tracks(self) -> list[TrackRow]:
        """As the finish writes them: what the job's view does not show is not listed."""
        found = []
        for track_id in range(1, max(self._next_ids)):
            rows = [row for row in self.rows if row.track_id == track_id]
            if not rows or (self._labels and rows[0].label not in self._labels):
                continue
            best = max(row.score for row in rows)
            row = rows[0]
            found.append(TrackRow(track_id, row.model, row.label, row.pts, rows[-1].pts, len(rows), best))
        return sorted(found, key=lambda track: (track.first_pts, track.track_id))


@cache
def archive_of(seed: int) -> QueryArchive:
    """The archive of a seed; nobody changes it."""
    return QueryArchive(seed)
