"""Keeps a claim alive while the work goes on, and says when the work must stop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from chalicelib.contracts import table_keys
from chalicelib.contracts.items import failure_to_map
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.jobs import JobState
from chalicelib.domain.units import SIDE_KINDS
from gpu_batch.aws import Claim, Cloud, Superseded
from gpu_batch.errors import BUG, Drained, Passing
from gpu_batch.log import logger
from gpu_batch.meter import Meter

STALL_SECONDS = 600.0
"""No sound work goes this long without a check: not one frame, one model call, or one read with all its retries."""
OPEN_JOB_STATES = frozenset({JobState.RUNNING, JobState.FINISHING})


class Stop:
    """Set when the machine is being taken away (SIGTERM); asked between frames."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """The machine is going: safe in a signal handler."""
        self._is_set = True

    @property
    def is_set(self) -> bool:
        """Whether to stop."""
        return self._is_set


@contextmanager
def holding(
    cloud: Cloud, claim: Claim, order: WorkOrder, stop: Stop, meter: Meter | None = None
) -> Iterator[Callable[[], None]]:
    """Keep a claim while the work goes on; gives the check that the work calls between frames.

    Work that breaks off for a passing reason gives the unit back, so that the next attempt need not wait for the lease.
    After anything else the caller ends the unit, or, when this was a bug, the reconciler does.
    """
    lease = Lease(cloud, claim, lease_seconds=order.lease_seconds, heartbeat_seconds=order.heartbeat_seconds, stop=stop)
    with lease as check:
        try:
            yield check
        except (Passing, Drained) as error:
            failure = failure_to_map(error.failure) or {}
            usage = meter.spent_on(claim.item) if meter else None
            cloud.release(claim, is_drained=isinstance(error, Drained), failure=failure, usage=usage)
            raise


class Lease:
    """A claim that renews itself from a thread of its own; `check()` is called by the work, between frames.

    Work that stops calling it has stalled, and its process ends. When a renewal is refused, somebody else has the unit
    or its job was cancelled: the work stops without a word, since every write of it would be refused as well. When AWS
    cannot be reached, the lease simply runs out.
    """

    def __init__(
        self,
        cloud: Cloud,
        claim: Claim,
        *,
        lease_seconds: float,
        heartbeat_seconds: float,
        stop: Stop,
        stall_seconds: float = STALL_SECONDS,
        end_process: Callable[[], None] = lambda: os._exit(BUG),
    ) -> None:
        self._cloud = cloud
        self._claim = claim
        self._lease_seconds = lease_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._stop = stop
        self._stall_seconds = stall_seconds
        self._end_process = end_process
        self._checked_at = time.monotonic()
        self._is_over = threading.Event()
        self._is_lost = False
        self._thread = threading.Thread(target=self._renew, name="heartbeat", daemon=True)

    def __enter__(self) -> Callable[[], None]:
        self._thread.start()
        return self.check

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def check(self) -> None:
        """Go on, or stop.

        Raises:
            Superseded: the claim is lost, or the job is not open any more.
            Drained: the machine is being taken away.
        """
        self._checked_at = time.monotonic()
        if self._is_lost:
            raise Superseded
        if self._stop.is_set:
            raise Drained("the machine is being taken away")

    def _renew(self) -> None:
        # A side step is of a job that has ended; its own item goes with the job.
        is_side = self._claim.key.kind in SIDE_KINDS
        while not self._is_over.wait(self._heartbeat_seconds):
            if time.monotonic() - self._checked_at > self._stall_seconds:
                # What hangs in C cannot be interrupted from Python: the process ends, which costs an attempt.
                logger.error("the work has stalled", stall_seconds=self._stall_seconds)
                self._end_process()
                return
            try:
                self._cloud.keep(self._claim, lease_seconds=self._lease_seconds)
                job = None if is_side else self._cloud.get(self._cloud.meta_table, self._claim.key.pk, table_keys.JOB)
            except Superseded:
                self._is_lost = True
                return
            except Passing:
                continue  # tried again at the next beat; if AWS stays away the lease runs out
            if job is not None and job["state"] not in OPEN_JOB_STATES:
                self._is_lost = True
                return
