"""Sending bytes: by form and in parts, to the real service over ports in memory and to a fake one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

import reelscan
from chalicelib.contracts import object_keys
from reelscan import Client, Retries, UploadProgress
from tests.api.service import ACME, Service
from tests.fakes.make import LIMITS
from tests.fakes.objects import BUCKET
from tests.sdk.answers import Clock, in_async_client
from tests.sdk.fake_service import TOKEN, FakeService, Request, make_video
from tests.sdk.in_memory import BASE_URL, InMemory
from tests.sdk.parts_server import InProcess, PartsServer

MIB = 1 << 20
SMALL = bytes(range(256)) * 40
LARGE_BYTES = 17 * MIB
"""Three parts: parts are of 8 MiB at least."""
IN_PARTS = replace(LIMITS, multipart_threshold_bytes=9 * MIB)
ANALYZE: Any = {"models": ["toy"]}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(SMALL)
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.mp4"
    path.write_bytes(os.urandom(LARGE_BYTES))
    return path


def client_of(transport: httpx.BaseTransport, tries: int = 3) -> Client:
    clock = Clock()
    return Client(BASE_URL, ACME, transport=transport, retries=Retries(tries), sleep=clock.sleep, now=clock.now)


def stored(service: Service) -> list[str]:
    """Digests of all videos that lie in the bucket."""
    objects = service.fakes.objects
    keys = [key for key in sorted(objects.keys()) if object_keys.parse_source_key(key)]
    return [digest(objects.fetch(objects.presign_get(BUCKET, key, version_id="", seconds=1)) or b"") for key in keys]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# ---- one form -------------------------------------------------------------------------------------------------------


def test_a_small_file_is_one_form_with_its_digest(small: Path, tmp_path: Path) -> None:
    memory = InMemory(Service())
    uploaded = client_of(memory).videos.upload(small, analyze=ANALYZE, journal_folder=tmp_path / "journal")
    assert stored(memory.service) == [digest(SMALL)]
    assert (uploaded.video.filename, uploaded.video.state) == ("clip.mp4", "AWAITING_UPLOAD")
    assert uploaded.job is not None
    assert uploaded.job.state == "PENDING"
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_form_has_the_fields_of_the_ticket_before_the_file(fake: FakeService, small: Path, tmp_path: Path) -> None:
    with Client(fake.base_url, TOKEN) as client:
        client.videos.upload(small, journal_folder=tmp_path)
    body = fake.sent("POST", "/s3/bucket")[0].body
    key, policy, file = (body.index(b'name="%s"' % name) for name in (b"key", b"policy", b"file"))
    assert key < policy < file < body.index(SMALL)


def test_s3_never_sees_the_token(fake: FakeService, small: Path, tmp_path: Path) -> None:
    fake.part_size_bytes, fake.part_count = 4096, 3
    with Client(fake.base_url, TOKEN) as client:
        client.videos.upload(small, journal_folder=tmp_path)
    to_s3 = [request for request in fake.requests if request.path.startswith("/s3/")]
    assert len(to_s3) == 3
    assert [request for request in to_s3 if "authorization" in request.headers] == []


def test_a_refusal_of_s3_is_told_in_its_words(fake: FakeService, small: Path, tmp_path: Path) -> None:
    fake.s3_refusals = [(400, "<Error><Code>EntityTooLarge</Code><Message>too large</Message></Error>")]
    with Client(fake.base_url, TOKEN) as client, pytest.raises(reelscan.StorageRefused) as caught:
        client.videos.upload(small, journal_folder=tmp_path)
    assert (caught.value.s3_code, caught.value.status) == ("EntityTooLarge", 400)
    assert str(caught.value) == "S3 answered 400 EntityTooLarge: too large"


def test_a_form_that_may_have_run_out_is_not_gone_on_with(fake: FakeService, small: Path, tmp_path: Path) -> None:
    fake.s3_refusals, fake.video_state = [(403, "<Code>AccessDenied</Code>")], "AWAITING_UPLOAD"
    with Client(fake.base_url, TOKEN) as client:
        with pytest.raises(reelscan.StorageRefused):
            client.videos.upload(small, journal_folder=tmp_path)
        client.videos.upload(small, journal_folder=tmp_path)
    first, again, fresh = [request.headers["idempotency-key"] for request in fake.sent("POST", "/videos")]
    assert first == again != fresh


# ---- parts ----------------------------------------------------------------------------------------------------------


def test_a_large_file_arrives_in_parts(large: Path, tmp_path: Path) -> None:
    memory = InMemory(Service(IN_PARTS))
    uploaded = client_of(memory).videos.upload(large, journal_folder=tmp_path)
    assert stored(memory.service) == [digest(large.read_bytes())]
    assert uploaded.video.state == "UPLOADED"


def test_the_asynchronous_client_sends_the_same(large: Path, tmp_path: Path) -> None:
    memory = InMemory(Service(IN_PARTS))
    upload = in_async_client(
        memory, lambda client: client.videos.upload(large, journal_folder=tmp_path), base_url=BASE_URL, token=ACME
    )
    assert upload.video.state == "UPLOADED"
    assert stored(memory.service) == [digest(large.read_bytes())]


def test_each_part_is_signed_with_its_own_digest(large: Path, tmp_path: Path) -> None:
    memory = InMemory(Service(IN_PARTS))
    client_of(memory).videos.upload(large, journal_folder=tmp_path)
    content = large.read_bytes()
    signed: dict[str, str] = {}
    for request in memory.requests:
        if request.method == "POST" and request.url.path.endswith("/upload/parts"):
            signed |= json.loads(request.content)["sha256_by_part"]
    parts = {str(n + 1): content[n * 8 * MIB : (n + 1) * 8 * MIB] for n in range(3)}
    assert signed == {number: hashlib.sha256(part).hexdigest() for number, part in parts.items()}


def test_progress_goes_from_nothing_to_all_by_part(large: Path, tmp_path: Path) -> None:
    seen: list[UploadProgress] = []
    memory = InMemory(Service(IN_PARTS))
    client_of(memory).videos.upload(large, on_progress=seen.append, journal_folder=tmp_path)
    assert [progress.sent_bytes for progress in seen] == sorted(progress.sent_bytes for progress in seen)
    assert (seen[-1].sent_bytes, seen[-1].parts_done, seen[-1].part_count) == (LARGE_BYTES, 3, 3)
    by_part = {progress.part_number: progress.part_sent_bytes for progress in seen}
    assert by_part == {1: 8 * MIB, 2: 8 * MIB, 3: MIB}


def test_a_part_that_s3_refuses_once_is_signed_and_sent_again(fake: FakeService, small: Path, tmp_path: Path) -> None:
    fake.part_size_bytes, fake.part_count = len(SMALL), 1
    fake.s3_refusals = [(403, "<Code>AccessDenied</Code><Message>Request has expired</Message>")]
    seen: list[int] = []
    with Client(fake.base_url, TOKEN, sleep=Clock().sleep) as client:
        client.videos.upload(small, on_progress=lambda told: seen.append(told.sent_bytes), journal_folder=tmp_path)
    assert fake.parts == {1: SMALL}
    assert len(fake.sent("POST", "/videos/vid_1/upload/parts")) == 2
    assert 0 in seen[1:], "what did not arrive is not counted"


def test_a_part_that_never_gets_through_ends_the_upload(fake: FakeService, small: Path, tmp_path: Path) -> None:
    fake.part_size_bytes, fake.part_count = 1000, 11
    fake.s3_refusals = [(503, "<Code>SlowDown</Code>")] * 100
    client = Client(fake.base_url, TOKEN, retries=Retries(2), sleep=Clock().sleep)
    with client, pytest.raises(reelscan.StorageRefused, match="SlowDown"):
        client.videos.upload(small, journal_folder=tmp_path)
    assert fake.sent("POST", "/videos/vid_1/upload/complete") == []


def test_an_upload_that_s3_forgot_is_not_hammered(fake: FakeService, small: Path, tmp_path: Path) -> None:
    fake.part_size_bytes, fake.part_count = len(SMALL), 1
    fake.s3_refusals = [(404, "<Code>NoSuchUpload</Code>")]
    with Client(fake.base_url, TOKEN) as client, pytest.raises(reelscan.StorageRefused, match="NoSuchUpload"):
        client.videos.upload(small, journal_folder=tmp_path)
    assert len(fake.sent("PUT", "/s3/part/1")) == 1


def test_a_file_that_changes_meanwhile_is_not_completed(fake: FakeService, small: Path, tmp_path: Path) -> None:
    fake.part_size_bytes, fake.part_count = 4096, 3

    def change(progress: UploadProgress) -> None:
        if progress.parts_done == 2:
            os.utime(small, (1, 1))

    with Client(fake.base_url, TOKEN) as client, pytest.raises(reelscan.FileChanged):
        client.videos.upload(small, on_progress=change, parallel=1, journal_folder=tmp_path / "journal")
    assert fake.sent("POST", "/videos/vid_1/upload/complete") == []


def test_what_the_service_rejects_in_the_end_is_raised(fake: FakeService, small: Path, tmp_path: Path) -> None:
    error = {"code": "SIZE_MISMATCH", "title": "T", "detail": "one byte less", "hint": "H"}
    rejecting = Rejecting(fake, make_video("REJECTED", error=error))
    with Client(BASE_URL, TOKEN, transport=rejecting) as client, pytest.raises(reelscan.SizeMismatch, match="one byte"):
        client.videos.upload(small, journal_folder=tmp_path)


class Rejecting(httpx.MockTransport):
    """A service whose uploads in one part end rejected."""

    def __init__(self, fake: FakeService, video: dict[str, Any]) -> None:
        super().__init__(self._answer)
        fake.part_size_bytes, fake.part_count, fake.base_url = len(SMALL), 1, BASE_URL
        self._fake, self._video = fake, video

    def _answer(self, request: httpx.Request) -> httpx.Response:
        request.read()
        if request.url.path.endswith("/complete"):
            return httpx.Response(200, json={"video": self._video})
        seen = Request(request.method, request.url.path, {}, dict(request.headers), request.content)
        status, headers, body = self._fake.answer(seen)
        return httpx.Response(status, headers=headers, json=body)


# ---- killed and gone on with ----------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone: nobody catches this."""


