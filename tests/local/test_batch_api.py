"""Batch through boto3: the calls that the service makes, and what Batch refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local.stack import LocalStack
from infra.wiring import WIRING
from tests.local.toys import ToyApp, python, running, take

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient


@pytest.fixture(scope="module")
def stack(app: ToyApp) -> Iterator[LocalStack]:
    writes = (
        "import os, sys, boto3; boto3.client('s3').put_object(Bucket='reelscan', Key=os.environ['KEY'], Body=b'done')"
    )
    with running(app, worker_command=python(writes)) as stack:
        yield stack


@pytest.fixture
def client(stack: LocalStack) -> BatchClient:
    return boto3.client("batch")


def submit(client: BatchClient, **changes: Any) -> str:
    lane = WIRING.cpu
    asked: dict[str, Any] = {
        "jobName": "analyze",
        "jobQueue": lane.queue,
        "jobDefinition": lane.definition.name,
        "shareIdentifier": "share000",
        "parameters": {"job_id": "j-1"},
        "containerOverrides": {"environment": [{"name": "KEY", "value": "batch-wrote"}]},
    }
    return str(client.submit_job(**{**asked, **changes})["jobId"])


def test_a_job_runs_the_worker_against_the_same_endpoint_and_tells_the_handler(
    client: BatchClient, app: ToyApp
) -> None:
    job_id = submit(client)
    [event] = take(app.batch, 1)
    assert event["detail"]["status"] == "SUCCEEDED", f"see the log of {job_id}"
    assert (event["detail"]["jobId"], event["detail"]["parameters"]) == (job_id, {"job_id": "j-1"})
    assert boto3.client("s3").get_object(Bucket="reelscan", Key="batch-wrote")["Body"].read() == b"done"


def test_an_array_is_described_with_exit_codes_and_attempts(client: BatchClient, app: ToyApp) -> None:
    job_id = submit(client, arrayProperties={"size": 2})
    take(app.batch, 3)
    described = client.describe_jobs(jobs=[f"{job_id}:0", f"{job_id}:1", "gone"])["jobs"]
    assert [(job["status"], job["container"]["exitCode"], len(job["attempts"])) for job in described] == [
        ("SUCCEEDED", 0, 1)
    ] * 2
    listed = client.list_jobs(arrayJobId=job_id, jobStatus="SUCCEEDED")["jobSummaryList"]
    assert [summary["arrayProperties"]["index"] for summary in listed] == [0, 1]


def test_terminating_a_job_that_is_gone_is_fine(client: BatchClient) -> None:
    assert client.terminate_job(jobId="gone", reason="none")["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"arrayProperties": {"size": 1}},
        {"arrayProperties": {"size": 10_001}},
        {"jobQueue": "nowhere"},
        {"jobDefinition": "nothing"},
        {"jobName": "no spaces"},
        {"shareIdentifier": "not-alphanumeric"},
        {"timeout": {"attemptDurationSeconds": 59}},
        {"containerOverrides": {"environment": [{"name": "BIG", "value": "x" * 8192}]}},
        {"dependsOn": [{"jobId": "other"}]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_batch_refuses_is_refused(client: BatchClient, changes: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="ClientException"):
        submit(client, **changes)


def test_more_than_100_jobs_cannot_be_described_at_once(client: BatchClient) -> None:
    with pytest.raises(ClientError, match="ClientException"):
        client.describe_jobs(jobs=["x"] * 101)
