"""AWS Batch without processes: each child job is one call of the worker, made when the scheduler says so."""

from __future__ import annotations

from pathlib import Path

from gpu_batch.aws import Cloud
from gpu_batch.lease import Stop
from gpu_batch.main import exit_code_of, follow_order
from infra.local.batch_jobs import BatchJob
from infra.local.batch_process import EXITED, Ended
from infra.local.batch_runner import BatchRunner
from tests.faults.deliveries import Deliveries
from tests.faults.wire import Died, Fault, Wire

KILLED = 137


class Machines(BatchRunner):
    """The local stack's Batch with no machine of its own: `run_next` is the machine."""

    def __init__(self, wire: Wire, deliveries: Deliveries, cloud: Cloud) -> None:
        super().__init__((), {}, Path(), slots=0, emit=deliveries.put)
        self._wire = wire
        self._deliveries = deliveries
        self._cloud = cloud

    def run_next(self) -> bool:
        """Run the child job that waits longest; False when none waits."""
        if all(job.has_ended for job in self._runnable):
            return False
        job = self._take()
        assert job is not None
        ended = self._run_attempt(job)
        self._deliveries.is_deaf = ended.exit_code == KILLED and self._wire.fault is Fault.DIED_UNHEARD
        self._conclude(job, ended)
        self._deliveries.is_deaf = False
        return True

    def _run_attempt(self, job: BatchJob) -> Ended:
        name = f"worker {job.request.name.partition('-')[0]}" + ("" if job.index is None else f" {job.index}")
        try:
            with self._wire.process(name):
                return Ended(exit_code_of(lambda: self._work(job)), EXITED)
        except Died:
            return Ended(KILLED, EXITED)

    def _work(self, job: BatchJob) -> None:
        follow_order(self._cloud, self._environment_of(job), Stop())
