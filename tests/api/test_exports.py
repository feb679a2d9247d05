"""Routes of exports: ask, watch, download, list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.contracts import object_keys
from chalicelib.domain.ids import JobId
from chalicelib.domain.jobs import JobState
from chalicelib.domain.models import ModelTask
from chalicelib.domain.units import UnitKind, UnitState
from chalicelib.services.jobs import get_job
from chalicelib.services.ports import Owner
from tests.api.seed import Seeded, seed_job
from tests.api.service import ACME, Service
from tests.fakes.makers import A_FAILURE, NOW

RESULT = {
    "file_name": "street.csv",
    "content_type": "text/csv",
    "size_bytes": 4,
    "sha256": "a" * 64,
    "frames": 15,
    "detections": 30,
    "statement": {"index_base": 0},
}


@pytest.fixture
def service() -> Service:
    return Service()


def asked(service: Service, seeded: Seeded, form: str = "csv", **options: Any) -> dict[str, Any]:
    answer = service.call("POST", f"/jobs/{seeded.job_id}/exports", {"format": form, "options": options})
    assert answer.status == 202, answer.body
    export: dict[str, Any] = answer.json["export"]
    return export


def read(service: Service, seeded: Seeded, export_id: str) -> Any:
    return service.call("GET", f"/jobs/{seeded.job_id}/exports/{export_id}")


def end(service: Service, seeded: Seeded, export_id: str, state: UnitState) -> None:
    """What a worker leaves."""
    memory, owner, name = service.fakes.memory, Owner(ACME, seeded.job_id), (UnitKind.EXPORT, export_id)
    failure = A_FAILURE if state is UnitState.FAILED else None
    memory.units[owner][name] = replace(memory.units[owner][name], state=state, failure=failure)
    result = RESULT if state is UnitState.DONE else None
    memory.side_steps[owner][name] = replace(memory.side_steps[owner][name], result=result, finished_at=NOW)
    key = object_keys.export_key(ACME, JobId(seeded.job_id), export_id)
    service.fakes.objects.place(key, b"data")


def test_an_export_is_queued_at_once(service: Service) -> None:
    export = asked(service, seed_job(service))
    assert (export["format"], export["state"], export["options"]) == (
        "csv",
        "QUEUED",
        {"track_version": 0, "gzip": False},
    )
    assert "url" not in export


def test_who_waits_is_told_when_to_ask_again(service: Service) -> None:
    seeded = seed_job(service)
    export = asked(service, seeded)
    assert read(service, seeded, export["export_id"]).headers["retry-after"] == "1"


def test_the_same_question_is_the_same_export(service: Service) -> None:
    seeded = seed_job(service)
    first = asked(service, seeded, labels=["dog", "person"])
    assert asked(service, seeded, labels=["person", "dog", "dog"]) == first
    assert len(service.fakes.batch.jobs) == 1


@pytest.mark.parametrize(
    ("form", "options"),
    [("ndjson", {}), ("csv", {"score_min": 0.5}), ("csv", {"labels": ["dog"]}), ("csv", {"models": ["toy"]})],
)
def test_another_question_is_another_export(service: Service, form: str, options: dict[str, Any]) -> None:
    seeded = seed_job(service)
    assert asked(service, seeded)["export_id"] != asked(service, seeded, form, **options)["export_id"]


def test_an_export_that_is_made_can_be_downloaded(service: Service) -> None:
    seeded = seed_job(service)
    export_id = asked(service, seeded)["export_id"]
    end(service, seeded, export_id, UnitState.DONE)
    answer = read(service, seeded, export_id)
    export = answer.json["export"]
    assert export["state"] == "SUCCEEDED"
    assert {name: export[name] for name in RESULT} == RESULT
    assert service.fakes.objects.fetch(export["url"]) == b"data"
    assert export["expires_at"].endswith("Z")
    assert "retry-after" not in answer.headers


def test_an_export_that_failed_says_why_and_may_be_asked_for_anew(service: Service) -> None:
    seeded = seed_job(service)
    failed = asked(service, seeded)["export_id"]
    end(service, seeded, failed, UnitState.FAILED)
    assert read(service, seeded, failed).json["export"]["error"]["code"] == A_FAILURE.code
    again = asked(service, seeded)
    assert (again["state"], again["export_id"] != failed) == ("QUEUED", True)
    assert asked(service, seeded) == again


def test_a_job_that_was_finished_again_is_exported_again(service: Service) -> None:
    seeded = seed_job(service)
    before = asked(service, seeded)
    owner = Owner(ACME, seeded.job_id)
    job = service.fakes.memory.jobs[owner]
    service.fakes.memory.jobs[owner] = replace(job, finished_at=NOW.replace(hour=23))
    after = asked(service, seeded)
    assert before["export_id"] != after["export_id"]
    assert before["job_finished_at"] < after["job_finished_at"]


def test_exports_are_listed_in_pages(service: Service) -> None:
    seeded = seed_job(service)
    ids = {asked(service, seeded, form)["export_id"] for form in ("csv", "ndjson", "parquet")}
    first = service.call("GET", f"/jobs/{seeded.job_id}/exports", query={"limit": "2"}).json
    rest = service.call("GET", f"/jobs/{seeded.job_id}/exports", query={"cursor": first["next_cursor"]}).json
    assert (len(first["items"]), rest["next_cursor"]) == (2, None)
    assert {export["export_id"] for export in first["items"] + rest["items"]} == ids


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.FAILED, JobState.CANCELLED])
def test_a_job_without_results_cannot_be_exported(service: Service, state: JobState) -> None:
    seeded = seed_job(service, state=state)
    answer = service.call("POST", f"/jobs/{seeded.job_id}/exports", {"format": "csv"})
    assert (answer.status, answer.json["code"]) == (409, "CONFLICT")


def test_frames_without_numbers_are_exported_by_time_only(service: Service) -> None:
    seeded = seed_job(service, state=JobState.PARTIAL, failed=(1,))
    refused = service.call("POST", f"/jobs/{seeded.job_id}/exports", {"format": "coco"})
    assert (refused.status, refused.json["code"]) == (409, "CONFLICT")
    assert "csv, mp4, ndjson, parquet, webvtt" in refused.json["hint"]
    assert asked(service, seeded, "ndjson")["state"] == "QUEUED"


def test_a_format_of_tracks_needs_tracks(service: Service) -> None:
    seeded = seed_job(service)
    owner = Owner(ACME, seeded.job_id)
    job = service.fakes.memory.jobs[owner]
    service.fakes.memory.jobs[owner] = replace(job, request=replace(job.request, tracking=False))
    answer = service.call("POST", f"/jobs/{seeded.job_id}/exports", {"format": "mot"})
    assert (answer.status, "has none" in answer.json["detail"]) == (409, True)


def test_a_version_of_tracks_is_another_export(service: Service) -> None:
    seeded = seed_job(service)
    current = asked(service, seeded, "mot")
    assert asked(service, seeded, "mot", track_version=0) == current
    service.call("POST", f"/jobs/{seeded.job_id}/tracks", {})
    end_tracks(service, seeded, "0001")
    other = asked(service, seeded, "mot", track_version=1)
    assert (other["options"]["track_version"], other["export_id"] != current["export_id"]) == (1, True)


@pytest.mark.parametrize(("version", "status"), [(1, 409), (2, 404)])
def test_a_version_of_tracks_that_is_not_there_cannot_be_exported(service: Service, version: int, status: int) -> None:
    seeded = seed_job(service)
    service.call("POST", f"/jobs/{seeded.job_id}/tracks", {})
    body = {"format": "mot", "options": {"track_version": version}}
    assert service.call("POST", f"/jobs/{seeded.job_id}/exports", body).status == status


def end_tracks(service: Service, seeded: Seeded, name: str) -> None:
    units = service.fakes.memory.units[Owner(ACME, seeded.job_id)]
    units[UnitKind.TRACKS, name] = replace(units[UnitKind.TRACKS, name], state=UnitState.DONE)


@pytest.mark.parametrize(
    "body",
    [
        {"format": "csv", "options": {"gzip": True}},
        {"format": "csv", "options": {"labels": ["dragon"]}},
        {"format": "csv", "options": {"models": ["nobody"]}},
        {"format": "csv", "options": {"score_min": 2}},
        {"format": "dream"},
        {"format": "csv", "speed": "fast"},
        {},
    ],
)
def test_what_nobody_can_export_is_refused(service: Service, body: dict[str, Any]) -> None:
    seeded = seed_job(service)
    answer = service.call("POST", f"/jobs/{seeded.job_id}/exports", body)
    assert (answer.status, answer.json["code"]) == (400, "INVALID_REQUEST")


def test_exports_go_with_their_video(service: Service) -> None:
    seeded = seed_job(service)
    export_id = asked(service, seeded)["export_id"]
    end(service, seeded, export_id, UnitState.DONE)
    assert service.call("DELETE", f"/videos/{seeded.video_id}").status == 204
    assert [key for key in sorted(service.fakes.objects.keys()) if "exports" in key] == []
    assert read(service, seeded, export_id).status == 404


def test_an_export_of_an_earlier_version_is_still_listed_and_read(service: Service) -> None:
    seeded = seed_job(service)
    export_id = asked(service, seeded)["export_id"]
    end(service, seeded, export_id, UnitState.DONE)
    steps, name = service.fakes.memory.side_steps[Owner(ACME, seeded.job_id)], (UnitKind.EXPORT, export_id)
    steps[name] = replace(steps[name], parameters={**steps[name].parameters, "version": 0})
    export = read(service, seeded, export_id).json["export"]
    assert (export["state"], "url" in export) == ("SUCCEEDED", True)
    listed = service.call("GET", f"/jobs/{seeded.job_id}/exports").json["items"]
    assert [item["export_id"] for item in listed] == [export_id]


def seed_job_of_classifier(service: Service) -> Seeded:
    """A job whose only model labels whole frames."""
    seeded = seed_job(service)
    job = get_job(service.ports, ACME, seeded.job_id)
    models = (replace(job.models[0], task=ModelTask.CLASSIFICATION),)
    service.ports.jobs.save(replace(job, models=models), None)
    return seeded


@pytest.mark.parametrize("form", ["coco", "yolo", "mot", "cvat", "label_studio", "fiftyone"])
def test_labels_of_frames_alone_are_refused_in_a_format_of_boxes(service: Service, form: str) -> None:
    seeded = seed_job_of_classifier(service)
    answer = service.call("POST", f"/jobs/{seeded.job_id}/exports", {"format": form})
    assert (answer.status, answer.json["code"]) == (409, "CONFLICT")
    assert "ndjson" in answer.json["hint"]
    assert form not in answer.json["hint"]


@pytest.mark.parametrize("form", ["ndjson", "csv", "parquet", "webvtt", "mp4"])
def test_labels_of_frames_have_a_place_in_the_other_formats(service: Service, form: str) -> None:
    assert asked(service, seed_job_of_classifier(service), form)["state"] == "QUEUED"


def test_labels_of_frames_cannot_be_tracked(service: Service) -> None:
    seeded = seed_job_of_classifier(service)
    answer = service.call("POST", f"/jobs/{seeded.job_id}/tracks", {})
    assert (answer.status, "whole frames" in answer.json["detail"]) == (409, True)


def test_a_job_says_what_its_models_are_for(service: Service) -> None:
    seeded = seed_job_of_classifier(service)
    (model,) = service.call("GET", f"/jobs/{seeded.job_id}").json["job"]["models"]
    assert model["task"] == "classification"
