"""Routes of videos: tickets, parts, playback, deletion; and every way in which they say no."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.contracts import object_keys
from chalicelib.domain.ids import VideoId
from chalicelib.domain.videos import VideoState
from chalicelib.services.object_port import PostForm, SignedPart
from tests.api.seed import seed_job, seed_upload_in_parts, seed_video
from tests.api.service import ACME, Answer, Service
from tests.fakes.make import LIMITS
from tests.fakes.objects import BUCKET

BYTES = b"x" * 100
ASK = {"filename": "street.mp4", "size_bytes": len(BYTES)}


@pytest.fixture
def service() -> Service:
    return Service()


def state_of(service: Service, video_id: str) -> str:
    return str(service.call("GET", f"/videos/{video_id}").json["video"]["state"])


def problem_of(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def test_a_new_video_awaits_its_upload(service: Service) -> None:
    answer = service.call("POST", "/videos", ASK)
    assert answer.status == 201
    video = answer.json["video"]
    assert (video["filename"], video["size_bytes"], video["state"]) == ("street.mp4", 100, "AWAITING_UPLOAD")
    assert video["created_at"] == "2026-03-01T12:00:00.000Z"


def test_what_is_not_known_yet_is_absent_and_not_null(service: Service) -> None:
    video = service.call("POST", "/videos", ASK).json["video"]
    assert set(video) == {"video_id", "filename", "state", "size_bytes", "created_at"}


def test_a_small_video_is_sent_with_one_form(service: Service) -> None:
    upload = service.call("POST", "/videos", ASK).json["upload"]
    assert set(upload) == {"kind", "url", "fields", "expires_at"}
    assert upload["kind"] == "post"
    assert service.fakes.objects.post(PostForm(upload["url"], upload["fields"]), BYTES)


def test_a_large_video_is_sent_in_parts(service: Service) -> None:
    upload = service.call("POST", "/videos", ASK | {"size_bytes": 200 << 20}).json["upload"]
    assert upload == {
        "kind": "multipart",
        "part_size_bytes": 8 << 20,
        "part_count": 25,
        "expires_at": "2026-03-02T12:00:00.000Z",
    }


def test_a_video_may_be_announced_with_the_job_to_do(service: Service) -> None:
    answer = service.call("POST", "/videos", ASK | {"analyze": {"models": ["toy"]}}).json
    assert (answer["job"]["state"], answer["job"]["video_id"]) == ("PENDING", answer["video"]["video_id"])


def test_a_video_that_lies_in_s3_is_taken_as_it_is(service: Service) -> None:
    service.fakes.objects.place("archive/street.mp4", BYTES, bucket="elsewhere")
    answer = service.call("POST", "/videos", {"source": {"s3_uri": "s3://elsewhere/archive/street.mp4"}})
    assert answer.status == 201
    assert set(answer.json) == {"video"}
    video = answer.json["video"]
    assert (video["filename"], video["size_bytes"], video["state"]) == ("street.mp4", 100, "UPLOADED")


def test_an_unknown_model_leaves_no_video_behind(service: Service) -> None:
    answer = service.call("POST", "/videos", ASK | {"analyze": {"models": ["none"]}})
    assert problem_of(answer) == (400, "INVALID_REQUEST")
    assert service.call("GET", "/videos").json["items"] == []


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "filename and size_bytes are required"),
        ({"filename": "a.mp4"}, "filename and size_bytes are required"),
        (ASK | {"size_bytes": -1}, "size_bytes: Input should be greater than or equal to 0"),
        (ASK | {"size_bytes": 1.5}, "size_bytes: Input should be a valid integer"),
        (ASK | {"size_bytes": None}, "filename and size_bytes are required"),
        (ASK | {"filename": ""}, "filename: String should have at least 1 character"),
        (ASK | {"filename": "a" * 256}, "filename: String should have at most 255 characters"),
        (ASK | {"content_type": "video"}, "content_type: String should match pattern"),
        (ASK | {"content_type": "vidéo/mp4"}, "content_type: String should match pattern"),
        (ASK | {"content_type": "video/mp4\r\nx: y"}, "content_type: String should match pattern"),
        (ASK | {"sha256": "AB" * 32}, "sha256: String should match pattern"),
        (ASK | {"colour": "red"}, "colour: Extra inputs are not permitted"),
        (ASK | {"analyze": {"models": ["toy"], "colour": "red"}}, "analyze.colour: Extra inputs are not permitted"),
        (ASK | {"source": {"s3_uri": "s3://elsewhere/a"}}, "source is taken as it is"),
        ({"source": {"s3_uri": "https://elsewhere/a"}}, "source.s3_uri must be s3://bucket/key"),
        ({"source": {"s3_uri": "s3://forbidden/a"}}, "imports from bucket forbidden are not allowed"),
        ({"source": {"s3_uri": "s3://elsewhere/none"}}, "does not exist or may not be read"),
        ({"source": {"s3_uri": f"s3://{BUCKET}/tenants/other/videos/v/source"}}, "are not allowed"),
        ([], "the body: Input should be an object"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_request_says_what_is_wrong(service: Service, body: Any, detail: str) -> None:
    answer = service.call("POST", "/videos", body)
    assert problem_of(answer) == (400, "INVALID_REQUEST")
    assert detail in answer.json["detail"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"filename": "a" "b"}', b"[1,"])
def test_a_body_that_is_no_json_is_refused(service: Service, body: bytes) -> None:
    answer = service.call("POST", "/videos", body)
    assert problem_of(answer) == (400, "INVALID_REQUEST")
    assert "Invalid JSON" in answer.json["detail"]


def test_every_mistake_is_named_at_once(service: Service) -> None:
    detail = service.call("POST", "/videos", {"filename": "", "size_bytes": -1, "colour": 1}).json["detail"]
    assert [name for name in ("filename", "size_bytes", "colour") if name not in detail] == []


def test_what_was_sent_is_not_repeated_in_the_problem(service: Service) -> None:
    answer = service.call("POST", "/videos", ASK | {"sha256": "<script>secret</script>"})
    assert b"secret" not in answer.body


def test_a_video_that_is_too_large_is_refused(service: Service) -> None:
    answer = service.call("POST", "/videos", ASK | {"size_bytes": LIMITS.max_upload_bytes + 1})
    assert problem_of(answer) == (413, "LIMIT_EXCEEDED")


def test_a_rejected_video_says_why_with_what_to_do(service: Service) -> None:
    video = seed_video(service, state=VideoState.REJECTED)
    error = service.call("GET", f"/videos/{video.video_id}").json["video"]["error"]
    assert error == {
        "code": "INTERNAL",
        "title": "Something went wrong inside the service",
        "detail": "it broke",
        "hint": "mend it",
    }


def test_a_video_that_is_ready_shows_what_its_probe_found(service: Service) -> None:
    video = seed_video(service)
    media = service.call("GET", f"/videos/{video.video_id}").json["video"]["media"]
    assert media == {
        "container": "mp4",
        "codec": "h264",
        "width": 640,
        "height": 360,
        "rotation": 0,
        "timebase": "1/1000",
        "duration_seconds": 10.0,
        "frame_count": 250,
        "keyframes": 10,
    }


def test_a_video_plays_from_exactly_the_bytes_that_were_accepted(service: Service) -> None:
    video = seed_video(service)
    answer = service.call("GET", f"/videos/{video.video_id}/source").json
    assert service.fakes.objects.fetch(answer["url"]) == BYTES
    assert answer["expires_at"] == "2026-03-01T13:00:00.000Z"


def test_a_video_that_was_not_uploaded_does_not_play(service: Service) -> None:
    video = seed_video(service, state=VideoState.AWAITING_UPLOAD)
    assert problem_of(service.call("GET", f"/videos/{video.video_id}/source")) == (409, "CONFLICT")


def test_a_deleted_video_is_gone_with_its_bytes_jobs_and_results(service: Service) -> None:
    seeded = seed_job(service)
    answer = service.call("DELETE", f"/videos/{seeded.video_id}")
    assert (answer.status, answer.body) == (204, b"")
    assert service.call("GET", f"/videos/{seeded.video_id}").status == 404
    assert service.call("GET", f"/jobs/{seeded.job_id}").status == 404
    prefix = object_keys.video_prefix(ACME, seeded.video_id)
    assert [key for key in sorted(service.fakes.objects.keys()) if key.startswith(prefix)] == []


def test_parts_are_signed_for_exactly_their_bytes(service: Service) -> None:
    video_id = seed_upload_in_parts(service)
    part = b"p" * (8 << 20)
    body = {"part_numbers": [25, 1], "sha256_by_part": {"1": hashlib.sha256(part).hexdigest()}}
    items = service.call("POST", f"/videos/{video_id}/upload/parts", body).json["items"]
    assert [item["part_number"] for item in items] == [25, 1]
    first = SignedPart(1, items[1]["url"], items[1]["headers"])
    assert not service.fakes.objects.put_part(first, b"q" * len(part))
    assert service.fakes.objects.put_part(first, part)


def test_an_upload_in_parts_goes_all_the_way(service: Service) -> None:
    video_id = seed_upload_in_parts(service)
    numbers = list(range(1, 26))
    for item in service.call("POST", f"/videos/{video_id}/upload/parts", {"part_numbers": numbers}).json["items"]:
        size = int(item["headers"]["Content-Length"])
        assert service.fakes.objects.put_part(SignedPart(item["part_number"], item["url"], {}), b"p" * size)
    listed = service.call("GET", f"/videos/{video_id}/upload/parts").json
    assert sum(part["size_bytes"] for part in listed["items"]) == 200 << 20
    parts = [{"part_number": part["part_number"], "etag": part["etag"]} for part in listed["items"]]
    answer = service.call("POST", f"/videos/{video_id}/upload/complete", {"parts": parts})
    assert (answer.status, answer.json["video"]["state"]) == (200, "UPLOADED")


def test_parts_that_make_another_size_end_the_video(service: Service) -> None:
    video_id = seed_upload_in_parts(service)
    (item,) = service.call("POST", f"/videos/{video_id}/upload/parts", {"part_numbers": [1]}).json["items"]
    service.fakes.objects.put_part(SignedPart(1, item["url"], {}), b"p" * (8 << 20))
    (part,) = service.call("GET", f"/videos/{video_id}/upload/parts").json["items"]
    body = {"parts": [{"part_number": 1, "etag": part["etag"]}]}
    video = service.call("POST", f"/videos/{video_id}/upload/complete", body).json["video"]
    assert (video["state"], video["error"]["code"]) == ("REJECTED", "SIZE_MISMATCH")


def test_parts_that_s3_does_not_have_are_refused(service: Service) -> None:
    video_id = seed_upload_in_parts(service)
    answer = service.call(
        "POST", f"/videos/{video_id}/upload/complete", {"parts": [{"part_number": 1, "etag": "nonsense"}]}
    )
    assert problem_of(answer) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("numbers", [[0], [26], [1, -1], [10**30]])
def test_a_part_that_the_upload_does_not_have_is_refused(service: Service, numbers: list[int]) -> None:
    video_id = seed_upload_in_parts(service)
    answer = service.call("POST", f"/videos/{video_id}/upload/parts", {"part_numbers": numbers})
    assert problem_of(answer) == (400, "INVALID_REQUEST")
    assert "part_numbers must be from 1 to 25" in answer.json["detail"]


def test_an_upload_that_was_given_up_ends_the_video(service: Service) -> None:
    video_id = seed_upload_in_parts(service)
    assert service.call("DELETE", f"/videos/{video_id}/upload").status == 204
    assert state_of(service, video_id) == "REJECTED"
    assert problem_of(service.call("DELETE", f"/videos/{video_id}/upload")) == (409, "CONFLICT")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "upload/parts", {"part_numbers": [1]}),
        ("GET", "upload/parts", None),
        ("POST", "upload/complete", {"parts": [{"part_number": 1, "etag": "e"}]}),
    ],
)
def test_a_video_that_is_not_sent_in_parts_has_none(service: Service, method: str, path: str, body: Any) -> None:
    video = seed_video(service, state=VideoState.AWAITING_UPLOAD)
    answer = service.call(method, f"/videos/{video.video_id}/{path}", body)
    assert problem_of(answer) == (409, "CONFLICT")


def test_videos_are_listed_newest_first_and_page_by_page(service: Service) -> None:
    ids = []
    for _ in range(5):
        ids.append(service.call("POST", "/videos", ASK).json["video"]["video_id"])
        service.fakes.clock.advance(1)
    walked, cursor = [], None
    for _ in range(3):
        page = service.call("GET", "/videos", query={"limit": 2} | ({"cursor": cursor} if cursor else {})).json
        walked += [item["video_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert (walked, cursor) == (ids[::-1], None)


def test_a_ticket_says_until_when_its_upload_is_awaited(service: Service) -> None:
    expires_at = service.call("POST", "/videos", ASK).json["upload"]["expires_at"]
    video_id = VideoId(service.call("GET", "/videos").json["items"][0]["video_id"])
    video = service.ports.videos.get(ACME, video_id)
    assert video is not None
    assert video.upload.expires_at - video.created_at == timedelta(seconds=LIMITS.upload_seconds)
    assert expires_at.endswith("Z")
