"""AWS Batch's jobs as records: their life, and how DescribeJobs and the state-change events show them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from infra.local.events import ACCOUNT_ID, REGION
from infra.wiring import ExitRule, JobDefinition

ARN = f"arn:aws:batch:{REGION}:{ACCOUNT_ID}"
LOG_GROUP = "/aws/batch/job"


def now_ms() -> int:
    """Epoch milliseconds, as in all of Batch's answers."""
    return int(time.time() * 1000)


class JobStatus(StrEnum):
    """Batch's words, in the order in which a job passes them."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


ENDED = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED})
NOT_STARTED = frozenset({JobStatus.SUBMITTED, JobStatus.PENDING, JobStatus.RUNNABLE})


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What SubmitJob asked for, with the definition's values where it asked for nothing."""

    name: str
    queue: str
    definition: JobDefinition
    parameters: Mapping[str, str]
    command: tuple[str, ...]
    """Arguments after the worker's own command line."""
    environment: Mapping[str, str]
    timeout_seconds: int
    array_size: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start of a job's process that has ended. Times are epoch milliseconds."""

    exit_code: int | None
    status_reason: str
    started_at: int
    stopped_at: int


@dataclass(slots=True)
class BatchJob:
    """A plain job, an array's parent or one of its children. Guarded by the runner's lock."""

    request: JobRequest
    job_id: str
    parent: BatchJob | None = None
    index: int | None = None
    """Place in the array; None unless this is a child."""
    children: list[BatchJob] = field(default_factory=list)
    status: JobStatus = JobStatus.SUBMITTED
    status_reason: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    created_at: int = field(default_factory=now_ms)
    started_at: int | None = None
    stopped_at: int | None = None
    stop_reason: str | None = None
    """Why somebody wants it to end; set once."""

    @property
    def has_ended(self) -> bool:
        """Whether its status is final."""
        return self.status in ENDED

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"{ARN}:job/{self.job_id}"

    @property
    def log_name(self) -> str:
        """Name of its log file. A child's id has a colon, which not every file system takes."""
        return f"{self.job_id.replace(':', '-')}.log"

    def describe(self) -> dict[str, Any]:
        """As DescribeJobs shows it, and as the `detail` of a state-change event."""
        definition = self.request.definition
        described: dict[str, Any] = {
            "jobArn": self.arn,
            "jobName": self.request.name,
            "jobId": self.job_id,
            "jobQueue": f"{ARN}:job-queue/{self.request.queue}",
            "jobDefinition": f"{ARN}:job-definition/{definition.name}:1",
            "status": self.status.value,
            "statusReason": self.status_reason,
            "createdAt": self.created_at,
            "startedAt": self.started_at,
            "stoppedAt": self.stopped_at,
            "parameters": dict(self.request.parameters),
            "dependsOn": [],
            "attempts": [self._describe_attempt(attempt) for attempt in self.attempts],
            "retryStrategy": {
                "attempts": definition.retry.attempts,
                "evaluateOnExit": [describe_rule(rule) for rule in definition.retry.rules],
            },
            "timeout": {"attemptDurationSeconds": self.request.timeout_seconds},
            "container": self._describe_container(),
            "arrayProperties": self._describe_array(),
        }
        return {name: value for name, value in described.items() if value is not None}

    def _describe_container(self) -> dict[str, Any]:
        container: dict[str, Any] = {
            "command": list(self.request.command),
            "environment": [{"name": name, "value": value} for name, value in self.request.environment.items()],
            "resourceRequirements": self._describe_resources(),
        }
        if self.attempts:
            container["logStreamName"] = self.log_name
            if self.attempts[-1].exit_code is not None:
                container["exitCode"] = self.attempts[-1].exit_code
        return container

    def _describe_resources(self) -> list[dict[str, str]]:
        definition = self.request.definition
        values = {"VCPU": definition.vcpus, "MEMORY": definition.memory_mib, "GPU": definition.gpus}
        return [{"type": name, "value": str(value)} for name, value in values.items() if value]

    def _describe_array(self) -> dict[str, Any]:
        if self.index is not None:
            return {"index": self.index}
        if not self.children:
            return {}
        summary = {status.value: 0 for status in JobStatus}
        for child in self.children:
            summary[child.status.value] += 1
        return {"size": len(self.children), "statusSummary": summary}

    def _describe_attempt(self, attempt: Attempt) -> dict[str, Any]:
        container: dict[str, Any] = {"logStreamName": self.log_name}
        if attempt.exit_code is not None:
            container["exitCode"] = attempt.exit_code
        return {
            "container": container,
            "startedAt": attempt.started_at,
            "stoppedAt": attempt.stopped_at,
            "statusReason": attempt.status_reason,
        }


def make_job(request: JobRequest) -> BatchJob:
    """A new job; with an array size, the parent with all its children."""
    job = BatchJob(request, str(uuid.uuid4()))
    for index in range(request.array_size or 0):
        job.children.append(BatchJob(request, f"{job.job_id}:{index}", parent=job, index=index))
    return job


def is_retried(rules: Iterable[ExitRule], exit_code: int, status_reason: str, reason: str = "") -> bool:
    """Whether Batch starts a job again that ended so: the first rule that matches decides, and if none does it is."""
    for rule in rules:
        conditions = (
            (rule.on_exit_code, str(exit_code)),
            (rule.on_status_reason, status_reason),
            (rule.on_reason, reason),
        )
        if all(pattern is None or _glob_matches(pattern, value) for pattern, value in conditions):
            return rule.action == "RETRY"
    return True


def describe_rule(rule: ExitRule) -> dict[str, str]:
    """One `evaluateOnExit` rule in Batch's JSON."""
    conditions = {"onStatusReason": rule.on_status_reason, "onReason": rule.on_reason, "onExitCode": rule.on_exit_code}
    return {"action": rule.action, **{name: value for name, value in conditions.items() if value is not None}}


def _glob_matches(pattern: str, value: str) -> bool:
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern
