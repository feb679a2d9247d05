"""Routes of versions of tracks."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.jobs import JobState
from tests.api.seed import Seeded, seed_job
from tests.api.service import Answer, Service


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def job(service: Service) -> Seeded:
    return seed_job(service)


def start(service: Service, job: Seeded, **body: Any) -> Answer:
    return service.call("POST", f"/jobs/{job.job_id}/tracks", body)


def versions(service: Service, job: Seeded) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = service.call("GET", f"/jobs/{job.job_id}/track-versions").json["items"]
    return items


def test_a_new_version_is_queued_with_what_was_told(service: Service, job: Seeded) -> None:
    answer = start(service, job, score_high=0.6, lost_seconds=3, labels=["person"])
    assert answer.status == 202
    tracks = answer.json["tracks"]
    assert (tracks["version"], tracks["state"], tracks["is_current"]) == (1, "QUEUED", False)
    assert tracks["parameters"] == {"score_high": 0.6, "lost_seconds": 3.0, "labels": ["person"]}


def test_every_version_is_listed_and_that_of_the_finish_is_current(service: Service, job: Seeded) -> None:
    start(service, job)
    start(service, job, confirm_hits=5)
    listed = versions(service, job)
    assert [(one["version"], one["state"], one["is_current"]) for one in listed] == [
        (0, "SUCCEEDED", True),
        (1, "QUEUED", False),
        (2, "QUEUED", False),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"score_high": 0},
        {"score_high": 1.1},
        {"low_score_ratio": 0.05},
        {"lost_seconds": -1},
        {"lost_seconds": 61},
        {"iou_min": 2},
        {"confirm_hits": 0},
        {"confirm_frames": 61},
        {"confirm_hits": 6, "confirm_frames": 5},
        {"labels": ["unicorn"]},
        {"speed_decay_seconds": 1},
        {"make_current": "perhaps"},
    ],
    ids=str,
)
def test_what_a_tracker_cannot_be_told_is_refused(service: Service, job: Seeded, body: dict[str, Any]) -> None:
    answer = start(service, job, **body)
    assert (answer.status, answer.json["code"]) == (400, "INVALID_REQUEST")
    assert len(versions(service, job)) == 1


def test_a_job_that_runs_cannot_be_tracked_again(service: Service) -> None:
    answer = start(service, seed_job(service, state=JobState.RUNNING))
    assert (answer.status, answer.json["code"]) == (409, "CONFLICT")


READERS = [("tracks", "version"), ("detections", "track_version")]


@pytest.mark.parametrize(("path", "name"), READERS)
def test_a_version_that_has_not_succeeded_cannot_be_read(service: Service, job: Seeded, path: str, name: str) -> None:
    start(service, job)
    assert service.call("GET", f"/jobs/{job.job_id}/{path}", query={name: 1}).status == 409


@pytest.mark.parametrize(("path", "name"), READERS)
def test_a_version_that_was_never_made_is_not_found(service: Service, job: Seeded, path: str, name: str) -> None:
    assert service.call("GET", f"/jobs/{job.job_id}/{path}", query={name: 7}).status == 404


def test_version_0_is_what_is_read_without_a_version(service: Service, job: Seeded) -> None:
    named = service.call("GET", f"/jobs/{job.job_id}/tracks", query={"version": 0}).json
    assert named == service.call("GET", f"/jobs/{job.job_id}/tracks").json
    assert len(named["items"]) == 3
