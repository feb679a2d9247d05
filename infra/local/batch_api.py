"""The part of AWS Batch's API that production code calls, with its limits; queues and definitions are the wiring's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from werkzeug.wrappers import Request, Response

from infra.local.batch_jobs import ARN, JobRequest, JobStatus
from infra.local.batch_runner import BatchRunner
from infra.wiring import JobDefinition, Lane, RetryStrategy

# Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html, also API_DescribeJobs.html
ARRAY_MIN = 2
ARRAY_MAX = 10_000
DESCRIBE_MAX = 100
OVERRIDES_MAX_CHARS = 8192
TIMEOUT_MIN_SECONDS = 60
ATTEMPTS_MAX = 10
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
SHARE = re.compile(r"[A-Za-z0-9]{1,255}")
SUPPORTED_FIELDS = frozenset(
    {
        "jobName",
        "jobQueue",
        "jobDefinition",
        "arrayProperties",
        "parameters",
        "containerOverrides",
        "retryStrategy",
        "timeout",
        "tags",
        "propagateTags",
        "shareIdentifier",
    }
)


class ClientException(Exception):
    """Batch's one error for whatever the caller did wrong."""


class BatchApi:
    """The service `batch`."""

    def __init__(self, lanes: tuple[Lane, ...], runner: BatchRunner) -> None:
        self._queues = {lane.queue for lane in lanes}
        self._definition_by_name = {lane.definition.name: lane.definition for lane in lanes}
        self._runner = runner
        self._operation_by_path: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "/v1/submitjob": self._submit,
            "/v1/describejobs": self._describe,
            "/v1/listjobs": self._list,
            "/v1/terminatejob": self._terminate,
            "/v1/canceljob": self._cancel,
            "/v1/describejobqueues": self._describe_queues,
        }

    def handle(self, request: Request) -> Response:
        """Serve one request."""
        operation = self._operation_by_path.get(request.path)
        try:
            if operation is None:
                raise ClientException(
                    f"The local stack's Batch knows {', '.join(self._operation_by_path)} but got {request.path}"
                )
            answer = operation(json.loads(request.get_data() or b"{}"))
        except ClientException as error:
            body = json.dumps({"message": str(error)})
            return Response(body, 400, {"x-amzn-ErrorType": "ClientException"}, content_type="application/json")
        return Response(json.dumps(answer), 200, content_type="application/json")

    def _submit(self, body: dict[str, Any]) -> dict[str, Any]:
        unsupported = sorted(body.keys() - SUPPORTED_FIELDS)
        if unsupported:
            raise ClientException(f"The local stack's SubmitJob does not know {', '.join(unsupported)}")
        if not NAME.fullmatch(str(body.get("jobName"))):
            raise ClientException(f"Job name must match {NAME.pattern} but got {body.get('jobName')!r}")
        # Our queues have a fair-share policy, and then Batch takes no job without one.
        if not SHARE.fullmatch(str(body.get("shareIdentifier", ""))):
            raise ClientException(
                f"Share identifier must match {SHARE.pattern} but got {body.get('shareIdentifier')!r}"
            )
        definition = self._definition(str(body.get("jobDefinition")))
        overrides = body.get("containerOverrides", {})
        if len(json.dumps(overrides)) > OVERRIDES_MAX_CHARS:
            raise ClientException(f"Container overrides length must be at most {OVERRIDES_MAX_CHARS}")
        parameters = {str(name): str(value) for name, value in body.get("parameters", {}).items()}
        job = self._runner.submit(
            JobRequest(
                name=body["jobName"],
                queue=self._queue(str(body.get("jobQueue"))),
                definition=_with_retries(definition, body.get("retryStrategy")),
                parameters=parameters,
                command=tuple(_resolve(argument, parameters) for argument in overrides.get("command", [])),
                environment={pair["name"]: pair["value"] for pair in overrides.get("environment", [])},
                timeout_seconds=_timeout_seconds(body.get("timeout", {}), definition),
                array_size=_array_size(body.get("arrayProperties", {})),
            )
        )
        return {"jobArn": job.arn, "jobName": job.request.name, "jobId": job.job_id}

    def _describe(self, body: dict[str, Any]) -> dict[str, Any]:
        job_ids = body.get("jobs", [])
        if not 1 <= len(job_ids) <= DESCRIBE_MAX:
            raise ClientException(f"DescribeJobs takes 1 to {DESCRIBE_MAX} jobs but got {len(job_ids)}")
        return {"jobs": self._runner.describe(job_ids)}

    def _list(self, body: dict[str, Any]) -> dict[str, Any]:
        if ("jobQueue" in body) == ("arrayJobId" in body):
            raise ClientException("ListJobs takes either jobQueue or arrayJobId")
        queue = self._queue(body["jobQueue"]) if "jobQueue" in body else None
        jobs = self._runner.list_jobs(queue, body.get("arrayJobId"), JobStatus(body.get("jobStatus", "RUNNING")))
        start, size = int(body.get("nextToken", 0)), int(body.get("maxResults", 1000))
        answer: dict[str, Any] = {"jobSummaryList": [_summarize(job) for job in jobs[start : start + size]]}
        if start + size < len(jobs):
            answer["nextToken"] = str(start + size)
        return answer

    def _terminate(self, body: dict[str, Any]) -> dict[str, Any]:
        self._runner.terminate(str(body.get("jobId")), _reason(body))
        return {}

    def _cancel(self, body: dict[str, Any]) -> dict[str, Any]:
        self._runner.cancel(str(body.get("jobId")), _reason(body))
        return {}

    def _describe_queues(self, body: dict[str, Any]) -> dict[str, Any]:
        wanted = [name.rpartition("/")[2] for name in body.get("jobQueues", sorted(self._queues))]
        return {
            "jobQueues": [
                {
                    "jobQueueName": name,
                    "jobQueueArn": f"{ARN}:job-queue/{name}",
                    "state": "ENABLED",
                    "status": "VALID",
                    "priority": 1,
                    "computeEnvironmentOrder": [],
                }
                for name in wanted
                if name in self._queues
            ]
        }

    def _queue(self, name_or_arn: str) -> str:
        name = name_or_arn.rpartition("/")[2]
        if name not in self._queues:
            raise ClientException(f"Job queue {name_or_arn} does not exist")
        return name

    def _definition(self, name_or_arn: str) -> JobDefinition:
        name = name_or_arn.rpartition("/")[2].partition(":")[0]
        if name not in self._definition_by_name:
            raise ClientException(f"Job definition {name_or_arn} does not exist")
        return self._definition_by_name[name]


