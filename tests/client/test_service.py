"""The REST calls: paging, problems, idempotency keys."""

from __future__ import annotations

import pytest

from client.service import Service, ServiceError
from tests.client.fake_service import JOB_ID, TOKEN, FakeService, make_detection


def test_every_page_is_followed_even_an_empty_one(fake: FakeService) -> None:
    fake.detection_pages = [[make_detection(0)], [], [make_detection(512), make_detection(1024)]]

    with Service(fake.base_url, TOKEN) as service:
        found = [item["pts"] for item in service.all_detections(JOB_ID)]

    assert found == [0, 512, 1024]


def test_pages_are_asked_for_as_they_are_taken(fake: FakeService) -> None:
    fake.detection_pages = [[make_detection(0)], [make_detection(512)]]

    with Service(fake.base_url, TOKEN) as service:
        next(service.all_detections(JOB_ID))

    assert len(fake.sent("GET", "/jobs/job_1/detections")) == 1


def test_every_request_carries_the_token(fake: FakeService) -> None:
    with Service(fake.base_url, TOKEN) as service:
        service.get_job(JOB_ID)

    assert fake.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_every_post_has_an_idempotency_key_of_its_own(fake: FakeService) -> None:
    with Service(fake.base_url, TOKEN) as service:
        service.create_video("a.mp4", 1, {})
        service.create_video("a.mp4", 1, {})

    first, second = (request.headers["idempotency-key"] for request in fake.sent("POST", "/videos"))
    assert first != second


def test_the_content_type_is_that_of_the_file_name(fake: FakeService) -> None:
    with Service(fake.base_url, TOKEN) as service:
        service.create_video("a.webm", 1, {})

    assert fake.sent("POST", "/videos")[0].json()["content_type"] == "video/webm"


def test_a_problem_keeps_its_code_cause_and_hint(fake: FakeService) -> None:
    fake.problem = {
        "status": 404,
        "code": "NOT_FOUND",
        "title": "No such thing",
        "detail": "job_9",
        "hint": "Look again",
    }

    with Service(fake.base_url, TOKEN) as service, pytest.raises(ServiceError) as caught:
        service.get_job("job_9")

    error = caught.value
    assert (error.code, error.title, error.detail, error.hint) == ("NOT_FOUND", "No such thing", "job_9", "Look again")


def test_an_answer_that_is_no_problem_is_shown_as_it_came(fake: FakeService) -> None:
    with Service(fake.base_url, TOKEN) as service, pytest.raises(ServiceError, match="HTTP 404") as caught:
        service.get_video("unrouted")

    assert "no route for GET /videos/unrouted" in caught.value.detail


def test_a_service_that_is_not_there_is_an_error_that_says_how_to_start_one() -> None:
    # Port 9 is "discard": nothing listens on it here.
    with Service("http://127.0.0.1:9", TOKEN) as service, pytest.raises(ServiceError, match="UNREACHABLE") as caught:
        service.health()

    assert "make local" in caught.value.hint