class Killing(httpx.BaseTransport):
    """Lets requests through until one is its last, which the service sees or not."""

    def __init__(self, memory: httpx.BaseTransport, last: int, *, is_seen: bool) -> None:
        self._memory, self._left, self._is_seen = memory, last, is_seen

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._left -= 1
        if self._left >= 0:
            return self._memory.handle_request(request)
        if self._is_seen and self._left == -1:
            self._memory.handle_request(request)
        raise Killed


def killed_upload(memory: httpx.BaseTransport, path: Path, folder: Path, last: int, *, is_seen: bool) -> bool:
    """Whether it was killed; False when it got to its end before."""
    try:
        client_of(Killing(memory, last, is_seen=is_seen)).videos.upload(path, parallel=1, journal_folder=folder)
    except Killed:
        return True
    return False


@pytest.mark.parametrize("is_seen", [False, True], ids=["the request is lost", "the answer is lost"])
def test_an_upload_that_is_killed_at_any_request_goes_on(small: Path, tmp_path: Path, is_seen: bool) -> None:
    for last in range(20):
        server, folder = PartsServer(4096, tmp_path / f"stored-{last}"), tmp_path / f"journal-{last}"
        server.stored.touch()
        if not killed_upload(InProcess(server), small, folder, last, is_seen=is_seen):
            break
        client_of(InProcess(server)).videos.upload(small, journal_folder=folder)
        assert server.stored.read_bytes() == SMALL
        assert server.whole == {1: 1, 2: 1, 3: 1}, f"killed at request {last}"
        assert len(set(server.keys)) == 1
        assert list(folder.iterdir()) == []
    assert last == 8, "announce, three parts to sign and to send, complete"


