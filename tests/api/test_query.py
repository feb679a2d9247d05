"""The routes of the query language: the fields of every kind, and the problems."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.ids import VideoId
from chalicelib.domain.jobs import JobState
from tests.api.seed import Seeded, seed_job
from tests.api.service import OTHER, Service

WHERE = {"video_id", "job_id"}
TIMES = {"timebase", "first_pts", "last_pts", "first_seconds", "last_seconds"}


@pytest.fixture
def service() -> Service:
    return Service()


def ask(service: Service, seeded: Seeded, q: str, **query: Any) -> Any:
    answer = service.call("GET", f"/jobs/{seeded.job_id}/query", query={"q": q, **query})
    assert answer.status == 200, answer.body
    return answer.json


@pytest.mark.parametrize(
    ("q", "kind", "fields"),
    [
        (
            "detections",
            "detections",
            {*WHERE, "pts", "timebase", "time_seconds", "frame_index", "model", "label", "score", "box", "track_id"},
        ),
        ("tracks", "tracks", {*WHERE, *TIMES, "track_id", "model", "label", "detections", "score_max"}),
        (
            "tracks where crosses line((0, 0), (1, 1))",
            "tracks",
            {*WHERE, *TIMES, "track_id", "model", "label", "detections", "score_max", "crossings"},
        ),
        ("appearances", "appearances", {*WHERE, *TIMES, "label", "detections", "score_max"}),
        ("count detections", "buckets", {*WHERE, "count"}),
        ("count tracks by 1s, label", "buckets", {*WHERE, "start_seconds", "end_seconds", "label", "count"}),
        (
            "dwell inside polygon((0, 0), (999, 0), (999, 999), (0, 999))",
            "dwells",
            {*WHERE, *TIMES, "track_id", "model", "label", "dwell_pts", "dwell_seconds", "visits"},
        ),
        ("appearances overlaps appearances", "pairs", {*WHERE, *TIMES, "relation", "left", "right"}),
        ("detections together with detections", "pairs", {*WHERE, *TIMES, "relation", "left", "right", "distance"}),
    ],
)
def test_an_answer_has_the_fields_of_its_kind(service: Service, q: str, kind: str, fields: set[str]) -> None:
    answer = ask(service, seed_job(service), q)
    assert set(answer) == {"kind", "items", "next_cursor"}
    assert answer["kind"] == kind
    assert {name for item in answer["items"] for name in item} <= fields
    if "crosses" not in q:
        assert [item for item in answer["items"] if set(item) == fields] != []


def test_a_detection_is_the_same_as_in_the_list_of_detections(service: Service) -> None:
    seeded = seed_job(service)
    listed = service.call("GET", f"/jobs/{seeded.job_id}/detections", query={"limit": 1000}).json["items"]
    where = {"video_id": seeded.video_id, "job_id": seeded.job_id}
    assert ask(service, seeded, "detections", limit=1000)["items"] == [{**item, **where} for item in listed]


def test_a_walk_from_page_to_page_equals_the_whole(service: Service) -> None:
    seeded = seed_job(service)
    walked: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = ask(service, seeded, "detections together with detections", limit=4, **cursor)
        walked += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert walked == ask(service, seeded, "detections together with detections", limit=1000)["items"]


def test_a_search_says_of_which_video_and_job_an_item_is(service: Service) -> None:
    older, newer = seed_job(service), seed_job(service)
    items = service.call("GET", "/search", query={"q": "count tracks"}).json["items"]
    assert items == [{"video_id": one.video_id, "job_id": one.job_id, "count": 3} for one in (newer, older)]
    assert service.call("GET", "/search", query={"q": "tracks"}, token=OTHER).json["items"] == []


def test_a_search_does_not_ask_a_canary(service: Service) -> None:
    seeded = seed_job(service)
    canary = seed_job(service, video_id=VideoId(seeded.video_id), promote=False)
    (item,) = service.call("GET", "/search", query={"q": "count tracks"}).json["items"]
    assert item["job_id"] == seeded.job_id
    service.call("PUT", f"/videos/{seeded.video_id}/versions/latest", {"job_id": canary.job_id, "cause": "as good"})
    (item,) = service.call("GET", "/search", query={"q": "count tracks"}).json["items"]
    assert item["job_id"] == canary.job_id


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({}, "q: Field required"),
        ({"q": ""}, "q: String should have at least 1 character"),
        ({"q": "nonsense"}, "q: expected detections, tracks, appearances"),
        ({"q": "detections", "limit": 0}, "limit: Input should be greater than or equal to 1"),
        ({"q": "detections", "cursor": "nonsense"}, "cursor must be one that this list gave out"),
        ({"q": "detections", "label": "dog"}, "label: Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_a_wrong_question_says_what_is_wrong(service: Service, query: dict[str, Any], detail: str) -> None:
    seeded = seed_job(service)
    for path in (f"/jobs/{seeded.job_id}/query", "/search"):
        answer = service.call("GET", path, query=query)
        assert (answer.status, answer.json["code"]) == (400, "INVALID_REQUEST")
        assert detail in answer.json["detail"]


def test_tracks_of_a_job_that_runs_are_a_conflict(service: Service) -> None:
    seeded = seed_job(service, state=JobState.RUNNING)
    answer = service.call("GET", f"/jobs/{seeded.job_id}/query", query={"q": "tracks"})
    assert (answer.status, answer.json["code"]) == (409, "CONFLICT")
