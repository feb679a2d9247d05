"""The worker's process: order in, exit code out."""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import NoReturn

from chalicelib.contracts.invocations import WORKER_NAME
from chalicelib.contracts.work_order import ENVIRONMENT_NAME, OrderKind, WorkOrder
from chalicelib.domain.errors import DomainError, ErrorCode, InvalidRequest
from gpu_batch.aws import Cloud, Superseded
from gpu_batch.errors import BUG, DONE, BadOrder, WorkerError
from gpu_batch.finish import run_finish
from gpu_batch.lease import Stop
from gpu_batch.log import logger
from gpu_batch.probe_step import run_probe
from gpu_batch.rendition_step import run_rendition
from gpu_batch.retrack import run_retrack
from gpu_batch.segment_step import run_segments


def main() -> int:
    """Do what the order of the environment says; the exit code of `gpu_batch/errors.py`."""
    stop = Stop()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    return exit_code_of(lambda: follow_order(Cloud.from_environment(), os.environ, stop))


def exit_code_of(work: Callable[[], None]) -> int:
    """Do the work; how it ended, as an exit code. Never raises: this is the border of the process."""
    try:
        work()
    except WorkerError as error:
        logger.error("worker ends", code=error.failure.code, detail=error.failure.detail, exit_code=error.exit_code)
        return error.exit_code
    except Superseded:
        logger.warning("the work was taken away")
    except Exception as error:  # noqa: BLE001
        # A bug is logged, and the reconciler decides.
        detail = error.failure.detail if isinstance(error, DomainError) else repr(error)
        logger.error("worker failed", detail=detail, trace=traceback.format_exc())
        return BUG
    return DONE


def follow_order(cloud: Cloud, environment: Mapping[str, str], stop: Stop) -> None:
    """Read the order that the environment names, of a Batch job or of the fast lane, and do this child's share of it.

    Raises:
        BadOrder: the order was written by another release.
    """
    key = environment[ENVIRONMENT_NAME].partition(f"s3://{cloud.bucket}/")[2]
    order = _read_order(cloud.get_object(key))
    child = int(environment.get("AWS_BATCH_JOB_ARRAY_INDEX", "0"))
    claimed_by = environment.get(WORKER_NAME) or environment.get("AWS_BATCH_JOB_ID", f"pid-{os.getpid()}")
    logger.bind(
        kind=order.kind,
        video_id=order.video_id or None,
        model_id=order.model_id or None,
        job_id=order.job_id or None,
        child=child,
        batch_job_id=claimed_by,
    )
    logger.info("worker starts")
    step = STEP_BY_KIND.get(order.kind)
    if step is None:
        raise BadOrder(f"this worker has no step for an order of kind {order.kind}", code=ErrorCode.INTERNAL)
    step(cloud, order, child, claimed_by, stop)
    logger.info("worker ends", exit_code=DONE)


Step = Callable[[Cloud, WorkOrder, int, str, Stop], None]
STEP_BY_KIND: dict[OrderKind, Step] = {
    OrderKind.PROBE: lambda cloud, order, _, by, stop: run_probe(cloud, order, claimed_by=by, stop=stop),
    OrderKind.ANALYZE: lambda cloud, order, child, by, stop: run_segments(
        cloud, order, order.children[child], claimed_by=by, stop=stop
    ),
    OrderKind.TRACKS: lambda cloud, order, _, by, stop: run_retrack(cloud, order, claimed_by=by, stop=stop),
    OrderKind.FINISH: lambda cloud, order, _, by, stop: run_finish(cloud, order, claimed_by=by, stop=stop),
    OrderKind.EXPORT: lambda cloud, order, _, by, stop: _run_export(cloud, order, by, stop),
    OrderKind.RENDITION: lambda cloud, order, _, by, stop: run_rendition(cloud, order, claimed_by=by, stop=stop),
    OrderKind.ADMIT: lambda cloud, order, _, by, stop: _run_admission(cloud, order, by, stop),
}
"""What to do with an order of a kind: (cloud, order, child, claimed by, stop)."""


def _run_export(cloud: Cloud, order: WorkOrder, claimed_by: str, stop: Stop) -> None:
    # Imported here: only exports need Arrow, which takes as long to import as all the rest.
    from gpu_batch.export_step import run_export

    run_export(cloud, order, claimed_by=claimed_by, stop=stop)


def _run_admission(cloud: Cloud, order: WorkOrder, claimed_by: str, stop: Stop) -> None:
    # Imported here: only admissions need the compiler, which takes longer to import than all the rest.
    from gpu_batch.admit_step import run_admission

    run_admission(cloud, order, claimed_by=claimed_by, stop=stop)


def _read_order(text: bytes) -> WorkOrder:
    try:
        return WorkOrder.from_bytes(text)
    except InvalidRequest as error:
        raise BadOrder(error.failure.detail, code=ErrorCode.INTERNAL) from error
    except ValueError as error:
        # A kind of order that came with a later release.
        raise BadOrder(f"the order cannot be read: {error}", code=ErrorCode.INTERNAL) from error


def run() -> NoReturn:
    """End the process with the exit code; at once, so that a thread that hangs in a model cannot keep it."""
    # What was imported stays as long as the process: the garbage collector need not walk over it, 5 ms each time.
    gc.freeze()
    code = main()
    sys.stdout.flush()
    os._exit(code)
