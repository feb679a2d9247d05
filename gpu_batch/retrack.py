"""One more version of a finished job's tracks, from stored detections: neither the video nor a model is read."""

from __future__ import annotations

import json
import zlib

from chalicelib.contracts import object_keys, outcomes
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.models import manifest_from_json
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.domain.units import UnitKind
from gpu_batch.aws import Cloud
from gpu_batch.errors import BadOrder
from gpu_batch.job_results import JobResults
from gpu_batch.lease import Stop
from gpu_batch.log import logger
from gpu_batch.side_step import Check, Outcome, run_side_step
from gpu_batch.track_writer import TrackWriter

SEGMENTS_PER_CHECKPOINT = 16


def run_retrack(cloud: Cloud, order: WorkOrder, *, claimed_by: str, stop: Stop) -> None:
    """Track the stored detections of a job again, unless somebody else does or did."""
    if order.media is None or order.parameters is None:
        raise BadOrder("an order to track must have media facts and parameters", code=ErrorCode.INTERNAL)
    version = int(order.step)
    manifests = [manifest_from_json(model.manifest) for model in order.models]
    parameters = TrackingParameters.from_json(order.parameters["tracking"])
    writer = TrackWriter(cloud, order, order.media, manifests, version=version, parameters=parameters)
    checkpoint_key = object_keys.tracks_checkpoint_key(order.tenant, order.job_id, version)

    def work(check: Check) -> Outcome:
        results = JobResults(cloud, order, check)
        first = _restore(cloud, checkpoint_key, writer)
        for number, (_, entry) in enumerate(results.entries(first), first + 1):
            for model in range(len(manifests) if entry else 0):
                for found in results.blocks(entry, model) if entry else ():
                    writer.push(found)
            if number % SEGMENTS_PER_CHECKPOINT == 0:
                _save(cloud, checkpoint_key, writer, number)
        tracks = writer.finish()
        result = {"tracks": len(tracks)}
        if not (order.parameters or {}).get("make_current"):
            return Outcome(result)
        made_current = outcomes.tracks_made_current(
            cloud.meta_table, order.pk, finished_at=order.job_finished_at, version=version
        )
        return Outcome(result, [made_current], is_bound=True)

    run_side_step(cloud, order, UnitKind.TRACKS, work, forget=writer.forget, claimed_by=claimed_by, stop=stop)


def _save(cloud: Cloud, key: str, writer: TrackWriter, segments: int) -> None:
    state = {"segments": segments, "tracks": writer.state()}
    cloud.put_object(key, zlib.compress(json.dumps(state).encode()))


def _restore(cloud: Cloud, key: str, writer: TrackWriter) -> int:
    """How many segments an earlier attempt has done; the writer goes on from there."""
    packed = cloud.find_object(key)
    if packed is None:
        return 0
    state = json.loads(zlib.decompress(packed))
    writer.restore(state["tracks"])
    logger.info("tracking goes on", segment_index=state["segments"])
    return int(state["segments"])
