"""Segments as units of work: a child claims, analyses and commits each of its own, as many at once as keep it busy."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from functools import cache
from itertools import pairwise
from pathlib import Path
from threading import Lock

from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.items import failure_to_map, segment_from_item
from chalicelib.contracts.sample_table import unpack_cells
from chalicelib.contracts.work_order import OrderedMedia, WorkOrder
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.models import manifest_from_json
from chalicelib.domain.segments import Segment
from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.analyze import Analyzer
from gpu_batch.aws import Claim, Cloud, Superseded
from gpu_batch.errors import BadInput, BadOrder
from gpu_batch.lease import Stop, holding
from gpu_batch.log import logger
from gpu_batch.meter import PROCESS, Meter
from gpu_batch.models.engines import ENGINES_NAME
from gpu_batch.models.loader import Model, expected_class, load
from gpu_batch.models.on_demand import ModelOnDemand
from gpu_batch.models.providers import provider_class_of

THREADS_PER_SESSION = 2
"""One decoder keeps about this many threads of a small model busy; a machine with more gets several sessions."""
SIGNAL_SECONDS = 0.1
"""How long a signal may go unanswered."""
GPU_SESSIONS = 4
"""A session uses one of a GPU's decoding engines, of which it has one to seven; not measured (docs/gpu.md)."""


def run_segments(cloud: Cloud, order: WorkOrder, indices: Sequence[int], *, claimed_by: str, stop: Stop) -> None:
    """Analyse these segments of an order, but for those that somebody else has or had.

    Sessions take segments side by side, each with a decoder of its own; all share the models. Where everything is
    stored, no model is opened and no byte of the video is read.

    Raises:
        BadInput: a segment cannot be analysed, ever; that is recorded, and the others were done.
        BadOrder: likewise, because of a model.
    """
    if order.media is None:
        raise BadOrder("an order to analyse must have media facts", code=ErrorCode.INTERNAL)
    keys = [UnitKey(order.pk, UnitKind.SEGMENT, index) for index in indices]
    child = _Child(cloud, order, order.media, claimed_by, stop)
    threads_by_session = deal_threads(_vcpus(), len(keys), is_on_gpu=order.provider_class != "cpu")
    with ThreadPoolExecutor(len(threads_by_session), thread_name_prefix="session") as pool:
        sessions = [
            pool.submit(child.run_session, keys[number :: len(threads_by_session)], threads)
            for number, threads in enumerate(threads_by_session)
        ]
        # SIGTERM may come to any thread, and does not wake this one, which alone can answer it in Python.
        while wait(sessions, timeout=SIGNAL_SECONDS).not_done:
            pass
    failed = [error for session in sessions for error in session.result()]
    if failed:
        raise failed[0]


