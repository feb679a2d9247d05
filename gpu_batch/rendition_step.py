"""A rendition as a side step: decode the video, write the file, and put it into the bucket."""

from __future__ import annotations

import io
import tempfile
from functools import partial
from pathlib import Path
from typing import IO

from chalicelib.contracts import object_keys, rendition_parameters
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.items import missing_to_map
from chalicelib.contracts.rendition_parameters import RenditionParameters
from chalicelib.contracts.work_order import OrderedMedia, WorkOrder
from chalicelib.domain.errors import ErrorCode, InvalidRequest
from chalicelib.domain.renditions import RENDITION_VERSION, Proxy, Thumbnails, file_name
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.units import UnitKind
from gpu_batch.aws import Cloud
from gpu_batch.errors import BadOrder
from gpu_batch.lease import Stop
from gpu_batch.log import logger
from gpu_batch.renditions.proxy import write_proxy
from gpu_batch.renditions.thumbnails import make_sheet
from gpu_batch.side_step import Check, Outcome, run_side_step
from gpu_batch.source_frames import source_cells, source_runs
from gpu_batch.stored_file import store_file

CELLS_PER_RUN_OF_KEYFRAMES = 64
"""Of most cells little or nothing is read: fewer and larger requests for their tables."""


def run_rendition(cloud: Cloud, order: WorkOrder, *, claimed_by: str, stop: Stop) -> None:
    """Make the rendition of an order, unless somebody else does or did.

    Raises:
        BadInput, BadOrder: it cannot be made, and that is recorded.
    """
    key = object_keys.rendition_key(order.tenant, order.video_id, order.step)
    run_side_step(
        cloud,
        order,
        UnitKind.RENDITION,
        partial(_make, cloud, order, key),
        forget=partial(cloud.delete_object, key),
        claimed_by=claimed_by,
        stop=stop,
    )


def _make(cloud: Cloud, order: WorkOrder, key: str, check: Check) -> Outcome:
    asked, media = _read(order)
    request = asked.request
    with tempfile.TemporaryDirectory() as folder:
        file: IO[bytes]
        if isinstance(request, Thumbnails):
            file, facts = _thumbnails(cloud, order, media, asked, request, check)
        else:
            file, facts = _proxy(cloud, order, media, request, Path(folder) / "proxy.mp4", check)
        with file:
            name = file_name(request, asked.filename)
            stored = store_file(cloud, key, file, content_type=request.content_type, file_name=name, check=check)
    logger.info("rendition written", rendition=request.kind, size_bytes=stored["size_bytes"])
    return Outcome({**stored, **facts})


def _read(order: WorkOrder) -> tuple[RenditionParameters, OrderedMedia]:
    """What to make of what.

    Raises:
        BadOrder: it was written by another release.
    """
    if order.media is None or order.parameters is None:
        raise BadOrder("an order for a rendition must have media facts and parameters", code=ErrorCode.INTERNAL)
    version = order.parameters.get("version")
    if version != RENDITION_VERSION:
        detail = f"the rendition that was asked for is unknown: this worker makes version {RENDITION_VERSION}"
        raise BadOrder(f"{detail}, not {version}", code=ErrorCode.INTERNAL)
    try:
        return rendition_parameters.from_json(order.parameters), order.media
    except (InvalidRequest, KeyError, TypeError, ValueError) as error:
        raise BadOrder(f"the rendition that was asked for is unknown: {error}", code=ErrorCode.INTERNAL) from error


def _thumbnails(
    cloud: Cloud, order: WorkOrder, media: OrderedMedia, asked: RenditionParameters, request: Thumbnails, check: Check
) -> tuple[IO[bytes], Item]:
    runs = source_runs(cloud, order, asked.sampling, cells_per_run=CELLS_PER_RUN_OF_KEYFRAMES)
    sheet = make_sheet(runs, media, request.width, check)
    end_pts = max(source_cells(cloud, order)[-1].end_pts, sheet.tiles.pts[-1])
    return io.BytesIO(sheet.jpeg), {"tiles": sheet.tiles.to_json(), "end_pts": end_pts}


def _proxy(
    cloud: Cloud, order: WorkOrder, media: OrderedMedia, request: Proxy, path: Path, check: Check
) -> tuple[IO[bytes], Item]:
    # Without a sample table the end of the video is an estimate.
    end_pts = source_cells(cloud, order)[-1].end_pts if media.table_key else None
    made = write_proxy(source_runs(cloud, order, Sampling()), media, end_pts, request.height_max, path, check)
    facts: Item = {
        "width": made.size[0],
        "height": made.size[1],
        "frames": made.frames,
        "first_pts": made.first_pts,
        "timebase": f"{made.timebase.numerator}/{made.timebase.denominator}",
    }
    if made.missing:
        facts["missing"] = [missing_to_map(gap) for gap in made.missing]
    return path.open("rb"), facts
