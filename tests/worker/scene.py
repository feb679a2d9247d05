"""A video, probed, and an order to analyse it: what a worker finds when it starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction

from chalicelib.contracts.sample_table import pack_cells
from chalicelib.contracts.work_order import OrderedMedia, OrderedModel, OrderedSource, OrderKind, WorkOrder
from chalicelib.domain.cells import Cell
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.media import MediaLimits
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.segments import Segment, plan_segments
from gpu_batch.analyze import Analyzer, SegmentResult
from gpu_batch.containers.probe import probe_video
from gpu_batch.models.loader import Model
from gpu_batch.models.on_demand import ModelOnDemand
from gpu_batch.video.source import BytesSource
from tests.worker.memory_cloud import MemoryCloud

ONE_SEGMENT = Fraction(1000)
EVERY_CELL = Fraction(1, 1000)


@dataclass(frozen=True)
class Scene:
    """A deployment with one video in it, and an order for it."""

    cloud: MemoryCloud
    order: WorkOrder
    cells: Sequence[Cell]

    def segments(self, segment_seconds: Fraction) -> tuple[Segment, ...]:
        """The plan of a job."""
        return plan_segments(self.cells, self.order.parsed_timebase, segment_seconds)

    def analyze(
        self, models: Sequence[Model | ModelOnDemand], segment_seconds: Fraction = ONE_SEGMENT
    ) -> list[SegmentResult]:
        """Every segment of the plan, one after the other."""
        with closing(Analyzer(self.cloud, self.order, models, self.cells, threads=2)) as analyzer:
            return [analyzer.analyze(segment, lambda: None) for segment in self.segments(segment_seconds)]


def a_scene(clip: bytes, *, sampling: Sampling | None = None, models: Sequence[Model] = ()) -> Scene:
    """The clip in an empty deployment."""
    cloud = MemoryCloud()
    probe = probe_video(BytesSource(clip), MediaLimits())
    cloud.videos["source"] = clip
    cloud.objects["cells"] = pack_cells(probe.cells)
    if probe.table is not None:
        cloud.objects["table"] = probe.table.data
    order = WorkOrder(
        kind=OrderKind.ANALYZE,
        tenant="acme",
        video_id="vid_1",
        job_id="job_1",
        submission=SubmissionId("analyze"),
        source=OrderedSource("bucket", "source", "", "", len(clip), hashlib.sha256(clip).hexdigest()),
        lease_seconds=30.0,
        heartbeat_seconds=10.0,
        media=OrderedMedia(
            width=probe.media.width,
            height=probe.media.height,
            rotation=probe.media.rotation,
            timebase=str(probe.media.timebase),
            cells_key="cells",
            table_key="table" if probe.table else "",
            decoder=json.dumps(probe.table.config.to_json()) if probe.table else "",
        ),
        sampling=(sampling or Sampling()).to_json(),
        models=tuple(OrderedModel(m.manifest.name, f"model-{i}", m.manifest.to_json()) for i, m in enumerate(models)),
    )
    return Scene(cloud, order, probe.cells)


def as_probe(scene: Scene) -> Scene:
    """The same deployment, with the order to probe the video."""
    order = replace(scene.order, kind=OrderKind.PROBE, submission=SubmissionId("probe"), job_id="", media=None)
    return replace(scene, order=order)
