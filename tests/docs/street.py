"""The jobs that examples of the docs ask: ten seconds of a street, a frame every half second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.track_ids import IdColumn, pack_track_ids
from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.ids import JobId, VideoId
from chalicelib.domain.jobs import JobState, ModelRef, PlanFacts
from chalicelib.services.dispatch import owner_of
from tests.api.seed import DIGEST, Seeded, seed_video
from tests.api.service import ACME, Service
from tests.contracts.block_makers import make_block
from tests.fakes.finish import write_finish
from tests.fakes.makers import TIMEBASE, make_job, make_manifest, make_segment, make_unit

LABELS = ("car", "dog", "person")
FRAMES_PER_SEGMENT = 4
SEGMENTS = 5


@dataclass(frozen=True)
class Passer:
    """Something that moves evenly; times in half seconds, places in pixels."""

    track_id: int
    label: str
    first: int
    last: int
    feet: tuple[int, int]
    """At the first frame."""
    step: int
    """To the right."""
    width: int
    height: int
    score: int

    def row(self, frame: int) -> tuple[int, int, int, int, int, int]:
        """label, score, box; the score is highest in the third frame."""
        x, y = self.feet[0] + self.step * (frame - self.first), self.feet[1]
        score = self.score + (300 if frame == self.first + 2 else 0)
        sides = (x - self.width // 2, y - self.height, x + self.width // 2, y)
        return (LABELS.index(self.label), score, sides[0] * 16, sides[1] * 16, sides[2] * 16, sides[3] * 16)


PASSERS = (
    Passer(1, "person", 0, 16, (30, 300), 35, 40, 120, 9000),
    Passer(2, "dog", 2, 6, (140, 300), 35, 40, 30, 6000),
    Passer(3, "car", 4, 10, (600, 250), -80, 120, 60, 8000),
    Passer(4, "dog", 14, 18, (480, 300), 0, 40, 30, 5000),
)


SEEN_BY_ANOTHER_MODEL = (
    PASSERS[0],
    # Lost two frames earlier; the car is seen 30 pixels further on; the last dog comes two frames earlier.
    replace(PASSERS[1], last=4),
    replace(PASSERS[2], feet=(630, 250), score=8200),
    replace(PASSERS[3], first=12),
)


def seed_street(service: Service) -> Seeded:
    """The job, on a video of its own."""
    service.fakes.models.register(make_manifest(labels=LABELS))
    video = seed_video(service)
    return Seeded(video.video_id, _seed(service, video.video_id, PASSERS, "b" * 32))


def seed_two_streets(service: Service) -> tuple[str, str]:
    """Two jobs on one video, the second one by another model."""
    first = seed_street(service)
    return first.job_id, _seed(service, first.video_id, SEEN_BY_ANOTHER_MODEL, "c" * 32)


def _seed(service: Service, video_id: str, passers: Sequence[Passer], analysis: str) -> str:
    job = make_job(
        job_id=JobId(service.ports.ids.make("job")),
        video_id=VideoId(video_id),
        state=JobState.SUCCEEDED,
        models=(ModelRef("toy", "1", make_manifest().sha256),),
        plan=PlanFacts(SEGMENTS, SEGMENTS),
        tenant=ACME,
    )
    service.ports.jobs.add(job, None)
    ids_by_key = {}
    for index in range(SEGMENTS):
        frames = range(index * FRAMES_PER_SEGMENT, (index + 1) * FRAMES_PER_SEGMENT)
        columns, ids = [], []
        for rank, frame in enumerate(frames):
            present = [passer for passer in passers if passer.first <= frame <= passer.last]
            present.sort(key=lambda passer: (-passer.row(frame)[1], passer.label))
            columns.append((frame * 500, 0, rank, 0, [passer.row(frame) for passer in present]))
            ids += [passer.track_id for passer in present]
        block = make_block(TIMEBASE, LABELS, columns)
        packed = pack_block(block)
        ref = make_ref(block, packed, table_keys.block_head(analysis, index))
        service.fakes.results.write_block(job.tenant, DIGEST, ref.sk, packed)
        cell = CellResult(index, FRAMES_PER_SEGMENT, FRAMES_PER_SEGMENT, (), (ref,))
        entry = IndexEntry(index, index * 2000, (index + 1) * 2000, FRAMES_PER_SEGMENT, ((cell,),))
        service.fakes.results.write_index(job.tenant, job.job_id, entry)
        service.ports.units.add_segments(owner_of(job), [(make_segment(index), make_unit(index=index))])
        (ids_by_key[table_keys.track_ids(0, index, 0)],) = pack_track_ids([IdColumn(block.counts, ids)])
    tracks = [
        TrackRow(
            passer.track_id,
            "toy",
            passer.label,
            passer.first * 500,
            passer.last * 500,
            passer.last - passer.first + 1,
            passer.score + 300,
        )
        for passer in passers
    ]
    bases = [index * FRAMES_PER_SEGMENT for index in range(SEGMENTS)]
    write_finish(service.fakes.results, job, bases, [tracks], ids_by_key)
    return job.job_id
