"""Segments as units of work: a child takes its segments one by one, claims, analyses and commits each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.items import failure_to_map, segment_from_item
from chalicelib.contracts.sample_table import unpack_cells
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.models import TASKS_OF_JOBS, manifest_from_json
from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.analyze import Analyzer
from gpu_batch.aws import Claim, Cloud, Superseded
from gpu_batch.errors import BadInput, BadOrder
from gpu_batch.lease import Stop, holding
from gpu_batch.log import logger
from gpu_batch.models.loader import Model, load


def run_segments(cloud: Cloud, order: WorkOrder, indices: Sequence[int], *, claimed_by: str, stop: Stop) -> None:
    """Analyse these segments of an order, but for those that somebody else has or had.

    Raises:
        BadInput: a segment cannot be analysed, ever; that is recorded, and the others were done.
        BadOrder: likewise, because of a model.
    """
    if order.media is None:
        raise BadOrder("an order to analyse must have media facts", code=ErrorCode.INTERNAL)
    cells = unpack_cells(cloud.get_object(order.media.cells_key))
    analyzers: list[Analyzer] = []

    def get_analyzer() -> Analyzer:
        # Models are loaded under the first claim, so that a model that kills its worker is counted against it.
        if not analyzers:
            models = [_load(cloud, index, order) for index in range(len(order.models))]
            analyzers.append(Analyzer(cloud, order, models, cells, threads=_threads()))
        return analyzers[0]

    failed: list[BadInput | BadOrder] = []
    for index in indices:
        key = UnitKey(order.pk, UnitKind.SEGMENT, index)
        claim = cloud.claim(key, claimed_by=claimed_by, lease_seconds=order.lease_seconds)
        logger.bind(segment_index=index, attempt=claim.item["attempt"] if claim else None)
        if claim is None:
            logger.info("segment is not to be had")
            continue
        logger.info("segment claimed")
        try:
            _run_claimed(cloud, order, claim, get_analyzer, stop)
        except Superseded:
            logger.warning("segment was taken away")
        except (BadInput, BadOrder) as error:
            _fail(cloud, claim, error)
            failed.append(error)
    logger.bind(segment_index=None, attempt=None)
    if failed:
        raise failed[0]


def _run_claimed(
    cloud: Cloud, order: WorkOrder, claim: Claim, get_analyzer: Callable[[], Analyzer], stop: Stop
) -> None:
    with holding(cloud, claim, order, stop) as check:
        check()
        result = get_analyzer().analyze(segment_from_item(claim.item), check)
    item = result.entry.to_item(order.tenant, order.job_id)
    facts = {"frames_inferred": result.frames_inferred, "frames_shown": result.entry.frames_shown}
    cloud.end(claim, UnitState.DONE, facts=facts, more=[cloud.put_entry(cloud.results_table, item)])
    logger.info("segment committed", **facts)


def _fail(cloud: Cloud, claim: Claim, error: BadInput | BadOrder) -> None:
    logger.error("segment failed", code=error.failure.code, detail=error.failure.detail)
    try:
        cloud.end(claim, UnitState.FAILED, failure=failure_to_map(error.failure))
    except Superseded:
        logger.warning("segment was taken away")


def _load(cloud: Cloud, index: int, order: WorkOrder) -> Model:
    ordered = order.models[index]
    manifest = manifest_from_json(ordered.manifest)
    if manifest.task not in TASKS_OF_JOBS:
        raise BadOrder(f"model {manifest.name} is for {manifest.task}, which a worker cannot run in a job")
    model = load(manifest, cloud.get_object(ordered.key))
    logger.info("model loaded", model=ordered.name, provider=model.provider_class, reason=model.provider_reason)
    return model


def _threads() -> int:
    """Inference threads: the vCPUs of the job definition, else the processors that this process may use."""
    return int(os.environ.get("REELSCAN_VCPUS") or len(os.sched_getaffinity(0)))