def deal_threads(vcpus: int, segments: int, *, is_on_gpu: bool) -> list[int]:
    """Inference threads of each session of a child that has this many segments."""
    wanted = GPU_SESSIONS if is_on_gpu else vcpus // THREADS_PER_SESSION
    sessions = max(1, min(wanted, segments))
    return [max(1, vcpus // sessions + (number < vcpus % sessions)) for number in range(sessions)]


class _Child:
    """What the sessions of a child share."""

    def __init__(self, cloud: Cloud, order: WorkOrder, media: OrderedMedia, claimed_by: str, stop: Stop) -> None:
        self._cloud = cloud
        self._order = order
        self._media = media
        self._claimed_by = claimed_by
        self._stop = stop
        self._cells = unpack_cells(cloud.get_object(media.cells_key))
        self._lock = Lock()
        self._models: list[ModelOnDemand] = []

    def run_session(self, keys: Sequence[UnitKey], threads: int) -> list[BadInput | BadOrder]:
        """Claim, analyse and commit segments one by one; what failed for good, and was recorded."""
        following = _following(self._cloud, keys)
        failed: list[BadInput | BadOrder] = []
        meter = Meter()
        with ExitStack() as until_end:

            def make_analyzer() -> Analyzer:
                models = self._share_models()
                analyzer = Analyzer(self._cloud, self._order, models, self._cells, threads=threads, meter=meter)
                return until_end.enter_context(closing(analyzer))

            # Made under the first claim, and a model is opened under the first claim that needs it, so that one that
            # kills its worker is counted against it.
            get_analyzer = cache(make_analyzer)
            for key in keys:
                claim = self._claim(key)
                if claim is None:
                    continue
                try:
                    after = following.get(key.index)
                    _run_claimed(self._cloud, self._order, claim, get_analyzer, after, self._stop, meter)
                except Superseded:
                    logger.warning("segment was taken away")
                except (BadInput, BadOrder) as error:
                    _fail(self._cloud, claim, error, meter)
                    failed.append(error)
        logger.bind_thread()
        return failed

    def _claim(self, key: UnitKey) -> Claim | None:
        claim = self._cloud.claim(key, claimed_by=self._claimed_by, lease_seconds=self._order.lease_seconds)
        logger.bind_thread(segment_index=key.index, attempt=claim.item["attempt"] if claim else None)
        logger.info("segment claimed" if claim else "segment is not to be had")
        return claim

    def _share_models(self) -> list[ModelOnDemand]:
        with self._lock:
            if not self._models:
                order = self._order
                self._models = [
                    _on_demand(self._cloud, index, order, self._media) for index in range(len(order.models))
                ]
            return self._models


def _following(cloud: Cloud, keys: Sequence[UnitKey]) -> dict[int, Segment]:
    """By index of a segment the one that this child takes after it, while that was still to be had."""
    found = cloud.get_many(cloud.meta_table, [(key.pk, key.sk) for key in keys[1:]])
    return {
        key.index: segment_from_item(found[after.pk, after.sk])
        for key, after in pairwise(keys)
        if found.get((after.pk, after.sk), {}).get("state") == UnitState.OPEN
    }


def _run_claimed(
    cloud: Cloud,
    order: WorkOrder,
    claim: Claim,
    get_analyzer: Callable[[], Analyzer],
    following: Segment | None,
    stop: Stop,
    meter: Meter,
) -> None:
    with holding(cloud, claim, order, stop, meter) as check:
        check()
        result = get_analyzer().analyze(segment_from_item(claim.item), check, following)
    item = result.entry.to_item(order.tenant, order.job_id)
    facts = {
        "frames_inferred": result.frames_inferred,
        "frames_shown": result.entry.frames_shown,
        "provider": result.provider,
        "analyses": list(result.analyses),
        "reuse": [list(of_model) for of_model in result.reuse],
        "usage": meter.spent_on(claim.item),
    }
    cloud.end(claim, UnitState.DONE, facts=facts, more=[cloud.put_entry(cloud.results_table, item)])
    logger.info("segment committed", **facts)


def _fail(cloud: Cloud, claim: Claim, error: BadInput | BadOrder, meter: Meter) -> None:
    logger.error("segment failed", code=error.failure.code, detail=error.failure.detail)
    try:
        facts = {"usage": meter.spent_on(claim.item)}
        cloud.end(claim, UnitState.FAILED, failure=failure_to_map(error.failure), facts=facts)
    except Superseded:
        logger.warning("segment was taken away")


def _on_demand(cloud: Cloud, index: int, order: WorkOrder, media: OrderedMedia) -> ModelOnDemand:
    ordered = order.models[index]
    manifest, pinned = manifest_from_json(ordered.manifest), provider_class_of(order.provider_class)
    folder = os.environ.get(ENGINES_NAME)
    engines, shown = Path(folder) if folder else None, (media.width, media.height)

    def open_model() -> Model:
        content = cloud.get_object(ordered.key)
        with PROCESS.loading(manifest.sha256):
            model = load(manifest, content, provider_class=pinned, engines=engines, shown=shown)
        logger.info("model loaded", model=ordered.name, provider=model.provider_class, reason=model.provider_reason)
        if model.provider_class != pinned:
            logger.warning("results get the key of another provider", pinned=pinned, provider=model.provider_class)
        return model

    expected = expected_class(manifest, provider_class=pinned, engines=engines, shown=shown)
    return ModelOnDemand(manifest, expected, open_model)


def _vcpus() -> int:
    """The vCPUs of the job definition, else the processors that this process may use."""
    return int(os.environ.get("REELSCAN_VCPUS") or len(os.sched_getaffinity(0)))
