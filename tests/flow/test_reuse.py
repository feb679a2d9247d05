"""Nothing is paid twice, on the running system: what a second job, a second upload and one more model really do."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from infra.local.stack import LocalStack
from tests.flow.measures import Measure
from tests.flow.records import Records
from tests.flow.tenant import FAST_MODEL, Json, Tenant, canonical
from tests.flow.test_lifecycle import wait_until

OTHER_MODEL = "nanodet-g"
SAMPLING: Json = {"kind": "per_second", "n": 2}
FRAMES = 20
CELLS = 6
JOB: Json = {"models": [FAST_MODEL], "segment_seconds": 4, "sampling": SAMPLING}
NEVER_PAID = {"cells": CELLS, "cells_reused": CELLS, "frames": FRAMES, "frames_inferred": 0}
PAID = {"cells": CELLS, "cells_reused": 0, "frames": FRAMES, "frames_inferred": FRAMES}


@pytest.fixture
def first(tenant: Tenant, bikes: Path) -> Json:
    """A job that has succeeded, of a tenant that had nothing."""
    return tenant.succeed(tenant.upload(bikes, analyze=JOB)["job"]["job_id"])


class Archive(NamedTuple):
    """A tenant with one job that has succeeded, and whatever tests made beside it since."""

    tenant: Tenant
    records: Records
    first: Json


@pytest.fixture(scope="module")
def archive(stack: LocalStack, bikes: Path) -> Archive:
    """For tests that only add jobs, and to which it is the same how many there are."""
    tenant = Tenant(stack.base_url, stack.token("archive"))
    job = tenant.succeed(tenant.upload(bikes, analyze=JOB)["job"]["job_id"])
    return Archive(tenant, Records(stack, "archive"), job)


def start(tenant: Tenant, video_id: str, request: Json) -> Json:
    """The job, as the answer to its request has it."""
    return dict(tenant.post(f"/videos/{video_id}/jobs", request, expect=202)["job"])


def submissions(records: Records, name: str) -> set[str]:
    """What was sent to Batch for a video or job."""
    return set(records.meta(name, "SUBMISSION#"))


def lines(records: Records, name: str, message: str) -> list[dict[str, Any]]:
    """What workers logged of it under that message."""
    return [line for line in records.log_lines(name) if line["message"] == message]


def readings(tenant: Tenant, job_id: str) -> list[Any]:
    """All that a reader can be told of a job's results."""
    page = tenant.get(f"/jobs/{job_id}/query", q='appearances where label = "person"', limit=20)
    segments = [{name: value for name, value in one.items() if name != "attempt"} for one in tenant.segments(job_id)]
    return [
        canonical(tenant.all_items(job_id)),
        canonical(list(tenant.pages(f"/jobs/{job_id}/tracks"))),
        canonical([without(item, "job_id", "video_id") for item in page["items"]]),
        segments,
    ]


def test_a_job_like_one_that_has_succeeded_is_over_with_its_answer(archive: Archive, measure: Measure) -> None:
    tenant, records, first = archive
    took: list[float] = []
    jobs = [first]
    for _ in range(3):
        started = time.perf_counter()
        jobs.append(start(tenant, first["video_id"], JOB))
        took.append(time.perf_counter() - started)
    assert [job["state"] for job in jobs] == ["SUCCEEDED"] * 4
    before, second = jobs[-2:]
    measure(f"a job that takes another's results over was answered after {min(took) * 1000:.0f} ms, of three")
    assert min(took) < 1
    assert (submissions(records, second["job_id"]), records.log_lines(second["job_id"])) == (set(), [])
    assert second["summary"] == first["summary"] | {"frames_inferred": 0}
    assert (second["plan"], second["progress"]) == (first["plan"], first["progress"])
    assert readings(tenant, second["job_id"]) == readings(tenant, first["job_id"])
    model = {"name": FAST_MODEL}
    assert first["reused"] == PAID | {"models": [model | PAID]}
    assert second["reused"] == NEVER_PAID | {"job_id": before["job_id"], "models": [model | NEVER_PAID]}


def test_its_exports_have_the_same_bytes(archive: Archive) -> None:
    tenant, _, first = archive
    second = start(tenant, first["video_id"], JOB)
    for form in ("csv", "ndjson"):
        files = [tenant.export(job["job_id"], form)[1] for job in (first, second)]
        assert files[0].replace(first["job_id"].encode(), b"") == files[1].replace(second["job_id"].encode(), b"")


