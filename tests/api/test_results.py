"""Routes of results: which detections and tracks are found, in what order, page by page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.seed import SEGMENTS, Seeded, seed_job, seed_video
from tests.api.service import OTHER, Answer, Service


@pytest.fixture
def service() -> Service:
    return Service()


def problem_of(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def detections(service: Service, seeded: Seeded, **query: Any) -> list[dict[str, Any]]:
    answer = service.call("GET", f"/jobs/{seeded.job_id}/detections", query=query)
    assert answer.status == 200, answer.body
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def test_a_detection_says_what_where_and_when(service: Service) -> None:
    seeded = seed_job(service)
    assert detections(service, seeded, **{"from": "2.4", "to": "2.8", "label": "person"}) == [
        {
            "pts": 2400,
            "timebase": "1/1000",
            "time_seconds": 2.4,
            "frame_index": 6,
            "model": "toy",
            "label": "person",
            "score": 0.89,
            "box": [10.0, 0.0, 20.0, 30.0],
            "track_id": 1,
        }
    ]


def test_detections_come_in_order_of_time_and_then_score(service: Service) -> None:
    items = detections(service, seed_job(service))
    assert len(items) == 2 * 5 * SEGMENTS
    assert items == sorted(items, key=lambda item: (item["pts"], -item["score"]))


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"label": "dog"}, 15),
        ({"label": "unicorn"}, 0),
        ({"model": "toy"}, 30),
        ({"model": "none"}, 0),
        ({"from": "2"}, 20),
        ({"to": "2"}, 10),
        ({"from": "1.6", "to": "2.001"}, 4),
        ({"from": "0E+999999999"}, 30),
        ({"score_min": 0.885}, 10),
        ({"score_min": 0}, 30),
        ({"track_id": 2}, 5),
        ({"track_id": 99}, 0),
        ({"label": "person", "score_min": 0.6, "from": 4}, 5),
    ],
    ids=str,
)
def test_a_question_is_answered_with_what_matches(service: Service, query: dict[str, Any], count: int) -> None:
    assert len(detections(service, seed_job(service), **query)) == count


@pytest.mark.parametrize("limit", [1, 3, 7, 30, 31])
def test_a_walk_from_page_to_page_equals_the_whole(service: Service, limit: int) -> None:
    seeded = seed_job(service)
    walked, query = [], {"limit": limit}
    while True:
        page = service.call("GET", f"/jobs/{seeded.job_id}/detections", query=query).json
        assert len(page["items"]) <= limit
        walked += page["items"]
        if page["next_cursor"] is None:
            break
        query = {"limit": limit, "cursor": page["next_cursor"]}
    assert walked == detections(service, seeded)


def test_tracks_come_in_order_of_their_first_frame(service: Service) -> None:
    seeded = seed_job(service)
    items = service.call("GET", f"/jobs/{seeded.job_id}/tracks").json["items"]
    assert [item["track_id"] for item in items] == [1, 2, 3]
    assert items[0] == {
        "track_id": 1,
        "model": "toy",
        "label": "person",
        "first_pts": 0,
        "last_pts": 5600,
        "first_seconds": 0.0,
        "last_seconds": 5.6,
        "frames": 15,
        "score_max": 0.9,
    }


@pytest.mark.parametrize(
    ("query", "ids"), [({"label": "dog"}, [2, 3]), ({"from": "1.7"}, [1, 3]), ({"to": "2"}, [1, 2])], ids=str
)
def test_tracks_are_those_seen_in_the_window(service: Service, query: dict[str, Any], ids: list[int]) -> None:
    seeded = seed_job(service)
    items = service.call("GET", f"/jobs/{seeded.job_id}/tracks", query=query).json["items"]
    assert [item["track_id"] for item in items] == ids


def test_tracks_are_walked_page_by_page(service: Service) -> None:
    path = f"/jobs/{seed_job(service).job_id}/tracks"
    first = service.call("GET", path, query={"limit": 2}).json
    second = service.call("GET", path, query={"limit": 2, "cursor": first["next_cursor"]}).json
    assert [item["track_id"] for item in first["items"] + second["items"]] == [1, 2, 3]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("route", "query", "detail"),
    [
        ("detections", "limit=0", "limit: Input should be greater than or equal to 1"),
        ("detections", "limit=1001", "limit: Input should be less than or equal to 1000"),
        ("detections", "limit=many", "limit: Input should be a valid integer"),
        ("detections", "limit=1&limit=2", "limit must be given once but got 2 values"),
        ("detections", "from=-1", "from: Input should be greater than or equal to 0"),
        ("detections", "from=nan", "from: Input should be a finite number"),
        ("detections", "from=1e99", "from: Decimal input should have no more than 24 digits"),
        ("detections", "to=soon", "to: Input should be a valid decimal"),
        ("detections", "score_min=2", "score_min: Input should be less than or equal to 1"),
        ("detections", "score_min=nan", "score_min"),
        ("detections", "track_id=0", "track_id: Input should be greater than or equal to 1"),
        ("detections", "label=", "label: String should have at least 1 character"),
        ("detections", "colour=red", "colour: Extra inputs are not permitted"),
        ("detections", "from_=1", "from_: Extra inputs are not permitted"),
        ("detections", "cursor=nonsense", "cursor must be one that this list gave out"),
        ("detections", "cursor=bm9uc2Vuc2U.AAAAAAAAAAAAAAAAAAAAAA", "cursor must be one that this list gave out"),
        ("detections", "cursor=%C3%A9.%C3%A9", "cursor must be one that this list gave out"),
        ("tracks", "score_min=0.5", "score_min: Extra inputs are not permitted"),
        ("tracks", "cursor=nonsense", "cursor must be one that this list gave out"),
        ("segments", "from=1", "from: Extra inputs are not permitted"),
        ("segments", "cursor=nonsense", "cursor must be one that this list gave out"),
        ("", "verbose=1", "takes no query parameters"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(service: Service, route: str, query: str, detail: str) -> None:
    path = f"/jobs/{seed_job(service).job_id}/{route}".rstrip("/")
    answer = service.call("GET", path, query=query)
    assert problem_of(answer) == (400, "INVALID_REQUEST")
    assert detail in answer.json["detail"]


def test_a_cursor_of_one_filter_is_none_of_another(service: Service) -> None:
    path = f"/jobs/{seed_job(service).job_id}/detections"
    cursor = service.call("GET", path, query={"limit": 1, "label": "dog"}).json["next_cursor"]
    answer = service.call("GET", path, query={"limit": 1, "label": "person", "cursor": cursor})
    assert problem_of(answer) == (400, "INVALID_REQUEST")


def test_a_cursor_of_one_tenant_is_none_of_another(service: Service) -> None:
    for _ in range(2):
        seed_video(service)
        seed_video(service, OTHER)
    cursor = service.call("GET", "/videos", query={"limit": 1}).json["next_cursor"]
    assert service.call("GET", "/videos", query={"cursor": cursor}).status == 200
    assert problem_of(service.call("GET", "/videos", query={"cursor": cursor}, token=OTHER)) == (400, "INVALID_REQUEST")


def test_a_cursor_of_one_list_is_none_of_another(service: Service) -> None:
    seeded = seed_job(service)
    cursor = service.call("GET", f"/jobs/{seeded.job_id}/segments", query={"limit": 1}).json["next_cursor"]
    for route in ("detections", "tracks"):
        answer = service.call("GET", f"/jobs/{seeded.job_id}/{route}", query={"cursor": cursor})
        assert problem_of(answer) == (400, "INVALID_REQUEST")


def test_models_are_listed_with_what_a_job_must_know(service: Service) -> None:
    answer = service.call("GET", "/models").json
    assert answer == {
        "items": [
            {
                "name": "toy",
                "version": "1",
                "sha256": "a" * 64,
                "task": "detection",
                "labels": ["person", "bicycle", "dog"],
                "licence": "Apache-2.0",
                "score_floor": 0.1,
                "score_default": 0.4,
            }
        ],
        "next_cursor": None,
    }
