"""`Idempotency-Key`: asked twice, done once, and answered with the same bytes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.routes import ROUTES, Route
from tests.api.seed import seed_job, seed_video
from tests.api.service import OTHER, Answer, Service

ASK = {"filename": "street.mp4", "size_bytes": 100}
KEY = {"Idempotency-Key": "upload-1"}
DAY_SECONDS = 24 * 3600


@pytest.fixture
def service() -> Service:
    return Service()


def create(service: Service, body: Any = ASK, key: str = "upload-1", **more: Any) -> Answer:
    return service.call("POST", "/videos", body, headers={"Idempotency-Key": key}, **more)


def count_videos(service: Service) -> int:
    return len(service.call("GET", "/videos").json["items"])


def test_the_same_request_with_the_same_key_is_done_once(service: Service) -> None:
    create(service)
    create(service)
    assert count_videos(service) == 1


def test_the_second_answer_has_the_bytes_status_and_headers_of_the_first(service: Service) -> None:
    first = create(service)
    service.fakes.clock.advance(3600)
    assert create(service) == first


def test_without_a_key_every_request_is_done(service: Service) -> None:
    service.call("POST", "/videos", ASK)
    service.call("POST", "/videos", ASK)
    assert count_videos(service) == 2


def test_another_body_with_the_same_key_is_refused(service: Service) -> None:
    create(service)
    answer = create(service, ASK | {"size_bytes": 101})
    assert (answer.status, answer.json["code"]) == (409, "IDEMPOTENCY_MISMATCH")
    assert count_videos(service) == 1


def test_another_route_with_the_same_key_is_refused(service: Service) -> None:
    create(service)
    video = seed_video(service)
    answer = service.call("POST", f"/videos/{video.video_id}/jobs", ASK, headers=KEY)
    assert answer.status in (400, 409)
    answer = service.call("POST", f"/videos/{video.video_id}/jobs", {"models": ["toy"]}, headers=KEY)
    assert (answer.status, answer.json["code"]) == (409, "IDEMPOTENCY_MISMATCH")


def test_the_same_body_to_another_thing_with_the_same_key_is_refused(service: Service) -> None:
    first, second = seed_video(service), seed_video(service)
    for video, status in ((first, 202), (second, 409)):
        answer = service.call("POST", f"/videos/{video.video_id}/jobs", {"models": ["toy"]}, headers=KEY)
        assert answer.status == status


def test_keys_of_two_tenants_have_nothing_to_do_with_each_other(service: Service) -> None:
    first, second = create(service), create(service, token=OTHER)
    assert first.json["video"]["video_id"] != second.json["video"]["video_id"]


def test_a_request_that_was_refused_may_be_corrected_and_sent_with_the_same_key(service: Service) -> None:
    assert create(service, ASK | {"analyze": {"models": ["none"]}}).status == 400
    assert create(service).status == 201


def test_a_request_that_was_invalid_does_not_use_the_key_up(service: Service) -> None:
    assert create(service, {"filename": "a"}).status == 400
    assert create(service).status == 201


def test_a_key_is_free_again_after_a_day(service: Service) -> None:
    create(service)
    service.fakes.clock.advance(DAY_SECONDS + 1)
    assert create(service, ASK | {"size_bytes": 101}).status == 201


def test_a_key_holds_for_a_whole_day(service: Service) -> None:
    first = create(service)
    service.fakes.clock.advance(DAY_SECONDS - 1)
    assert create(service) == first


def test_a_first_request_that_is_still_running_is_not_started_again(service: Service) -> None:
    answers: list[Answer] = []
    objects = service.fakes.objects
    presign_post = objects.presign_post

    def ask_again(*arguments: Any, **more: Any) -> Any:
        # In the middle of the first request, as a client does that lost its patience.
        if not answers:
            answers.append(create(service))
        return presign_post(*arguments, **more)

    objects.presign_post = ask_again  # type: ignore[method-assign]
    assert create(service).status == 201
    assert (answers[0].status, answers[0].json["code"]) == (409, "CONFLICT")
    assert count_videos(service) == 1


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_of_no_or_too_great_length_is_refused(service: Service, key: str) -> None:
    answer = create(service, key=key)
    assert (answer.status, answer.json["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method == "POST" and "{" in route.path], ids=str)
def test_a_key_on_a_thing_of_another_tenant_is_still_not_found(service: Service, route: Route) -> None:
    seeded = seed_job(service)
    path = route.path.format(**seeded.path_values)
    assert service.call("POST", path, route.body, headers=KEY, token=OTHER).status == 404
