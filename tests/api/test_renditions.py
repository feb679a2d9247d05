"""Routes of renditions: ask, watch, play, list."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.contracts.items import failure_to_map
from chalicelib.domain.videos import VideoState
from tests.api.seed import SHEET, end_rendition, seed_rendition, seed_video
from tests.api.service import Service
from tests.fakes.makers import A_FAILURE

COPY = {
    "file_name": "street-proxy.mp4",
    "content_type": "video/mp4",
    "size_bytes": 4,
    "sha256": "b" * 64,
    "width": 640,
    "height": 360,
    "frames": 250,
    "timebase": "1/1000",
    "first_pts": 0,
}


@pytest.fixture
def service() -> Service:
    return Service()


def asked(service: Service, video_id: str, kind: str = "thumbnails", **options: Any) -> dict[str, Any]:
    answer = service.call("POST", f"/videos/{video_id}/renditions", {"kind": kind, **options})
    assert answer.status == 202, answer.body
    rendition: dict[str, Any] = answer.json["rendition"]
    return rendition


def read(service: Service, video_id: str, rendition_id: str) -> Any:
    return service.call("GET", f"/videos/{video_id}/renditions/{rendition_id}")


@pytest.mark.parametrize(
    ("kind", "given", "options"),
    [
        ("thumbnails", {}, {"width": 160}),
        ("thumbnails", {"width": 320}, {"width": 320}),
        ("proxy", {}, {"height_max": 720}),
        ("proxy", {"height_max": 144}, {"height_max": 144}),
    ],
)
def test_a_rendition_is_queued_at_once(
    service: Service, kind: str, given: dict[str, int], options: dict[str, int]
) -> None:
    rendition = asked(service, seed_video(service).video_id, kind, **given)
    assert (rendition["kind"], rendition["state"], rendition["options"]) == (kind, "QUEUED", options)
    assert "url" not in rendition


def test_who_waits_is_told_when_to_ask_again(service: Service) -> None:
    video_id = seed_video(service).video_id
    rendition_id = asked(service, video_id)["rendition_id"]
    assert read(service, video_id, rendition_id).headers["retry-after"] == "1"
    end_rendition(service, video_id, rendition_id, SHEET)
    assert "retry-after" not in read(service, video_id, rendition_id).headers


def test_the_same_question_is_the_same_rendition(service: Service) -> None:
    video_id = seed_video(service).video_id
    first = asked(service, video_id)
    assert asked(service, video_id, width=160) == first
    assert len(service.fakes.batch.jobs) == 1


def test_another_question_is_another_rendition(service: Service) -> None:
    video_id = seed_video(service).video_id
    asked_for = [("thumbnails", {}), ("thumbnails", {"width": 161}), ("proxy", {}), ("proxy", {"height_max": 360})]
    assert len({asked(service, video_id, kind, **options)["rendition_id"] for kind, options in asked_for}) == 4


def test_thumbnails_that_are_made_say_where_each_is(service: Service) -> None:
    seeded = seed_rendition(service)
    rendition = read(service, seeded.video_id, seeded.rendition_id).json["rendition"]
    assert (rendition["state"], rendition["tiles"]) == ("SUCCEEDED", SHEET["tiles"])
    assert rendition["vtt"] == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:03.000\nstreet-thumbnails.jpg#xywh=0,0,160,90\n\n"
        "00:00:03.000 --> 00:00:06.000\nstreet-thumbnails.jpg#xywh=160,0,160,90\n\n"
        "00:00:06.000 --> 00:00:10.000\nstreet-thumbnails.jpg#xywh=0,90,160,90\n"
    )
    assert service.fakes.objects.fetch(rendition["url"]) == b"data"
    assert rendition["expires_at"].endswith("Z")


def test_a_proxy_that_is_made_says_what_it_is_and_what_it_lacks(service: Service) -> None:
    video_id = seed_video(service).video_id
    rendition_id = asked(service, video_id, "proxy")["rendition_id"]
    gap = {"start_seconds": 1.5, "end_seconds": 2.0, "failure": failure_to_map(A_FAILURE)}
    end_rendition(service, video_id, rendition_id, COPY | {"missing": [gap]})
    rendition = read(service, video_id, rendition_id).json["rendition"]
    assert {name: rendition[name] for name in COPY} == COPY
    ((found,), absent) = rendition["missing"], {"tiles", "vtt"} & set(rendition)
    assert (found["start_seconds"], found["error"]["code"], absent) == (1.5, A_FAILURE.code, set())


def test_a_rendition_that_failed_says_why_and_may_be_asked_for_anew(service: Service) -> None:
    video_id = seed_video(service).video_id
    failed = asked(service, video_id)["rendition_id"]
    end_rendition(service, video_id, failed, None)
    assert read(service, video_id, failed).json["rendition"]["error"]["code"] == A_FAILURE.code
    again = asked(service, video_id)
    assert (again["state"], again["rendition_id"] != failed) == ("QUEUED", True)
    assert asked(service, video_id) == again


def test_renditions_are_listed_in_pages_without_their_tracks(service: Service) -> None:
    seeded = seed_rendition(service)
    path = f"/videos/{seeded.video_id}/renditions"
    ids = {
        seeded.rendition_id,
        *(asked(service, seeded.video_id, "proxy", height_max=h)["rendition_id"] for h in (200, 300)),
    }
    first = service.call("GET", path, query={"limit": "2"}).json
    rest = service.call("GET", path, query={"cursor": first["next_cursor"]}).json
    listed = first["items"] + rest["items"]
    assert (len(first["items"]), rest["next_cursor"], {one["rendition_id"] for one in listed}) == (2, None, ids)
    made = next(one for one in listed if one["rendition_id"] == seeded.rendition_id)
    assert ("tiles" in made, "url" in made, "vtt" in made) == (True, True, False)


@pytest.mark.parametrize("state", [VideoState.AWAITING_UPLOAD, VideoState.UPLOADED, VideoState.REJECTED])
def test_a_video_that_is_not_ready_has_no_renditions(service: Service, state: VideoState) -> None:
    video_id = seed_video(service, state=state).video_id
    answer = service.call("POST", f"/videos/{video_id}/renditions", {"kind": "proxy"})
    assert (answer.status, answer.json["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "dream"},
        {"kind": "thumbnails", "width": 63},
        {"kind": "thumbnails", "width": 321},
        {"kind": "thumbnails", "height_max": 720},
        {"kind": "proxy", "height_max": 143},
        {"kind": "proxy", "height_max": 1081},
        {"kind": "proxy", "width": 160},
        ["proxy"],
    ],
)
def test_what_nobody_can_make_is_refused(service: Service, body: Any) -> None:
    answer = service.call("POST", f"/videos/{seed_video(service).video_id}/renditions", body)
    assert (answer.status, answer.json["code"]) == (400, "INVALID_REQUEST")


def test_a_month_whose_budget_is_used_up_makes_no_rendition(service: Service) -> None:
    video_id = seed_video(service).video_id
    assert service.call("PUT", "/budget", {"monthly_usd": 0}).status == 200
    answer = service.call("POST", f"/videos/{video_id}/renditions", {"kind": "proxy"})
    assert (answer.status, answer.json["code"]) == (413, "LIMIT_EXCEEDED")
    assert service.call("GET", f"/videos/{video_id}/renditions").json["items"] == []


def test_renditions_go_with_their_video(service: Service) -> None:
    seeded = seed_rendition(service)
    assert service.call("DELETE", f"/videos/{seeded.video_id}").status == 204
    assert [key for key in sorted(service.fakes.objects.keys()) if "renditions" in key] == []
    assert read(service, seeded.video_id, seeded.rendition_id).status == 404