def test_an_upload_that_was_killed_goes_on_at_the_real_service(large: Path, tmp_path: Path) -> None:
    memory = InMemory(Service(IN_PARTS))
    assert killed_upload(memory, large, tmp_path, 4, is_seen=True)
    client_of(memory).videos.upload(large, journal_folder=tmp_path)
    assert stored(memory.service) == [digest(large.read_bytes())]
    puts = [request.url.path for request in memory.requests if request.method == "PUT"]
    assert sorted(puts) == ["/part/1", "/part/2", "/part/3"]
    assert len(list(client_of(memory).videos.list())) == 1


def test_an_upload_of_a_file_that_changed_is_another_one(large: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.mp4"
    path.write_bytes(large.read_bytes())
    memory = InMemory(Service(IN_PARTS))
    assert killed_upload(memory, path, tmp_path / "journal", 4, is_seen=False)
    path.write_bytes(path.read_bytes()[::-1])
    client_of(memory).videos.upload(path, journal_folder=tmp_path / "journal")
    assert stored(memory.service) == [digest(path.read_bytes())]
    assert len(list(client_of(memory).videos.list())) == 2


def test_an_upload_that_was_given_up_or_deleted_begins_anew(large: Path, tmp_path: Path) -> None:
    give_up: list[Callable[[Client, str], object]] = [
        lambda client, video_id: memory.service.call("DELETE", f"/videos/{video_id}/upload"),
        lambda client, video_id: client.videos.delete(video_id),
    ]
    for number, end in enumerate(give_up):
        memory, folder = InMemory(Service(IN_PARTS)), tmp_path / f"journal-{number}"
        assert killed_upload(memory, large, folder, 4, is_seen=False)
        client = client_of(memory)
        end(client, next(iter(client.videos.list())).video_id)
        client.videos.upload(large, journal_folder=folder)
        assert stored(memory.service) == [digest(large.read_bytes())]


def test_a_journal_that_is_no_journal_is_begun_anew(large: Path, tmp_path: Path) -> None:
    memory = InMemory(Service(IN_PARTS))
    assert killed_upload(memory, large, tmp_path, 4, is_seen=False)
    (journal,) = tmp_path.iterdir()
    journal.write_text("{")
    client_of(memory).videos.upload(large, journal_folder=tmp_path)
    assert stored(memory.service) == [digest(large.read_bytes())]


def test_journals_that_are_older_than_what_the_service_remembers_are_removed(small: Path, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    os.utime(tmp_path / "old.json", (1, 1))
    client_of(InMemory(Service())).videos.upload(small, journal_folder=tmp_path)
    assert list(tmp_path.glob("*.json")) == []