def test_its_events_tell_of_every_commit_and_then_of_its_end(archive: Archive) -> None:
    tenant, _, first = archive
    second = start(tenant, first["video_id"], JOB)
    path = f"/jobs/{second['job_id']}/events"
    wait_until(lambda: tenant.get(path)["items"][-1].get("state") == "SUCCEEDED")
    events = tenant.get(path)["items"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    told = sorted(event["segment_index"] for event in events if "segment_index" in event)
    assert told == list(range(first["plan"]["segments"]))


def test_the_same_file_under_another_name_takes_a_probe_and_no_more(
    tenant: Tenant, records: Records, first: Json, bikes: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "another-name.mp4"
    shutil.copyfile(bikes, copy)
    created = tenant.upload(copy, analyze=JOB)
    second = tenant.succeed(created["job"]["job_id"])
    assert submissions(records, created["video"]["video_id"]) == {"SUBMISSION#probe"}
    assert submissions(records, second["job_id"]) == set()
    assert second["reused"]["job_id"] == first["job_id"]
    before = readings(tenant, second["job_id"])
    assert before == readings(tenant, first["job_id"])
    # Its blocks are those of the first video, which may go.
    assert tenant.http.delete(f"/videos/{first['video_id']}").status_code == 204
    assert readings(tenant, second["job_id"]) == before


def test_one_more_model_decodes_once_and_runs_alone(archive: Archive) -> None:
    tenant, records, first = archive
    both = start(tenant, first["video_id"], JOB | {"models": [FAST_MODEL, OTHER_MODEL]})
    job = tenant.succeed(both["job_id"])
    loaded = {line["model"] for line in lines(records, job["job_id"], "model loaded")}
    decoded = lines(records, job["job_id"], "run of cells decoded")
    assert loaded == {OTHER_MODEL}
    assert sum(line["frames"] for line in decoded) == FRAMES == job["summary"]["frames_inferred"]
    assert sum(line["cells"] for line in decoded) == CELLS
    assert job["reused"]["models"] == [{"name": FAST_MODEL} | NEVER_PAID, {"name": OTHER_MODEL} | PAID]
    mine = [item for item in tenant.all_items(job["job_id"]) if item["model"] == FAST_MODEL]
    assert [without(item, "track_id") for item in mine] == [
        without(item, "track_id") for item in tenant.all_items(first["job_id"])
    ]


@pytest.mark.parametrize("narrowed", ["score_min", "labels"])
def test_a_job_that_shows_less_is_over_with_its_answer(
    tenant: Tenant, records: Records, first: Json, narrowed: str
) -> None:
    tracked = next(tenant.pages(f"/jobs/{first['job_id']}/tracks"))["label"]
    view: Json = {"score_min": 0.6} if narrowed == "score_min" else {"labels": [tracked]}
    second = start(tenant, first["video_id"], JOB | view)
    assert (second["state"], second["reused"]["job_id"]) == ("SUCCEEDED", first["job_id"])
    assert submissions(records, second["job_id"]) == set()
    labels = {label["label"]: label for label in second["summary"]["labels"]}
    shown = [
        track
        for track in tenant.pages(f"/jobs/{first['job_id']}/tracks")
        if track["score_max"] >= view.get("score_min", 0) and track["label"] in view.get("labels", [track["label"]])
    ]
    assert list(tenant.pages(f"/jobs/{second['job_id']}/tracks")) == shown != []
    found = tenant.items(second["job_id"])
    assert Counter(item["label"] for item in found) == {name: label["detections"] for name, label in labels.items()}
    assert second["summary"]["tracks"] == len(shown)


def test_a_job_of_which_all_is_stored_opens_no_model_and_reads_no_video(archive: Archive) -> None:
    tenant, records, first = archive
    # Cut otherwise, it is another job: its workers find everything.
    job = tenant.succeed(start(tenant, first["video_id"], JOB | {"segment_seconds": 2})["job_id"])
    assert len(submissions(records, job["job_id"])) == 2
    assert lines(records, job["job_id"], "model loaded") == []
    assert lines(records, job["job_id"], "run of cells decoded") == []
    assert job["reused"] == NEVER_PAID | {"models": [{"name": FAST_MODEL} | NEVER_PAID]}


def test_another_tenant_with_the_same_file_is_a_first_comer(
    new_tenant: Callable[[], Tenant], archive: Archive, bikes: Path
) -> None:
    other, first = new_tenant(), archive.first
    created = other.upload(bikes, analyze=JOB)
    job = other.succeed(created["job"]["job_id"])
    assert job["reused"] == first["reused"]
    assert job["summary"] == first["summary"]


def without(item: Json, *names: str) -> Json:
    return {name: value for name, value in item.items() if name not in names}
