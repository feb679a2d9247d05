"""Reading the video from S3: exactly the pinned bytes, whatever happens on the way. The S3 is a script on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

from chalicelib.contracts.work_order import OrderedSource
from chalicelib.domain.errors import ErrorCode
from gpu_batch.aws import Cloud, S3Source
from gpu_batch.errors import BadInput, Passing
from tests.fakes.pauses import no_pauses

CONTENT = bytes(range(256)) * 400
ETAG = "0123456789abcdef"


class ScriptedS3(ThreadingHTTPServer):
    """Serves `CONTENT` by range; `next_answers` says what goes wrong with the next requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.next_answers: list[str] = []
        self.requests: list[dict[str, str]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedS3

    def do_GET(self) -> None:
        self.server.requests.append(
            {"path": self.path, **{name.lower(): value for name, value in self.headers.items()}}
        )
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        body = CONTENT[int(first) : int(last) + 1 if last else None]
        answer = self.server.next_answers.pop(0) if self.server.next_answers else "good"
        if answer.isdigit():
            self._send(int(answer), f"<Error><Code>{CODES[answer]}</Code><Message>no</Message></Error>".encode())
        elif answer == "cut off":
            self._send(206, body, sent=len(body) // 3)
        else:
            self._send(206, body)

    def _send(self, status: int, body: bytes, sent: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])
        if sent is not None:
            self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        pass


CODES = {"404": "NoSuchKey", "412": "PreconditionFailed", "403": "AccessDenied", "503": "SlowDown"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedS3]:
    server = ScriptedS3()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    # boto3's own session keeps the first credentials that it saw: those of this test are for nobody else.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with no_pauses():
        yield server
    server.shutdown()
    server.server_close()
    thread.join()


def open_source(**changes: Any) -> S3Source:
    fields: dict[str, Any] = {
        "bucket": "bucket",
        "key": "source",
        "version_id": "v1",
        "etag": ETAG,
        "size_bytes": len(CONTENT),
        "content_digest": "digest",
    }
    return Cloud("meta", "results", "bucket").open_source(OrderedSource(**(fields | changes)))


def test_a_range_is_one_request_for_exactly_its_bytes(s3: ScriptedS3) -> None:
    source = open_source()
    assert source.read(1000, 500) == CONTENT[1000:1500]
    assert [request["range"] for request in s3.requests] == ["bytes=1000-1499"]
    assert (source.requests, source.bytes_read) == (1, 500)


def test_every_request_is_pinned_to_the_accepted_bytes(s3: ScriptedS3) -> None:
    open_source().read(0, 10)
    (request,) = s3.requests
    assert request["if-match"] == f'"{ETAG}"'
    assert "versionId=v1" in request["path"]


def test_a_range_beyond_the_end_is_cut_to_what_there_is(s3: ScriptedS3) -> None:
    assert open_source().read(len(CONTENT) - 5, 100) == CONTENT[-5:]


@pytest.mark.parametrize(("offset", "size"), [(len(CONTENT), 1), (len(CONTENT) + 7, 1), (3, 0)])
def test_nothing_is_asked_for_where_there_is_nothing(s3: ScriptedS3, offset: int, size: int) -> None:
    assert open_source().read(offset, size) == b""
    assert s3.requests == []


def test_a_body_that_breaks_off_is_continued_where_it_ended(s3: ScriptedS3) -> None:
    s3.next_answers = ["cut off"]
    assert open_source().read(100, 3000) == CONTENT[100:3100]
    assert [request["range"] for request in s3.requests] == ["bytes=100-3099", "bytes=1100-3099"]


def test_the_continued_request_is_pinned_too(s3: ScriptedS3) -> None:
    s3.next_answers = ["cut off"]
    open_source().read(100, 3000)
    assert [request["if-match"] for request in s3.requests] == [f'"{ETAG}"'] * 2


def test_bytes_that_were_replaced_in_the_middle_of_a_read_are_not_mixed(s3: ScriptedS3) -> None:
    s3.next_answers = ["cut off", "412"]
    with pytest.raises(BadInput, match="was replaced"):
        open_source().read(100, 3000)


@pytest.mark.parametrize(
    ("answer", "code"),
    [("412", ErrorCode.SOURCE_CHANGED), ("404", ErrorCode.SOURCE_GONE), ("403", ErrorCode.SOURCE_GONE)],
    ids=["changed", "gone", "not ours to read"],
)
def test_a_source_that_is_not_what_was_accepted_says_so(s3: ScriptedS3, answer: str, code: ErrorCode) -> None:
    s3.next_answers = [answer]
    with pytest.raises(BadInput) as caught:
        open_source().read(0, 10)
    assert caught.value.failure.code is code


def test_a_refusal_that_may_pass_is_tried_again_by_another_attempt(s3: ScriptedS3) -> None:
    s3.next_answers = ["503"] * 5
    with pytest.raises(Passing, match="reading the source failed"):
        open_source().read(0, 10)


def test_a_small_object_of_ours_is_read_whole(s3: ScriptedS3) -> None:
    assert Cloud("meta", "results", "bucket").get_object("cells") == CONTENT


def test_a_part_of_an_object_of_ours_is_read_alone(s3: ScriptedS3) -> None:
    assert Cloud("meta", "results", "bucket").get_object("table", 10, 20) == CONTENT[10:30]


def test_an_object_that_may_be_missing_is_none(s3: ScriptedS3) -> None:
    s3.next_answers = ["404"]
    assert Cloud("meta", "results", "bucket").find_object("checkpoint") is None
