"""The worker's process: order in, exit code out."""

from __future__ import annotations

import os
import signal
import sys
import traceback

from chalicelib.contracts.work_order import ENVIRONMENT_NAME, OrderKind, WorkOrder
from chalicelib.domain.errors import DomainError
from gpu_batch.aws import Cloud, Superseded
from gpu_batch.errors import WorkerError
from gpu_batch.finish import run_finish
from gpu_batch.lease import Stop
from gpu_batch.log import logger
from gpu_batch.probe_step import run_probe
from gpu_batch.segment_step import run_segments

DONE = 0
BUG = 1


def main() -> int:
    """Do what the order says; the exit code of `gpu_batch/errors.py`."""
    stop = Stop()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        _run(stop)
    except WorkerError as error:
        logger.error("worker ends", code=error.failure.code, detail=error.failure.detail, exit_code=error.exit_code)
        return error.exit_code
    except Superseded:
        logger.warning("the work was taken away")
    except Exception as error:  # noqa: BLE001
        # The border of the process: a bug is logged, and the reconciler decides.
        detail = error.failure.detail if isinstance(error, DomainError) else repr(error)
        logger.error("worker failed", detail=detail, trace=traceback.format_exc())
        return BUG
    return DONE


def _run(stop: Stop) -> None:
    cloud = Cloud.from_environment()
    key = os.environ[ENVIRONMENT_NAME].partition(f"s3://{cloud.bucket}/")[2]
    order = WorkOrder.from_bytes(cloud.get_object(key))
    child = int(os.environ.get("AWS_BATCH_JOB_ARRAY_INDEX", "0"))
    claimed_by = os.environ.get("AWS_BATCH_JOB_ID", f"pid-{os.getpid()}")
    logger.bind(
        kind=order.kind, video_id=order.video_id, job_id=order.job_id or None, child=child, batch_job_id=claimed_by
    )
    logger.info("worker starts")
    match order.kind:
        case OrderKind.PROBE:
            run_probe(cloud, order, claimed_by=claimed_by, stop=stop)
        case OrderKind.ANALYZE:
            run_segments(cloud, order, order.children[child], claimed_by=claimed_by, stop=stop)
        case OrderKind.FINISH:
            run_finish(cloud, order, claimed_by=claimed_by, stop=stop)
    logger.info("worker ends", exit_code=DONE)


def run() -> None:
    """End the process with the exit code; at once, so that a thread that hangs in a model cannot keep it."""
    code = main()
    sys.stdout.flush()
    os._exit(code)
