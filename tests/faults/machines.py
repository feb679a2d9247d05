"""AWS Batch and the fast lane without processes: each child job, and each invocation, is one call of the worker, made
when the scheduler says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chalicelib.contracts.invocations import Invocation, environment_of
from gpu_batch.aws import Cloud
from gpu_batch.lease import Stop
from gpu_batch.main import exit_code_of, follow_order
from infra.local.batch_jobs import BatchJob
from infra.local.batch_process import EXITED, Ended
from infra.local.batch_runner import BatchRunner
from infra.local.fast_lane import Ended as InvocationEnded
from infra.local.fast_lane import FunctionRunner, Host
from infra.wiring import WIRING
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


class Invocations(FunctionRunner):
    """The local stack's Lambda with no container of its own: `run_next` is the container."""

    def __init__(self, wire: Wire, deliveries: Deliveries, cloud: Cloud) -> None:
        super().__init__(WIRING.fast, _no_host, slots=0, emit=deliveries.put)
        self._wire = wire
        self._deliveries = deliveries
        self._cloud = cloud

    def run_next(self) -> bool:
        """Run the invocation that waits longest; False when none waits."""
        if not self._waiting:
            return False
        delivery = self._take()
        assert delivery is not None
        request_id, payload = delivery.event["request_id"], delivery.event["payload"]
        ended = self._run(request_id, payload)
        self._deliveries.is_deaf = ended.is_error and self._wire.fault is Fault.DIED_UNHEARD
        self._conclude(delivery, ended)
        self._deliveries.is_deaf = False
        return True

    def _run(self, request_id: str, payload: Any) -> InvocationEnded:
        environment = environment_of(Invocation.from_json(payload), request_id)
        try:
            with self._wire.process("worker fast"):
                code = exit_code_of(lambda: follow_order(self._cloud, environment, Stop()))
                return InvocationEnded({"exit_code": code})
        except Died:
            # The container is gone, and with it the handler: only Lambda says so.
            return InvocationEnded({"errorType": "Runtime.ExitError", "errorMessage": "killed"}, is_error=True)


def _no_host() -> Host:
    raise AssertionError("there are no slots")
