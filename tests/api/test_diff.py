"""Routes of diffs: the same in GraphQL, within the tenant, and with problems that say what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.jobs import JobState
from chalicelib.domain.videos import VideoState
from tests.api.graphql_client import data_of
from tests.api.seed import seed_job, seed_video
from tests.api.service import ACME, OTHER, Service
from tests.api.test_graphql import as_graphql, everything
from tests.docs.street import seed_two_streets


@pytest.fixture
def service() -> Service:
    return Service()


def get(service: Service, path: str, **query: Any) -> Any:
    answer = service.call("GET", path, query=query)
    assert answer.status == 200, answer.body
    return answer.json


def test_graphql_says_what_rest_says(service: Service) -> None:
    a, b = seed_two_streets(service)
    rest = get(service, f"/jobs/{a}/diff/{b}", label="dog", buckets=3, score_min=0.55, moved_below=0.9)
    asked = 'jobDiff(jobId: $a, otherJobId: $b, label: "dog", buckets: 3, scoreMin: 0.55, movedBelow: 0.9)'
    told = data_of(service, f"query($a: ID!, $b: ID!) {{ {asked} {{ {everything('Diff')} }} }}", a=a, b=b)["jobDiff"]
    assert told == as_graphql(rest, "Diff")
    assert rest["total"]["removed"] == 2
    pages: list[Any] = []
    cursor = None
    while cursor or not pages:
        asked = 'jobChanges(jobId: $a, otherJobId: $b, kind: "moved", limit: 3, cursor: $cursor)'
        selected = f"{{ items {{ {everything('Change')} }} nextCursor }}"
        query = f"query($a: ID!, $b: ID!, $cursor: String) {{ {asked} {selected} }}"
        page = data_of(service, query, a=a, b=b, cursor=cursor)["jobChanges"]
        pages += page["items"]
        cursor = page["nextCursor"]
    assert pages == [
        as_graphql(item, "Change") for item in get(service, f"/jobs/{a}/diff/{b}/changes", kind="moved")["items"]
    ]
    assert len(pages) == 7


def test_the_parts_of_a_diff_add_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = seed_two_streets(service)
    whole = get(service, f"/jobs/{a}/diff/{b}")
    monkeypatch.setattr("chalicelib.services.diff_walk.STEPS_PER_WALK", 10)
    parts = [get(service, f"/jobs/{a}/diff/{b}")]
    while not parts[-1]["is_complete"]:
        parts.append(get(service, f"/jobs/{a}/diff/{b}", cursor=parts[-1]["next_cursor"]))
    assert len(parts) > 3
    for name in ("a_count", "b_count", "matched", "moved", "added", "removed"):
        assert sum(part["total"][name] for part in parts) == whole["total"][name]
        for number, bucket in enumerate(whole["over_time"]):
            assert sum(part["over_time"][number][name] for part in parts) == bucket[name]
    assert sum(part["frames"]["both"] for part in parts) == whole["frames"]["both"]


def test_a_job_of_another_tenant_is_as_one_that_never_was(service: Service) -> None:
    a, b = seed_two_streets(service)
    foreign = seed_job(service, OTHER).job_id
    for path in (f"/jobs/{a}/diff/{foreign}", f"/jobs/{foreign}/diff/{b}", f"/jobs/{a}/diff/{foreign}/changes"):
        answer = service.call("GET", path)
        assert (answer.status, answer.json["detail"]) == (404, f"there is no job {foreign}")


def test_jobs_of_two_videos_conflict_unless_their_content_is_the_same(service: Service) -> None:
    a, _ = seed_two_streets(service)
    other = seed_job(service)
    # Every seeded video has the same bytes.
    assert service.call("GET", f"/jobs/{a}/diff/{other.job_id}").status == 200
    video = service.ports.videos.get(ACME, other.video_id)  # type: ignore[arg-type]
    assert video is not None
    service.ports.videos.save(replace(video, source=replace(video.source, content_digest="cd" * 32)), None)
    answer = service.call("GET", f"/jobs/{a}/diff/{other.job_id}")
    assert (answer.status, answer.json["code"]) == (409, "CONFLICT")
    assert "two jobs of one video" in answer.json["hint"]


def test_segments_that_failed_are_missing_and_not_removed(service: Service) -> None:
    whole, part = seed_job(service), seed_job(service, state=JobState.PARTIAL, failed=(1,))
    found = get(service, f"/jobs/{whole.job_id}/diff/{part.job_id}")
    assert found["missing"] == [
        {"job_id": part.job_id, "start_pts": 2000, "end_pts": 4000, "start_seconds": 2.0, "end_seconds": 4.0},
    ]
    assert (found["total"]["removed"], found["total"]["matched"], found["frames"]["both"]) == (0, 20, 10)


def test_a_job_without_a_plan_cannot_be_compared_yet(service: Service) -> None:
    a, _ = seed_two_streets(service)
    video = seed_video(service, state=VideoState.AWAITING_UPLOAD)
    pending = service.call("POST", f"/videos/{video.video_id}/jobs", {"models": ["toy"]}).json["job"]
    answer = service.call("GET", f"/jobs/{a}/diff/{pending['job_id']}")
    assert (answer.status, answer.json["code"]) == (409, "CONFLICT")
    assert "PENDING" in answer.json["detail"]


@pytest.mark.parametrize(
    "query",
    [
        {"iou": 0},
        {"iou": 1.1},
        {"moved_below": -1},
        {"buckets": 0},
        {"buckets": 1001},
        {"model_a": "nobody"},
        {"cursor": "x.y"},
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_refused(service: Service, query: dict[str, Any]) -> None:
    a, b = seed_two_streets(service)
    answer = service.call("GET", f"/jobs/{a}/diff/{b}", query=query)
    assert (answer.status, answer.json["code"]) == (400, "INVALID_REQUEST")
