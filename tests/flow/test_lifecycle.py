"""What happens to videos and jobs after they were made: asked for again, cancelled, deleted, looked at by others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.contracts import object_keys, table_keys
from chalicelib.domain.ids import make_id
from infra.local.stack import LocalStack
from tests.flow.records import Records
from tests.flow.tenant import FAST_MODEL, POLL_SECONDS, Json, Tenant, canonical

PATIENCE_SECONDS = 60
FRAMES = 50
"""Five a second, as the jobs below look at the clip."""
JOB: Json = {"models": [FAST_MODEL], "segment_seconds": 2, "sampling": {"kind": "per_second", "n": 5}}
ANOTHER_JOB: Json = JOB | {"segment_seconds": 5}
CHEAP_JOB: Json = {"models": [FAST_MODEL], "sampling": {"kind": "keyframes"}}


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(POLL_SECONDS)


# ---- asked for again ------------------------------------------------------------------------------------------------


def test_a_second_job_on_the_same_video_infers_nothing_and_says_the_same(tenant: Tenant, bikes: Path) -> None:
    first = tenant.succeed(tenant.upload(bikes, analyze=JOB)["job"]["job_id"])
    second_id = tenant.post(f"/videos/{first['video_id']}/jobs", ANOTHER_JOB, expect=202)["job"]["job_id"]
    second = tenant.succeed(second_id)
    assert [job["summary"]["frames_inferred"] for job in (first, second)] == [FRAMES, 0]
    assert [job["plan"]["segments"] for job in (first, second)] == [5, 2]
    assert canonical(tenant.all_items(second_id)) == canonical(tenant.all_items(first["job_id"]))


def test_the_same_key_with_the_same_body_gives_the_same_answer(tenant: Tenant) -> None:
    body = {"filename": "a.mp4", "size_bytes": 10, "analyze": JOB}
    answers = [tenant.post("/videos", body, expect=201, **{"Idempotency-Key": "one"}) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(tenant.get("/videos")["items"]) == 1


def test_the_same_key_with_another_body_is_refused(tenant: Tenant) -> None:
    body = {"filename": "a.mp4", "size_bytes": 10}
    tenant.post("/videos", body, expect=201, **{"Idempotency-Key": "one"})
    problem = tenant.post("/videos", body | {"size_bytes": 11}, expect=409, **{"Idempotency-Key": "one"})
    assert problem["code"] == "IDEMPOTENCY_MISMATCH"


def test_requests_without_a_key_are_requests_of_their_own(tenant: Tenant) -> None:
    video_id = tenant.post("/videos", {"filename": "a.mp4", "size_bytes": 10}, expect=201)["video"]["video_id"]
    jobs = [tenant.post(f"/videos/{video_id}/jobs", JOB, expect=202)["job"]["job_id"] for _ in range(2)]
    assert jobs[0] != jobs[1]
    assert [job["job_id"] for job in tenant.get(f"/videos/{video_id}/jobs")["items"]] == jobs[::-1]


# ---- cancelled ------------------------------------------------------------------------------------------------------


def test_nothing_appears_after_a_cancel_and_what_was_there_stays(tenant: Tenant, records: Records, bikes: Path) -> None:
    job_id = tenant.analyze(bikes, model="nanodet-g", segment_seconds=1)
    wait_until(lambda: tenant.job(job_id)["progress"]["segments_done"])
    cancelled = tenant.post(f"/jobs/{job_id}/cancel", {})["job"]
    items, done = tenant.all_items(job_id), cancelled["progress"]["segments_done"]
    submission = records.meta(job_id)[table_keys.submission("analyze")]
    batch_jobs = [submission["batch_job_id"]]
    wait_until(lambda: records.batch.describe_jobs(jobs=batch_jobs)["jobs"][0]["status"] in ("SUCCEEDED", "FAILED"))
    states = [segment["state"] for segment in tenant.segments(job_id)]
    assert cancelled["state"] == tenant.job(job_id)["state"] == "CANCELLED"
    assert 0 < states.count("DONE") < len(states)
    assert set(states) == {"DONE", "CANCELLED"}
    assert states.count("DONE") == done == len(records.results(job_id, table_keys.index_entry(0)[:6]))
    assert canonical(tenant.all_items(job_id)) == canonical(items)


def test_cancelling_twice_changes_nothing(tenant: Tenant) -> None:
    job_id = tenant.post("/videos", {"filename": "a.mp4", "size_bytes": 10, "analyze": JOB}, expect=201)["job"][
        "job_id"
    ]
    answers = [tenant.post(f"/jobs/{job_id}/cancel", {}) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["job"]["state"] == "CANCELLED"


def test_a_cancelled_job_does_not_start_when_its_video_arrives(tenant: Tenant, records: Records, bikes: Path) -> None:
    created = tenant.announce(bikes, analyze=JOB)
    tenant.post(f"/jobs/{created['job']['job_id']}/cancel", {})
    tenant.send(created["upload"], bikes)
    tenant.wait_for_video(created["video"]["video_id"])
    assert tenant.job(created["job"]["job_id"])["state"] == "CANCELLED"
    assert records.meta(created["job"]["job_id"], table_keys.segment(0)[:4]) == {}


# ---- deleted --------------------------------------------------------------------------------------------------------


def test_a_deleted_video_is_gone_with_its_jobs_its_results_and_its_bytes(
    tenant: Tenant, records: Records, tenant_name: str, bikes: Path
) -> None:
    job = tenant.succeed(tenant.upload(bikes, analyze=CHEAP_JOB)["job"]["job_id"])
    video_id, job_id = job["video_id"], job["job_id"]
    digest = records.meta(video_id)[table_keys.VIDEO]["source"]["content_digest"]
    assert records.results(digest)
    assert tenant.http.delete(f"/videos/{video_id}").status_code == 204
    for path in (*VIDEO_PATHS, *JOB_PATHS):
        assert tenant.http.get(path.format(video_id=video_id, job_id=job_id)).status_code == 404
    assert [records.meta(name) for name in (video_id, job_id)] == [{}, {}]
    assert [records.results(name) for name in (job_id, digest)] == [{}, {}]
    assert records.versions(object_keys.video_prefix(tenant_name, video_id)) == 0
    assert records.versions(object_keys.job_prefix(tenant_name, job_id)) == 0


@pytest.mark.slow
def test_results_outlive_one_of_two_videos_with_the_same_bytes(tenant: Tenant, bikes: Path) -> None:
    first = tenant.succeed(tenant.upload(bikes, analyze=CHEAP_JOB)["job"]["job_id"])
    second = tenant.succeed(tenant.upload(bikes, analyze=CHEAP_JOB)["job"]["job_id"])
    assert second["summary"]["frames_inferred"] == 0
    items = tenant.all_items(second["job_id"])
    tenant.http.delete(f"/videos/{first['video_id']}")
    assert canonical(tenant.all_items(second["job_id"])) == canonical(items)


@pytest.mark.slow
def test_a_video_that_is_deleted_while_it_is_analysed_leaves_no_item_of_its_own(
    tenant: Tenant, records: Records, tenant_name: str, bikes: Path
) -> None:
    job_id = tenant.analyze(bikes, model="nanodet-g", segment_seconds=1)
    wait_until(lambda: tenant.job(job_id)["progress"]["segments_done"])
    video_id = tenant.job(job_id)["video_id"]
    batch_jobs = [records.meta(job_id)[table_keys.submission("analyze")]["batch_job_id"]]
    assert tenant.http.delete(f"/videos/{video_id}").status_code == 204
    wait_until(lambda: records.batch.describe_jobs(jobs=batch_jobs)["jobs"][0]["status"] in ("SUCCEEDED", "FAILED"))
    assert [records.meta(name) for name in (video_id, job_id)] == [{}, {}]
    assert records.results(job_id) == {}


# ---- looked at by others --------------------------------------------------------------------------------------------

VIDEO_PATHS = (
    "/videos/{video_id}",
    "/videos/{video_id}/jobs",
    "/videos/{video_id}/source",
    "/videos/{video_id}/upload/parts",
)
JOB_PATHS = ("/jobs/{job_id}", "/jobs/{job_id}/segments", "/jobs/{job_id}/detections", "/jobs/{job_id}/tracks")


@pytest.mark.parametrize("path", [*VIDEO_PATHS, *JOB_PATHS])
def test_what_is_anothers_answers_like_what_never_was(
    stack: LocalStack, new_tenant: Callable[[], Tenant], path: str
) -> None:
    owner, other = new_tenant(), new_tenant()
    created = owner.post("/videos", {"filename": "a.mp4", "size_bytes": 10, "analyze": JOB}, expect=201)
    real = {"video_id": created["video"]["video_id"], "job_id": created["job"]["job_id"]}
    invented = {"video_id": make_id("vid", 0, bytes(10)), "job_id": make_id("job", 0, bytes(10))}
    answers = []
    for ids in (real, invented):
        response = other.http.get(path.format(**ids))
        text = response.text
        for name, value in ids.items():
            text = text.replace(value, name)
        answers.append((response.status_code, text))
    assert answers[0][0] == 404
    assert answers[0] == answers[1]


def test_what_is_anothers_cannot_be_changed(new_tenant: Callable[[], Tenant]) -> None:
    owner, other = new_tenant(), new_tenant()
    created = owner.post("/videos", {"filename": "a.mp4", "size_bytes": 10, "analyze": JOB}, expect=201)
    video_id, job_id = created["video"]["video_id"], created["job"]["job_id"]
    for path, body in (
        (f"/videos/{video_id}/jobs", JOB),
        (f"/videos/{video_id}/upload/parts", {"part_numbers": [1]}),
        (f"/videos/{video_id}/upload/complete", {"parts": [{"part_number": 1, "etag": "x"}]}),
        (f"/jobs/{job_id}/cancel", {}),
        (f"/jobs/{job_id}/retry", {}),
    ):
        assert other.post(path, body, expect=404)["code"] == "NOT_FOUND"
    for path in (f"/videos/{video_id}", f"/videos/{video_id}/upload"):
        assert other.http.delete(path).status_code == 404
    assert owner.video(video_id)["state"] == "AWAITING_UPLOAD"
    assert owner.job(job_id)["state"] == "PENDING"


def test_lists_hold_what_is_ones_own(new_tenant: Callable[[], Tenant]) -> None:
    owner, other = new_tenant(), new_tenant()
    owner.post("/videos", {"filename": "a.mp4", "size_bytes": 10}, expect=201)
    assert [len(list(tenant.pages("/videos"))) for tenant in (owner, other)] == [1, 0]
