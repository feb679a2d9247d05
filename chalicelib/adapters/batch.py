"""AWS Batch: a submission is an array job, or a plain job when it has one child (an array has at least two)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.clients import aws_errors, error_code
from chalicelib.contracts.work_order import ENVIRONMENT_NAME
from chalicelib.domain.units import Lane
from chalicelib.services.ports import ChildState, Submission

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

JOBS_PER_DESCRIBE = 100
STATE_BY_STATUS = {
    "SUBMITTED": ChildState.WAITING,
    "PENDING": ChildState.WAITING,
    "RUNNABLE": ChildState.WAITING,
    "STARTING": ChildState.RUNNING,
    "RUNNING": ChildState.RUNNING,
    "SUCCEEDED": ChildState.ENDED,
    "FAILED": ChildState.ENDED,
}
SHARES = 256
"""Among which tenants are spread. Source: a queue has at most 500 active shares."""


def share_of(tenant: str) -> str:
    """The share of the queues that a tenant's jobs count against: letters and digits, as Batch wants it."""
    return f"share{int.from_bytes(hashlib.sha256(tenant.encode()).digest()[:4], 'big') % SHARES:03d}"


class AwsBatch:
    """The port `Batch`."""

    def __init__(
        self,
        make_client: Callable[[], BatchClient],
        queue_by_lane: Mapping[Lane, str],
        job_definition_by_lane: Mapping[Lane, str],
    ) -> None:
        self._make_client = make_client
        self._queue_by_lane = queue_by_lane
        self._job_definition_by_lane = job_definition_by_lane

    def submit(self, submission: Submission, order_uri: str) -> str:
        owner = submission.owner
        request: dict[str, Any] = {
            "jobName": f"{submission.kind}-{owner.name}-{submission.submission_id}"[:128],
            "jobQueue": self._queue_by_lane[submission.lane],
            "jobDefinition": self._job_definition_by_lane[submission.lane],
            # State change events carry these back to `api/events.py`.
            "shareIdentifier": share_of(owner.tenant),
            "parameters": {"tenant": owner.tenant, "owner": owner.name, "submission": submission.submission_id},
            "containerOverrides": {"environment": [{"name": ENVIRONMENT_NAME, "value": order_uri}]},
        }
        if len(submission.children) > 1:
            request["arrayProperties"] = {"size": len(submission.children)}
        if submission.is_started_once:
            request["retryStrategy"] = {"attempts": 1}
        with aws_errors("submitting a job to Batch"):
            return self._make_client().submit_job(**request)["jobId"]

    def describe(self, batch_job_id: str, children: int) -> Sequence[ChildState]:
        names = [batch_job_id] if children == 1 else [f"{batch_job_id}:{child}" for child in range(children)]
        status_by_name: dict[str, str] = {}
        for start in range(0, len(names), JOBS_PER_DESCRIBE):
            with aws_errors("asking Batch about jobs"):
                answer = self._make_client().describe_jobs(jobs=names[start : start + JOBS_PER_DESCRIBE])
            status_by_name |= {job["jobId"]: job["status"] for job in answer["jobs"]}
        return [STATE_BY_STATUS.get(status_by_name.get(name, ""), ChildState.UNKNOWN) for name in names]

    def terminate(self, batch_job_id: str, reason: str) -> None:
        from botocore.exceptions import ClientError

        with aws_errors("stopping a job of Batch"):
            try:
                self._make_client().terminate_job(jobId=batch_job_id, reason=reason)
            except ClientError as error:
                # Batch forgets jobs a week after their end.
                if error_code(error) != "ClientException":
                    raise
