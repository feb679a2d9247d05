"""Tracking again on the running system: beside the job, through the real worker and its transactions."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.contracts import table_keys
from tests.flow.records import Records
from tests.flow.tenant import FAST_MODEL, Json, Tenant
from tests.flow.test_lifecycle import wait_until

JOB: Json = {"models": [FAST_MODEL], "segment_seconds": 2, "sampling": {"kind": "per_second", "n": 5}}


@pytest.fixture
def job(tenant: Tenant, bikes: Path) -> Json:
    return tenant.succeed(tenant.upload(bikes, analyze=JOB)["job"]["job_id"])


def versions(tenant: Tenant, job: Json) -> list[Json]:
    return list(tenant.get(f"/jobs/{job['job_id']}/track-versions")["items"])


def test_a_job_is_tracked_again_and_its_versions_go_with_its_video(tenant: Tenant, records: Records, job: Json) -> None:
    path = f"/jobs/{job['job_id']}/tracks"
    before = tenant.get(path)["items"]
    # One like that of the finish, and one that is stricter and becomes the current one.
    tenant.post(path, {}, expect=202)
    tenant.post(path, {"confirm_hits": 5, "make_current": True}, expect=202)
    wait_until(lambda: all(version["state"] == "SUCCEEDED" for version in versions(tenant, job)))
    assert [version["is_current"] for version in versions(tenant, job)] == [False, False, True]
    assert tenant.get(path, version=1)["items"] == tenant.get(path, version=0)["items"] == before
    strict = tenant.get(path)["items"]
    assert 0 < len(strict) < len(before)
    rows = tenant.items(job["job_id"], track_id=strict[0]["track_id"])
    assert len(rows) == strict[0]["frames"]
    assert tenant.job(job["job_id"])["state"] == "SUCCEEDED"
    items = records.meta(job["job_id"])
    assert ["due_at" in items[table_keys.side_step("TRACKS", f"000{number}")] for number in (1, 2)] == [False] * 2
    tenant.post(path, {}, expect=202)
    tenant.http.delete(f"/videos/{job['video_id']}")
    wait_until(lambda: not records.results(job["job_id"]) and not records.meta(job["job_id"]))
