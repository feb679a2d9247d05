"""The probe as a unit of work: read the container's index once, and store what planners and workers need."""

from __future__ import annotations

import json

from chalicelib.contracts import object_keys, outcomes
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.items import failure_to_map, index_to_map, media_to_map
from chalicelib.contracts.sample_table import pack_cells
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.media import MediaLimits
from chalicelib.domain.units import UnitKind, UnitState
from chalicelib.domain.usage import Usage
from chalicelib.domain.videos import Index
from gpu_batch.aws import Cloud
from gpu_batch.containers.probe import Probe, probe_video
from gpu_batch.errors import BadInput
from gpu_batch.lease import Stop, holding
from gpu_batch.log import logger
from gpu_batch.meter import Meter
from gpu_batch.video.source import CheckedSource


def run_probe(cloud: Cloud, order: WorkOrder, *, claimed_by: str, stop: Stop) -> None:
    """Probe the video of an order, unless somebody else does or did.

    Raises:
        BadInput: the video was rejected, and that is recorded.
    """
    key = UnitKey(order.pk, UnitKind.PROBE)
    claim = cloud.claim(key, claimed_by=claimed_by, lease_seconds=order.lease_seconds)
    if claim is None:
        logger.info("probe is not to be had")
        return
    meter = Meter()
    try:
        with holding(cloud, claim, order, stop, meter) as check:
            source = cloud.open_source(order.source)
            # Some containers are read from front to end, which takes minutes when they are large.
            probe = probe_video(CheckedSource(source, check), MediaLimits())
            check()
            index = _store(cloud, order, probe)
    except BadInput as error:
        failure = failure_to_map(error.failure) or {}
        rejected = outcomes.video_rejected(cloud.meta_table, order.pk, failure=failure)
        facts = {"usage": meter.spent_on(claim.item)}
        cloud.end(claim, UnitState.FAILED, failure=failure, facts=facts, more=[rejected])
        raise
    probed = outcomes.video_probed(cloud.meta_table, order.pk, media=media_to_map(probe.media), index=index)
    meter.add(Usage(bytes_read=source.bytes_read))
    cloud.end(claim, UnitState.DONE, facts={"usage": meter.spent_on(claim.item)}, more=[probed])
    logger.info(
        "video probed",
        container=probe.media.container,
        codec=probe.media.codec,
        cells=len(probe.cells),
        reason=probe.whole_reason,
        requests=source.requests,
        bytes_read=source.bytes_read,
    )


def _store(cloud: Cloud, order: WorkOrder, probe: Probe) -> Item:
    """Write the cell list and the sample table; the VIDEO item's `index`."""
    digest = order.source.content_digest
    cells_key = object_keys.index_key(order.tenant, order.video_id, digest, "cells")
    table_key = object_keys.index_key(order.tenant, order.video_id, digest, "table") if probe.table else ""
    if probe.table is not None:
        cloud.put_object(table_key, probe.table.data)
    cloud.put_object(cells_key, pack_cells(probe.cells))
    index = Index(
        cells_key=cells_key,
        table_key=table_key,
        cell_count=len(probe.cells),
        decoder=json.dumps(probe.table.config.to_json()) if probe.table else "",
        start_pts=probe.cells[0].start_pts,
        end_pts=probe.cells[-1].end_pts,
        whole_reason=probe.whole_reason,
    )
    return index_to_map(index)
