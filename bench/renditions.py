"""What thumbnails and a proxy of a 1080p video cost: python -m bench.renditions thumbnails --minutes 60.

The video repeats `h264_1080p.mp4` of `bench.clips`. The worker's own step runs, on a file and ports in memory; one kind
in one process, so that the memory is its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

from bench.clips import FPS, Loop, repeat
from bench.clock import Clock, peak_rss_mib
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.rendition_parameters import RenditionParameters
from chalicelib.contracts.sample_table import pack_cells
from chalicelib.contracts.work_order import OrderedMedia, OrderedSource, OrderKind, WorkOrder
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.media import MediaLimits
from chalicelib.domain.renditions import RenditionKind, Thumbnails, request_of
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.tiles import choose_sampling, most_tiles, tile_size
from chalicelib.domain.units import UnitKind
from gpu_batch.containers.probe import Probe, probe_video
from gpu_batch.lease import Stop
from gpu_batch.rendition_step import run_rendition
from gpu_batch.video.source import FileSource
from tests.worker.memory_cloud import MemoryCloud

BASE = "h264_1080p.mp4"


def main() -> int:
    """Measure one kind, and print it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.renditions", description="The cost of renditions")
    parser.add_argument("kind", choices=list(RenditionKind))
    parser.add_argument("--minutes", type=int, default=60, help="length of the video (default: 60)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        repeat(Loop(BASE, options.minutes * 60 * FPS, with_audio=False), path)
        print(json.dumps(measure(path, options.kind), indent=1))
    return 0


def measure(path: Path, kind: str) -> dict[str, Any]:
    """Seconds, memory and bytes of a rendition with its usual options."""
    source = CountedSource(path)
    probe = probe_video(source, MediaLimits())
    cloud, order = _deploy(probe, path, kind)
    cloud.open_source = lambda _: source  # type: ignore[assignment, return-value, method-assign]
    source.bytes_read = 0
    clock = Clock()
    with clock:
        run_rendition(cloud, order, claimed_by="bench", stop=Stop())
    result = cloud.unit(UnitKey(order.pk, UnitKind.RENDITION, name=order.step))["result"]
    seconds = float((probe.cells[-1].end_pts - probe.cells[0].start_pts) * probe.media.timebase)
    return {
        "video_seconds": round(seconds, 1),
        "video_bytes": path.stat().st_size,
        "cpu_seconds": round(clock.cpu_seconds, 1),
        "wall_seconds": round(clock.wall_seconds, 1),
        "peak_mib": round(peak_rss_mib()),
        "bytes_read": source.bytes_read,
        "size_bytes": result["size_bytes"],
        "tiles": len(result["tiles"]["pts"]) if "tiles" in result else None,
        "frames": result.get("frames"),
    }


class CountedSource(FileSource):
    """A file that counts what is read of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.bytes_read = 0
        self.requests = 0

    def read(self, offset: int, size: int) -> bytes:
        """See `Source`."""
        content = super().read(offset, size)
        self.bytes_read += len(content)
        self.requests += 1
        return content


def _deploy(probe: Probe, path: Path, kind: str) -> tuple[MemoryCloud, WorkOrder]:
    media, cells = probe.media, probe.cells
    assert probe.table is not None
    request, sampling = request_of(kind, {}), Sampling()
    if isinstance(request, Thumbnails):
        seconds = Fraction(cells[-1].end_pts - cells[0].start_pts) * media.timebase
        sampling = choose_sampling(media, seconds, most_tiles(*tile_size(media.width, media.height, request.width)))
    cloud = MemoryCloud()
    cloud.objects |= {"cells": pack_cells(cells), "table": probe.table.data}
    order = WorkOrder(
        kind=OrderKind.RENDITION,
        tenant="bench",
        video_id="vid_1",
        submission=SubmissionId("rendition"),
        source=OrderedSource("bucket", "source", "", "", path.stat().st_size, "digest"),
        lease_seconds=30.0,
        heartbeat_seconds=10.0,
        media=OrderedMedia(
            width=media.width,
            height=media.height,
            rotation=media.rotation,
            timebase=str(media.timebase),
            cells_key="cells",
            table_key="table",
            decoder=json.dumps(probe.table.config.to_json()),
        ),
        step="ren_1",
        parameters=RenditionParameters(request, path.name, sampling).to_json(),
    )
    cloud.open_unit(order.pk, UnitKind.RENDITION, name=order.step)
    cloud.tables["meta"][order.pk, "VIDEO"] = {"state": "READY"}
    return cloud, order


if __name__ == "__main__":
    sys.exit(main())
