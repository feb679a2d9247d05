"""Routes of pipelines, and jobs that name one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.seed import seed_video
from tests.api.service import OTHER, Answer, Service
from tests.fakes.makers import make_manifest


@pytest.fixture
def service() -> Service:
    return Service()


def make(service: Service, name: str = "people", **body: Any) -> Answer:
    return service.call("POST", "/pipelines", {"name": name, "models": ["toy"], **body})


def test_a_pipeline_says_all_that_its_jobs_do(service: Service) -> None:
    told: dict[str, Any] = {
        "sampling": {"kind": "per_second", "n": 2},
        "score_min": 0.35,
        "labels": ["person"],
        "segment_seconds": 2.5,
        "tracking": True,
        "tracker": {"lost_seconds": 3, "confirm_hits": 4, "labels": ["person"]},
    }
    answer = make(service, **told)
    pipeline = answer.json["pipeline"]
    assert (answer.status, pipeline["name"], pipeline["version"]) == (201, "people", 1)
    assert {name: pipeline[name] for name in told} == told
    assert pipeline["models"] == [{"name": "toy", "version": "1", "sha256": "a" * 64, "task": "detection"}]
    assert pipeline["created_by"] == "user-of-acme"
    assert service.call("GET", "/pipelines/people/versions/1").json == answer.json


def test_the_same_again_is_the_same_version_and_other_content_the_next(service: Service) -> None:
    bodies: list[dict[str, Any]] = [{}, {}, {"score_min": 0.5}, {}]
    versions = [make(service, **body).json["pipeline"]["version"] for body in bodies]
    assert versions == [1, 1, 2, 3]
    listed = service.call("GET", "/pipelines/people").json["items"]
    assert [one["version"] for one in listed] == [3, 2, 1]


def test_pipelines_and_their_versions_are_paged(service: Service) -> None:
    for score in (0.1, 0.2, 0.3):
        make(service, score_min=score)
    make(service, "cars")

    def walk(path: str) -> list[list[Any]]:
        pages, cursor = [], None
        while True:
            page = service.call("GET", path, query={"limit": 1, **({"cursor": cursor} if cursor else {})}).json
            pages.append([(one["name"], one["version"]) for one in page["items"]])
            cursor = page["next_cursor"]
            if cursor is None:
                return pages

    assert walk("/pipelines") == [[("cars", 1)], [("people", 3)], []]
    assert walk("/pipelines/people") == [[("people", 3)], [("people", 2)], [("people", 1)], []]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"name": "default"}, "jobs without a pipeline"),
        ({"name": "People"}, "name: String should match pattern"),
        ({"name": "a@1"}, "name: String should match pattern"),
        ({"models": []}, "models: List should have at least 1 item"),
        ({"models": ["none"]}, "there is no model 'none'"),
        ({"labels": ["unicorn"]}, "has the labels ['unicorn']"),
        ({"tracker": {"labels": ["unicorn"]}}, "has the labels ['unicorn']"),
        ({"tracker": {"confirm_hits": 5, "confirm_frames": 4}}, "confirm_hits must be at most"),
        ({"tracker": {"make_current": True}}, "tracker.make_current: Extra inputs"),
        ({"tracker": {}, "tracking": False}, "tracker must be left out"),
        ({"promote": False}, "promote: Extra inputs"),
    ],
    ids=str,
)
def test_a_wrong_pipeline_says_what_is_wrong(service: Service, body: Any, detail: str) -> None:
    answer = make(service, **body)
    assert answer.status == 400
    assert detail in answer.json["detail"]
    assert service.call("GET", "/pipelines").json["items"] == []


@pytest.mark.parametrize(
    "path",
    ["/pipelines/cars", "/pipelines/people/versions/2", "/pipelines/people/versions/0", "/pipelines/people/versions/x"],
)
def test_what_was_never_made_is_not_found(service: Service, path: str) -> None:
    make(service)
    assert service.call("GET", path).status == 404


def start(service: Service, **body: Any) -> Answer:
    return service.call("POST", f"/videos/{seed_video(service).video_id}/jobs", body)


def test_a_job_says_which_version_of_a_pipeline_it_is_of(service: Service) -> None:
    make(service, score_min=0.35)
    make(service, score_min=0.5, tracking=False)
    newest, first = start(service, pipeline="people").json["job"], start(service, pipeline="people@1").json["job"]
    assert (newest["pipeline"], newest["score_min"], newest["tracking"]) == (
        {"name": "people", "version": 2},
        0.5,
        False,
    )
    assert (first["pipeline"], first["score_min"]) == ({"name": "people", "version": 1}, 0.35)


def test_a_job_without_a_pipeline_says_so(service: Service) -> None:
    job = start(service, models=["toy"]).json["job"]
    assert (job["pipeline"], job["promote"]) == (None, True)


def test_a_job_may_be_kept_from_being_the_latest(service: Service) -> None:
    make(service)
    assert start(service, pipeline="people", promote=False).json["job"]["promote"] is False


@pytest.mark.parametrize(
    "more",
    [
        {"models": ["toy"]},
        {"sampling": {"kind": "every_frame"}},
        {"score_min": 0.5},
        {"labels": []},
        {"segment_seconds": 1},
        {"tracking": True},
    ],
    ids=str,
)
def test_a_pipeline_and_what_it_says_cannot_both_be_given(service: Service, more: dict[str, Any]) -> None:
    make(service)
    answer = start(service, pipeline="people", **more)
    assert answer.status == 400
    assert f"leave {next(iter(more))} out" in answer.json["detail"]


@pytest.mark.parametrize("ref", ["cars", "people@2", "people@0", "default", "@", "people@1@1", ""])
def test_a_job_of_a_pipeline_that_there_is_not_is_refused(service: Service, ref: str) -> None:
    make(service)
    assert start(service, pipeline=ref).status == 400


def test_an_upload_may_wait_for_a_pipeline(service: Service) -> None:
    make(service)
    body = {"filename": "street.mp4", "size_bytes": 100, "analyze": {"pipeline": "people"}}
    job = service.call("POST", "/videos", body).json["job"]
    assert job["pipeline"] == {"name": "people", "version": 1}
    refused = service.call("POST", "/videos", {**body, "analyze": {"pipeline": "cars"}})
    assert refused.status == 400
    assert len(service.call("GET", "/videos").json["items"]) == 1


def test_a_version_keeps_its_models_when_their_names_mean_others(service: Service) -> None:
    make(service)
    service.fakes.models.register(make_manifest(version="2", sha256="b" * 64))
    assert service.call("GET", "/pipelines/people/versions/1").json["pipeline"]["models"][0]["sha256"] == "a" * 64
    assert start(service, pipeline="people").status == 409
    assert make(service).json["pipeline"]["version"] == 2
    assert start(service, pipeline="people").json["job"]["models"][0]["sha256"] == "b" * 64


def test_pipelines_of_two_tenants_share_nothing_but_their_names(service: Service) -> None:
    make(service, score_min=0.5)
    body = {"name": "people", "models": ["toy"]}
    assert service.call("POST", "/pipelines", body, token=OTHER).json["pipeline"]["version"] == 1
    assert "score_min" not in service.call("GET", "/pipelines/people/versions/1", token=OTHER).json["pipeline"]