def _with_retries(definition: JobDefinition, asked: Mapping[str, Any] | None) -> JobDefinition:
    """The definition with the retry strategy of a request, which replaces its own whole."""
    if asked is None:
        return definition
    attempts = asked.get("attempts")
    if set(asked) != {"attempts"} or not isinstance(attempts, int) or not 1 <= attempts <= ATTEMPTS_MAX:
        raise ClientException(
            f"The local stack's retryStrategy takes attempts from 1 to {ATTEMPTS_MAX} but got {asked}"
        )
    return replace(definition, retry=RetryStrategy(attempts, ()))


def _array_size(properties: Mapping[str, Any]) -> int | None:
    size = properties.get("size")
    if size is not None and not ARRAY_MIN <= size <= ARRAY_MAX:
        raise ClientException(f"Array size must be {ARRAY_MIN} to {ARRAY_MAX} but got {size}")
    return size


def _timeout_seconds(timeout: Mapping[str, Any], definition: JobDefinition) -> int:
    seconds = int(timeout.get("attemptDurationSeconds", definition.attempt_timeout_seconds))
    if seconds < TIMEOUT_MIN_SECONDS:
        raise ClientException(f"Attempt duration must be at least {TIMEOUT_MIN_SECONDS} seconds but got {seconds}")
    return seconds


def _resolve(argument: str, parameters: Mapping[str, str]) -> str:
    return parameters.get(argument.removeprefix("Ref::"), argument) if argument.startswith("Ref::") else argument


def _reason(body: Mapping[str, Any]) -> str:
    reason = body.get("reason")
    if not reason:
        raise ClientException("A reason must be given")
    return str(reason)


def _summarize(job: Mapping[str, Any]) -> dict[str, Any]:
    names = (
        "jobArn",
        "jobId",
        "jobName",
        "jobDefinition",
        "status",
        "statusReason",
        "createdAt",
        "startedAt",
        "stoppedAt",
        "arrayProperties",
    )
    summary = {name: job[name] for name in names if name in job}
    if "exitCode" in job["container"]:
        summary["container"] = {"exitCode": job["container"]["exitCode"]}
    return summary
