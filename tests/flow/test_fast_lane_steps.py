"""Exports and the admission of models through the fast lane, in Lambda's own runtime: Batch is never asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.contracts.invocations import PREFIX
from infra.local.stack import FastLaneMode, LocalStack, StackOptions
from infra.wiring import WIRING
from tests.flow.records import Records
from tests.flow.registering import register
from tests.flow.tenant import Tenant
from tests.models import networks

FEW_FRAMES = {"kind": "keyframes"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    options = StackOptions(out=tmp_path_factory.mktemp("out"), slots=1, fast_lane=FastLaneMode.RUNTIME)
    with LocalStack(options) as stack:
        yield stack


def asked_of_batch(records: Records) -> list[str]:
    """Names of the jobs that were ever sent to Batch, in whatever state they are."""
    return [
        job["jobName"]
        for lane in WIRING.lanes
        for state in ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
        for job in records.batch.list_jobs(jobQueue=lane.queue, jobStatus=state)["jobSummaryList"]
    ]


def test_an_export_is_made_by_an_invocation(tenant: Tenant, records: Records, bikes: Path) -> None:
    job_id = tenant.analyze(bikes, sampling=FEW_FRAMES)
    tenant.succeed(job_id)

    _, content = tenant.export(job_id, "ndjson", score_min=0)

    found = [line for line in map(json.loads, content.splitlines()) if line["kind"] == "detection"]
    assert len(found) == len(tenant.all_items(job_id)) > 0
    (step,) = records.meta(job_id, "STEP#EXPORT#").values()
    assert (step["lane"], step["claimed_by"].startswith(PREFIX)) == ("fast", True)
    assert asked_of_batch(records) == []


def test_a_model_is_admitted_by_an_invocation(tenant: Tenant, records: Records) -> None:
    version = register(tenant, networks.yolox())

    assert (version["state"], list(version["trial"]["inputs"][0])) == ("READY", ["input", "cpu_ms"])
    assert asked_of_batch(records) == []
