"""Routes of jobs: start, watch, cancel, retry."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.jobs import JobState
from chalicelib.domain.videos import VideoState
from tests.api.seed import seed_job, seed_video
from tests.api.service import Answer, Service


@pytest.fixture
def service() -> Service:
    return Service()


def problem_of(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def test_a_job_on_a_video_that_is_ready_runs_at_once(service: Service) -> None:
    video = seed_video(service)
    answer = service.call("POST", f"/videos/{video.video_id}/jobs", {"models": ["toy"], "segment_seconds": 2})
    assert answer.status == 202
    job = answer.json["job"]
    assert (job["state"], job["plan"]) == ("RUNNING", {"segments": 3, "cells": 3})
    assert job["progress"] == {"segments_total": 3, "segments_done": 0, "segments_failed": 0}
    assert job["models"] == [{"name": "toy", "version": "1", "sha256": "a" * 64, "task": "detection"}]


def test_a_job_in_one_segment_says_why(service: Service) -> None:
    video = seed_video(service)
    job = service.call("POST", f"/videos/{video.video_id}/jobs", {"models": ["toy"], "segment_seconds": 60}).json["job"]
    assert job["plan"] == {"segments": 1, "cells": 3, "reason": "SHORT"}


def test_a_job_on_a_video_that_awaits_its_upload_waits(service: Service) -> None:
    video = seed_video(service, state=VideoState.AWAITING_UPLOAD)
    job = service.call("POST", f"/videos/{video.video_id}/jobs", {"models": ["toy"]}).json["job"]
    assert (job["state"], "plan" in job) == ("PENDING", False)


def test_a_job_repeats_what_was_asked(service: Service) -> None:
    video = seed_video(service)
    asked = {
        "models": ["toy"],
        "sampling": {"kind": "per_second", "n": 0.5},
        "score_min": 0.35,
        "labels": ["person", "dog"],
        "segment_seconds": 2.5,
        "tracking": False,
    }
    job = service.call("POST", f"/videos/{video.video_id}/jobs", asked).json["job"]
    assert {name: job[name] for name in asked if name != "models"} == {
        name: value for name, value in asked.items() if name != "models"
    }


def test_a_job_without_a_sampling_looks_at_every_frame(service: Service) -> None:
    video = seed_video(service)
    job = service.call("POST", f"/videos/{video.video_id}/jobs", {"models": ["toy"]}).json["job"]
    assert (job["sampling"], job["tracking"]) == ({"kind": "every_frame"}, True)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "models (or a pipeline) must be given"),
        ({"models": []}, "models: List should have at least 1 item"),
        ({"models": ["toy", "toy"]}, "models must be distinct"),
        ({"models": ["none"]}, "there is no model 'none'; there are: toy"),
        ({"models": ["toy"], "labels": ["unicorn"]}, "no model of this job has the labels ['unicorn']"),
        ({"models": ["toy"], "sampling": {"kind": "often"}}, "sampling: Input tag 'often'"),
        ({"models": ["toy"], "sampling": {"kind": "per_second"}}, "sampling.per_second.n: Field required"),
        ({"models": ["toy"], "sampling": {"kind": "per_second", "n": 0}}, "sampling.per_second.n"),
        ({"models": ["toy"], "sampling": {"kind": "per_second", "n": 1e-300}}, "sampling.per_second.n"),
        ({"models": ["toy"], "sampling": {"kind": "per_second", "n": 1001}}, "sampling.per_second.n"),
        ({"models": ["toy"], "sampling": {"kind": "keyframes", "n": 1}}, "must have the fields"),
        ({"models": ["toy"], "sampling": {"kind": "keyframes", "n": 1, "x": 1}}, "sampling.keyframes.x: Extra inputs"),
        ({"models": ["toy"], "score_min": 1.1}, "score_min: Input should be less than or equal to 1"),
        ({"models": ["toy"], "segment_seconds": 0}, "segment_seconds: Input should be greater than 0"),
        ({"models": ["toy"], "tracking": "perhaps"}, "tracking: Input should be a valid boolean"),
        ({"models": ["toy"], "priority": 1}, "priority: Extra inputs are not permitted"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_request_says_what_is_wrong(service: Service, body: Any, detail: str) -> None:
    video = seed_video(service)
    answer = service.call("POST", f"/videos/{video.video_id}/jobs", body)
    assert problem_of(answer) == (400, "INVALID_REQUEST")
    assert detail in answer.json["detail"]


@pytest.mark.parametrize(
    "body", [b'{"models": ["toy"], "score_min": NaN}', b'{"models": ["toy"], "segment_seconds": Infinity}']
)
def test_what_is_no_number_is_refused(service: Service, body: bytes) -> None:
    video = seed_video(service)
    assert problem_of(service.call("POST", f"/videos/{video.video_id}/jobs", body)) == (400, "INVALID_REQUEST")


def test_a_score_that_dynamodb_cannot_hold_is_as_good_as_zero(service: Service) -> None:
    video = seed_video(service)
    answer = service.call("POST", f"/videos/{video.video_id}/jobs", {"models": ["toy"], "score_min": 1e-200})
    assert answer.json["job"]["score_min"] == 0.0


def test_a_rejected_video_cannot_be_analysed(service: Service) -> None:
    video = seed_video(service, state=VideoState.REJECTED)
    answer = service.call("POST", f"/videos/{video.video_id}/jobs", {"models": ["toy"]})
    assert problem_of(answer) == (409, "CONFLICT")
    assert answer.json["hint"] == "mend it"


def test_the_jobs_of_a_video_are_listed_newest_first_and_page_by_page(service: Service) -> None:
    video = seed_video(service)
    ids = []
    for _ in range(3):
        service.fakes.clock.advance(1)
        ids.append(service.call("POST", f"/videos/{video.video_id}/jobs", {"models": ["toy"]}).json["job"]["job_id"])
    first = service.call("GET", f"/videos/{video.video_id}/jobs", query={"limit": 2}).json
    second = service.call("GET", f"/videos/{video.video_id}/jobs", query={"cursor": first["next_cursor"]}).json
    assert [job["job_id"] for job in first["items"] + second["items"]] == ids[::-1]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("state", [JobState.RUNNING])
def test_a_job_that_runs_says_when_to_ask_again(service: Service, state: JobState) -> None:
    seeded = seed_job(service, state=state)
    assert service.call("GET", f"/jobs/{seeded.job_id}").headers["retry-after"] == "1"


def test_a_job_that_has_ended_does_not_ask_to_be_asked_again(service: Service) -> None:
    assert "retry-after" not in service.call("GET", f"/jobs/{seed_job(service).job_id}").headers


def test_progress_counts_the_segments(service: Service) -> None:
    seeded = seed_job(service, state=JobState.PARTIAL, failed=(1,))
    progress = service.call("GET", f"/jobs/{seeded.job_id}").json["job"]["progress"]
    assert progress == {"segments_total": 3, "segments_done": 2, "segments_failed": 1}


def test_segments_are_listed_in_order_with_the_cause_of_a_failure(service: Service) -> None:
    seeded = seed_job(service, state=JobState.PARTIAL, failed=(1,))
    first = service.call("GET", f"/jobs/{seeded.job_id}/segments", query={"limit": 2}).json
    second = service.call("GET", f"/jobs/{seeded.job_id}/segments", query={"cursor": first["next_cursor"]}).json
    items = first["items"] + second["items"]
    assert [(item["index"], item["start_pts"], item["end_pts"]) for item in items] == [
        (0, 0, 2000),
        (1, 2000, 4000),
        (2, 4000, 6000),
    ]
    assert [item["state"] for item in items] == ["DONE", "FAILED", "DONE"]
    assert [item.get("provider") for item in items] == ["cpu", None, "cpu"]
    assert items[1]["error"]["hint"] == "mend it"
    assert "error" not in items[0]


def test_a_cancelled_job_has_ended(service: Service) -> None:
    seeded = seed_job(service, state=JobState.RUNNING)
    answer = service.call("POST", f"/jobs/{seeded.job_id}/cancel")
    assert (answer.status, answer.json["job"]["state"]) == (200, "CANCELLED")


def test_cancelling_again_changes_nothing(service: Service) -> None:
    seeded = seed_job(service, state=JobState.RUNNING)
    first = service.call("POST", f"/jobs/{seeded.job_id}/cancel", {})
    assert service.call("POST", f"/jobs/{seeded.job_id}/cancel", {}).body == first.body


def test_a_job_that_has_ended_cannot_be_cancelled(service: Service) -> None:
    answer = service.call("POST", f"/jobs/{seed_job(service).job_id}/cancel", {})
    assert problem_of(answer) == (409, "CONFLICT")
    assert "has ended: it is SUCCEEDED" in answer.json["detail"]


def test_a_retry_does_what_failed_again(service: Service) -> None:
    seeded = seed_job(service, state=JobState.PARTIAL, failed=(1,))
    answer = service.call("POST", f"/jobs/{seeded.job_id}/retry", {})
    assert (answer.status, answer.json["job"]["state"]) == (202, "RUNNING")
    assert answer.json["job"]["progress"] == {"segments_total": 3, "segments_done": 2, "segments_failed": 0}


def test_a_job_of_which_nothing_failed_cannot_be_retried(service: Service) -> None:
    answer = service.call("POST", f"/jobs/{seed_job(service).job_id}/retry", {})
    assert problem_of(answer) == (409, "CONFLICT")


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_an_action_takes_no_fields(service: Service, action: str) -> None:
    answer = service.call("POST", f"/jobs/{seed_job(service).job_id}/{action}", {"force": True})
    assert problem_of(answer) == (400, "INVALID_REQUEST")
