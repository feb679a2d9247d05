"""AWS Batch in memory: remembers what it was told; the test says what becomes of the children."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.services.ports import ChildState, Submission


@dataclass
class FakeBatchJob:
    """A job that was submitted."""

    batch_job_id: str
    submission: Submission
    order_uri: str
    children: list[ChildState]
    terminated_because: str = ""

    def child_id(self, child: int) -> str:
        """Batch's id of a child: that of the job itself when it is no array."""
        return self.batch_job_id if len(self.children) == 1 else f"{self.batch_job_id}:{child}"


class FakeBatch:
    """The port `Batch`."""

    def __init__(self) -> None:
        self.jobs: dict[str, FakeBatchJob] = {}
        self._submitted = 0

    def submit(self, submission: Submission, order_uri: str) -> str:
        self._submitted += 1
        batch_job_id = f"batch-{self._submitted}"
        children = [ChildState.WAITING for _ in submission.children]
        self.jobs[batch_job_id] = FakeBatchJob(batch_job_id, submission, order_uri, children)
        return batch_job_id

    def describe(self, batch_job_id: str, children: int) -> Sequence[ChildState]:
        job = self.jobs.get(batch_job_id)
        return list(job.children) if job else [ChildState.UNKNOWN] * children

    def terminate(self, batch_job_id: str, reason: str) -> None:
        job = self.jobs.get(batch_job_id)
        if job is not None:
            job.terminated_because = reason
            job.children = [ChildState.ENDED for _ in job.children]
