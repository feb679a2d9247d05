"""Routes of versions of results: reading by alias, cursors that stay with their job, promoting and rolling back."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.ids import VideoId
from chalicelib.domain.jobs import JobState, PipelineRef
from tests.api.seed import Seeded, seed_job, seed_versions, seed_video
from tests.api.service import OTHER, Answer, Service


@pytest.fixture
def service() -> Service:
    return Service()


def another(service: Service, seeded: Seeded, state: JobState = JobState.SUCCEEDED, **more: Any) -> Seeded:
    """One more job on its video."""
    return seed_job(service, state=state, video_id=VideoId(seeded.video_id), **more)


def find(service: Service, seeded: Seeded, kind: str = "detections", **query: Any) -> Answer:
    return service.call("GET", f"/videos/{seeded.video_id}/{kind}", query=query)


def promote(service: Service, seeded: Seeded, alias: str = "latest", **body: Any) -> Answer:
    path = f"/videos/{seeded.video_id}/versions/{alias}"
    return service.call("PUT", path, {"job_id": seeded.job_id, "cause": "it is better", **body})


def roll_back(service: Service, seeded: Seeded, alias: str = "latest", **body: Any) -> Answer:
    path = f"/videos/{seeded.video_id}/versions/{alias}/rollback"
    return service.call("POST", path, {"cause": "it is worse", **body})


def versions(service: Service, seeded: Seeded, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = find(service, seeded, "versions", **query).json["items"]
    return items


def test_the_results_of_a_video_are_those_of_its_latest_job(service: Service) -> None:
    first = seed_job(service)
    assert find(service, first).json["job_id"] == first.job_id
    second = another(service, first)
    for kind in ("detections", "tracks"):
        found = find(service, first, kind).json
        of_job = service.call("GET", f"/jobs/{second.job_id}/{kind}").json
        assert found == {"job_id": second.job_id, **of_job}
        assert found["items"]


def test_a_version_is_an_alias_or_a_job(service: Service) -> None:
    first = seed_job(service)
    second = another(service, first)
    assert promote(service, first, "prod").status == 200
    found = [find(service, first, version=version).json["job_id"] for version in ("latest", "prod", first.job_id)]
    assert found == [second.job_id, first.job_id, first.job_id]


@pytest.mark.parametrize(
    "query",
    [
        {"label": "person"},
        {"model": "nobody"},
        {"from": 2, "to": 4},
        {"score_min": 0.89},
        {"track_id": 2},
        {"track_version": 0, "track_id": 1},
    ],
    ids=str,
)
def test_every_filter_of_a_job_is_one_of_a_version(service: Service, query: dict[str, Any]) -> None:
    seeded = seed_job(service)
    of_job = service.call("GET", f"/jobs/{seeded.job_id}/detections", query=query).json["items"]
    everything = service.call("GET", f"/jobs/{seeded.job_id}/detections").json["items"]
    assert find(service, seeded, **query).json["items"] == of_job
    assert len(of_job) < len(everything)


@pytest.mark.parametrize("query", [{"label": "dog"}, {"from": 5}, {"to": 2}], ids=str)
def test_every_filter_of_a_jobs_tracks_is_one_of_a_version(service: Service, query: dict[str, Any]) -> None:
    seeded = seed_job(service)
    of_job = service.call("GET", f"/jobs/{seeded.job_id}/tracks", query=query).json["items"]
    assert find(service, seeded, "tracks", **query).json["items"] == of_job
    assert 0 < len(of_job) < 3


@pytest.mark.parametrize(("kind", "limit"), [("detections", 7), ("tracks", 1)])
def test_pages_stay_with_the_job_of_the_first_one_when_the_latest_moves_on(
    service: Service, kind: str, limit: int
) -> None:
    first = seed_job(service)
    expected = service.call("GET", f"/jobs/{first.job_id}/{kind}").json["items"]
    page = find(service, first, kind, limit=limit).json
    items, job_ids = page["items"], {page["job_id"]}
    second = another(service, first)
    assert find(service, first, kind).json["job_id"] == second.job_id
    while page["next_cursor"]:
        page = find(service, first, kind, limit=limit, cursor=page["next_cursor"]).json
        items, job_ids = items + page["items"], job_ids | {page["job_id"]}
    assert (items, job_ids) == (expected, {first.job_id})


@pytest.mark.parametrize("change", [{"label": "dog"}, {"version": "prod"}, {"pipeline": "default"}], ids=str)
def test_a_cursor_goes_on_in_its_own_list_only(service: Service, change: dict[str, Any]) -> None:
    seeded = seed_versions(service)
    cursor = find(service, seeded, limit=1).json["next_cursor"]
    assert find(service, seeded, limit=1, cursor=cursor).status == 200
    assert find(service, seeded, limit=1, cursor=cursor, **change).status == 400


def test_a_cursor_of_a_video_is_none_of_a_job_and_none_of_another_tenant(service: Service) -> None:
    seeded = seed_job(service)
    cursor = find(service, seeded, limit=1).json["next_cursor"]
    assert service.call("GET", f"/jobs/{seeded.job_id}/detections", query={"cursor": cursor}).status == 400
    assert find(service, seeded, "tracks", cursor=cursor).status == 400
    foreign = seed_job(service, OTHER)
    path = f"/videos/{foreign.video_id}/detections"
    assert service.call("GET", path, query={"cursor": cursor}, token=OTHER).status == 400


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"version": "prod"},
        {"pipeline": "people"},
        {"version": "job_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"},
        {"version": "a#b"},
    ],
    ids=str,
)
def test_a_version_that_there_is_not_is_not_found(service: Service, query: dict[str, Any]) -> None:
    seeded = Seeded(seed_video(service).video_id, "")
    assert find(service, seeded, **query).status == 404
    assert find(service, seeded, "tracks", **query).status == 404


def test_a_job_of_another_video_is_no_version_of_this_one(service: Service) -> None:
    seeded, other = seed_job(service), seed_job(service)
    assert find(service, seeded, version=other.job_id).status == 404
    assert promote(service, Seeded(seeded.video_id, other.job_id)).status == 400


def test_the_log_says_from_what_to_what_why_and_by_whom(service: Service) -> None:
    first = seed_job(service)
    assert find(service, first).status == 200
    second = another(service, first, promote=False)
    promote(service, second, cause="fewer false dogs")
    roll_back(service, first, cause="no: it misses persons")
    (version,) = versions(service, first)
    assert (version["pipeline"], version["alias"], version["job_id"]) == ("default", "latest", first.job_id)
    moves = [[move[name] for name in ("kind", "from_job_id", "to_job_id", "cause", "by")] for move in version["moves"]]
    assert moves == [
        ["ended", None, first.job_id, "the job ended SUCCEEDED", None],
        ["promoted", first.job_id, second.job_id, "fewer false dogs", "user-of-acme"],
        ["rolled_back", second.job_id, first.job_id, "no: it misses persons", "user-of-acme"],
    ]
    assert all(move["at"].endswith("Z") for move in version["moves"])


def test_a_second_roll_back_goes_one_further_back(service: Service) -> None:
    jobs = [seed_job(service)]
    jobs += [another(service, jobs[0]) for _ in range(2)]
    for job in jobs:
        promote(service, job, "prod")
    named = [roll_back(service, jobs[0], "prod").json["version"]["job_id"] for _ in range(2)]
    assert named == [jobs[1].job_id, jobs[0].job_id]
    refused = roll_back(service, jobs[0], "prod")
    assert (refused.status, refused.json["code"]) == (409, "CONFLICT")


def test_a_roll_back_that_is_sent_again_with_its_key_goes_back_once(service: Service) -> None:
    jobs = [seed_job(service)]
    jobs += [another(service, jobs[0]) for _ in range(2)]
    for job in jobs:
        promote(service, job, "prod")
    path, headers = f"/videos/{jobs[0].video_id}/versions/prod/rollback", {"Idempotency-Key": "once"}
    answers = [service.call("POST", path, {"cause": "worse"}, headers=headers).json for _ in range(2)]
    assert answers[0] == answers[1]
    assert versions(service, jobs[0])[1]["job_id"] == jobs[1].job_id


def test_naming_the_same_job_again_changes_nothing(service: Service) -> None:
    seeded = seed_job(service)
    answers = [promote(service, seeded, "prod") for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json == answers[1].json


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.FAILED, JobState.CANCELLED])
def test_a_job_without_results_cannot_be_named(service: Service, state: JobState) -> None:
    seeded = seed_job(service, state=state)
    assert (promote(service, seeded).status, promote(service, seeded, "prod").status) == (409, 409)
    assert versions(service, seeded) == []


def test_a_job_is_named_for_its_own_pipeline(service: Service) -> None:
    plain = seed_job(service)
    of_people = another(service, plain, pipeline=PipelineRef("people", 1))
    assert promote(service, of_people, "prod").json["version"]["pipeline"] == "people"
    assert promote(service, of_people, "prod", pipeline="people").status == 200
    for job, pipeline in ((of_people, "default"), (plain, "people")):
        assert promote(service, job, "prod", pipeline=pipeline).status == 400
    listed = [(one["pipeline"], one["alias"], one["job_id"]) for one in versions(service, plain)]
    assert listed == [
        ("default", "latest", plain.job_id),
        ("people", "latest", of_people.job_id),
        ("people", "prod", of_people.job_id),
    ]
    assert [one["alias"] for one in versions(service, plain, pipeline="people")] == ["latest", "prod"]
    assert find(service, plain, version="prod", pipeline="people").json["job_id"] == of_people.job_id
    assert find(service, plain, version="prod").status == 404
    assert find(service, plain, version=of_people.job_id).status == 200


def test_aliases_are_paged(service: Service) -> None:
    seeded = seed_job(service)
    for alias in ("a", "b", "prod"):
        promote(service, seeded, alias)
    found, cursor = [], None
    while True:
        query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = find(service, seeded, "versions", **query).json
        found.append([one["alias"] for one in page["items"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [["a", "b", "latest"], ["prod"]]


@pytest.mark.parametrize(
    ("alias", "body"),
    [
        ("Prod", {}),
        ("job_1", {}),
        ("x" * 33, {}),
        ("prod", {"cause": ""}),
        ("prod", {"cause": "  "}),
        ("prod", {"cause": "x" * 201}),
        ("prod", {"by": "me"}),
    ],
    ids=str,
)
def test_a_wrong_promotion_is_refused(service: Service, alias: str, body: dict[str, Any]) -> None:
    seeded = seed_job(service)
    assert promote(service, seeded, alias, **body).status == 400


def test_a_promotion_to_a_job_that_never_was_is_not_found(service: Service) -> None:
    seeded = seed_job(service)
    foreign = seed_job(service, OTHER)
    never = "job_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    answers = [promote(service, Seeded(seeded.video_id, job_id)) for job_id in (foreign.job_id, never)]
    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].body.replace(foreign.job_id.encode(), never.encode()) == answers[1].body


def test_a_deleted_video_has_no_versions(service: Service) -> None:
    seeded = seed_versions(service)
    assert service.call("DELETE", f"/videos/{seeded.video_id}").status == 204
    for kind in ("detections", "tracks", "versions"):
        assert find(service, seeded, kind).status == 404
    assert service.fakes.memory.versions == {}
