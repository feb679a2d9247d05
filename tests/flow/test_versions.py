"""Versions of results on the running system: a pipeline, two jobs of it, and an alias that moves between them."""

from __future__ import annotations

from pathlib import Path

from tests.flow.records import Records
from tests.flow.tenant import FAST_MODEL, Json, Tenant, canonical
from tests.flow.test_lifecycle import wait_until

PIPELINE: Json = {
    "name": "people",
    "models": [FAST_MODEL],
    "sampling": {"kind": "per_second", "n": 5},
    "segment_seconds": 2,
    "tracker": {"confirm_hits": 5},
}


def test_latest_moves_to_a_newer_job_and_back_and_readers_follow(tenant: Tenant, records: Records, bikes: Path) -> None:
    assert tenant.post("/pipelines", PIPELINE, expect=201)["pipeline"]["version"] == 1
    first = tenant.succeed(tenant.upload(bikes, analyze={"pipeline": "people"})["job"]["job_id"])
    video = f"/videos/{first['video_id']}"
    # Coarser, so that it finds something else.
    coarse = PIPELINE | {"sampling": {"kind": "per_second", "n": 2}}
    assert tenant.post("/pipelines", coarse, expect=201)["pipeline"]["version"] == 2

    page = tenant.get(f"{video}/detections", pipeline="people", limit=5)
    second = tenant.succeed(tenant.post(f"{video}/jobs", {"pipeline": "people"}, expect=202)["job"]["job_id"])
    assert [job["pipeline"]["version"] for job in (first, second)] == [1, 2]

    def read(**query: str) -> list[Json]:
        return list(tenant.pages(f"{video}/detections", pipeline="people", limit=1000, **query))

    items = {job["job_id"]: tenant.items(job["job_id"]) for job in (first, second)}
    assert canonical(items[first["job_id"]]) != canonical(items[second["job_id"]])
    assert canonical(read()) == canonical(items[second["job_id"]])
    # Who has begun to read goes on in what it began with.
    rest = tenant.get(f"{video}/detections", pipeline="people", limit=1000, cursor=page["next_cursor"])
    assert canonical(page["items"] + rest["items"]) == canonical(items[first["job_id"]])

    body = {"pipeline": "people", "cause": "too coarse"}
    assert tenant.post(f"{video}/versions/latest/rollback", body)["version"]["job_id"] == first["job_id"]
    assert canonical(read()) == canonical(items[first["job_id"]])
    assert canonical(read(version=second["job_id"])) == canonical(items[second["job_id"]])
    tracks = tenant.get(f"{video}/tracks", pipeline="people")["items"]
    assert tracks == tenant.get(f"/jobs/{first['job_id']}/tracks")["items"]

    named = tenant.http.put(f"{video}/versions/prod", json={"job_id": second["job_id"], "cause": "for the archive"})
    assert named.status_code == 200, named.text
    assert canonical(read(version="prod")) == canonical(items[second["job_id"]])

    # Both ends were told by the stream, and it brings none of them back.
    latest, prod = tenant.get(f"{video}/versions")["items"]
    assert [move["kind"] for move in latest["moves"]] == ["ended", "ended", "rolled_back"]
    assert [move["kind"] for move in prod["moves"]] == ["promoted"]
    tenant.http.delete(video)
    wait_until(lambda: not records.meta(first["video_id"]) and not records.meta(first["job_id"]))


def test_the_finish_tracks_as_the_pipeline_says(tenant: Tenant, bikes: Path) -> None:
    by_default = PIPELINE | {"name": "usual", "tracker": {}}
    for pipeline in (PIPELINE, by_default):
        tenant.post("/pipelines", pipeline, expect=201)
    usual = tenant.succeed(tenant.upload(bikes, analyze={"pipeline": "usual"})["job"]["job_id"])
    path = f"/videos/{usual['video_id']}/jobs"
    strict = tenant.succeed(tenant.post(path, {"pipeline": "people"}, expect=202)["job"]["job_id"])
    counts = [len(tenant.get(f"/jobs/{job['job_id']}/tracks")["items"]) for job in (usual, strict)]
    assert 0 < counts[1] < counts[0]
    # The same as tracking again with these parameters makes of it.
    tenant.post(f"/jobs/{usual['job_id']}/tracks", {"confirm_hits": 5}, expect=202)
    versions = f"/jobs/{usual['job_id']}/track-versions"
    wait_until(lambda: tenant.get(versions)["items"][1]["state"] == "SUCCEEDED")
    again = tenant.get(f"/jobs/{usual['job_id']}/tracks", version=1)["items"]
    assert again == tenant.get(f"/jobs/{strict['job_id']}/tracks")["items"]
