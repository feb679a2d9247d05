"""Sending bytes to S3, by form and in parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.service import Service, ServiceError
from client.upload import PART_TRIES, SIGNED_AT_ONCE, send_file
from tests.client.fake_service import TOKEN, VIDEO_ID, FakeService

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(CONTENT)
    return path


def upload(fake: FakeService, file: Path) -> list[int]:
    """Announce and send `file`; returns what was reported on the way."""
    reported: list[int] = []
    with Service(fake.base_url, TOKEN) as service:
        created = service.create_video(file.name, file.stat().st_size, {})
        send_file(service, VIDEO_ID, created["upload"], file, reported.append)
    return reported


def in_parts(fake: FakeService, part_size_bytes: int) -> None:
    """Have the fake ask for a multipart upload."""
    fake.part_size_bytes = part_size_bytes
    fake.part_count = -(-len(CONTENT) // part_size_bytes)


def test_a_form_has_the_fields_of_the_ticket_before_the_file(fake: FakeService, file: Path) -> None:
    upload(fake, file)

    body = fake.sent("POST", "/s3/bucket")[0].body
    assert (
        -1 < body.index(b'name="key"') < body.index(b'name="policy"') < body.index(b'name="file"') < body.index(CONTENT)
    )


def test_s3_never_sees_the_token(fake: FakeService, file: Path) -> None:
    in_parts(fake, 4096)

    upload(fake, file)

    to_s3 = [request for request in fake.requests if request.path.startswith("/s3/")]
    assert len(to_s3) == 3
    assert [request for request in to_s3 if "authorization" in request.headers] == []


def test_parts_arrive_whole_and_in_place(fake: FakeService, file: Path) -> None:
    in_parts(fake, 1000)

    upload(fake, file)

    assert b"".join(fake.parts[number] for number in sorted(fake.parts)) == CONTENT


def test_each_part_is_sent_with_exactly_the_signed_headers(fake: FakeService, file: Path) -> None:
    in_parts(fake, 4096)

    upload(fake, file)

    assert fake.sent("PUT", "/s3/part/2")[0].headers["x-signed"] == "2"


def test_the_upload_is_completed_with_the_etag_of_every_part_in_order(fake: FakeService, file: Path) -> None:
    in_parts(fake, 4096)

    upload(fake, file)

    completed = fake.sent("POST", "/videos/vid_1/upload/complete")[0].json()["parts"]
    assert completed == [{"part_number": number, "etag": f'"etag-{number}"'} for number in (1, 2, 3)]


def test_parts_are_signed_in_batches(fake: FakeService, file: Path) -> None:
    in_parts(fake, 256)

    upload(fake, file)

    batches = [request.json()["part_numbers"] for request in fake.sent("POST", "/videos/vid_1/upload/parts")]
    assert [number for batch in batches for number in batch] == list(range(1, fake.part_count + 1))
    assert max(len(batch) for batch in batches) == SIGNED_AT_ONCE


def test_a_part_that_fails_is_sent_again(fake: FakeService, file: Path) -> None:
    in_parts(fake, len(CONTENT))
    fake.s3_refusals = [(500, "<Error><Code>InternalError</Code></Error>")] * (PART_TRIES - 1)

    upload(fake, file)

    assert fake.parts == {1: CONTENT}


def test_a_part_that_keeps_failing_ends_the_upload(fake: FakeService, file: Path) -> None:
    in_parts(fake, len(CONTENT))
    fake.s3_refusals = [(500, "<Error><Code>InternalError</Code></Error>")] * PART_TRIES

    with pytest.raises(ServiceError, match="InternalError"):
        upload(fake, file)


def test_what_is_reported_grows_to_the_size_of_the_file(fake: FakeService, file: Path) -> None:
    in_parts(fake, 1000)

    reported = upload(fake, file)

    assert reported == sorted(reported)
    assert reported[-1] == len(CONTENT)


def test_a_refusal_of_s3_is_told_in_its_own_words(fake: FakeService, file: Path) -> None:
    refusal = "<Error><Code>EntityTooLarge</Code><Message>Your upload exceeds the size</Message></Error>"
    fake.s3_refusals = [(400, refusal)]

    with pytest.raises(ServiceError, match="EntityTooLarge") as caught:
        upload(fake, file)

    assert caught.value.detail == "Your upload exceeds the size"
