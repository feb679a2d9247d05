"""S3 as AWS has it: every refusal, and what a browser, a player and a worker rely on."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local.environment import ACCESS_KEY, SECRET_KEY
from infra.local.sigv4 import S3Refusal, SignedRequest, check_presigned
from infra.local.stack import LocalStack
from tests.local.toys import BUCKET, ToyApp, in_threads, s3

pytestmark = pytest.mark.usefixtures("stack")

MAX_BYTES = 1000


def sha256_of(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def ticket(key: str, *, checksum: str | None = None, expires: int = 60) -> dict[str, Any]:
    """A presigned POST as the service makes it: exact key, size range, content type."""
    fields = {"Content-Type": "video/mp4"}
    if checksum is not None:
        fields["x-amz-checksum-sha256"] = checksum
    conditions: list[Any] = [{name: value} for name, value in fields.items()]
    conditions.append(["content-length-range", 1, MAX_BYTES])
    return dict(s3().generate_presigned_post(BUCKET, key, fields, conditions, ExpiresIn=expires))


def post(made: dict[str, Any], data: bytes, **changes: str | None) -> httpx.Response:
    fields = {**made["fields"], **{name.replace("_", "-"): value for name, value in changes.items()}}
    fields = {name: value for name, value in fields.items() if value is not None}
    return httpx.post(made["url"], data=fields, files={"file": ("any name.mp4", data)})


def put_url(key: str, **parameters: Any) -> str:
    return str(s3().generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": key, **parameters}, ExpiresIn=60))


def get_url(key: str, expires: int = 60) -> str:
    return str(s3().generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key}, ExpiresIn=expires))


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.text.partition("<Code>")[2].partition("</Code>")[0]


# --- POST policies


def test_a_post_that_keeps_its_policy_stores_the_object() -> None:
    response = post(ticket("tenants/a/post"), b"x" * MAX_BYTES)
    stored = s3().get_object(Bucket=BUCKET, Key="tenants/a/post")
    assert (response.status_code, stored["Body"].read(), stored["ContentType"]) == (204, b"x" * MAX_BYTES, "video/mp4")


def test_a_post_answers_with_the_etag_and_version_of_the_object() -> None:
    response = post(ticket("post-headers"), b"abc")
    stored = s3().head_object(Bucket=BUCKET, Key="post-headers")
    assert (response.headers["etag"], response.headers["x-amz-version-id"]) == (stored["ETag"], stored["VersionId"])


@pytest.mark.parametrize(
    ("data", "changes", "expected"),
    [
        (b"x" * (MAX_BYTES + 1), {}, (400, "EntityTooLarge")),
        (b"x" * MAX_BYTES * 1000, {}, (400, "EntityTooLarge")),
        (b"", {}, (400, "EntityTooSmall")),
        (b"x", {"key": "another/key"}, (403, "AccessDenied")),
        (b"x", {"key": None}, (400, "InvalidArgument")),
        (b"x", {"Content_Type": "text/html"}, (403, "AccessDenied")),
        (b"x", {"Content_Type": None}, (403, "AccessDenied")),
        (b"x", {"x_amz_meta_extra": "1"}, (403, "AccessDenied")),
        (b"x", {"x_amz_signature": "0" * 64}, (403, "SignatureDoesNotMatch")),
        (b"x", {"x_amz_signature": None}, (403, "AccessDenied")),
        (b"x", {"policy": None}, (403, "AccessDenied")),
        (
            b"x",
            {"policy": base64.b64encode(b'{"expiration": "2999-01-01T00:00:00Z"}').decode()},
            (403, "SignatureDoesNotMatch"),
        ),
    ],
    ids=[
        "too large",
        "far too large",
        "empty",
        "another key",
        "no key",
        "another content type",
        "no content type",
        "a field more",
        "wrong signature",
        "no signature",
        "no policy",
        "another policy",
    ],
)
def test_a_post_that_breaks_its_policy_is_refused(
    data: bytes, changes: dict[str, str | None], expected: tuple[int, str]
) -> None:
    assert code_of(post(ticket("refused"), data, **changes)) == expected


def test_an_expired_post_is_refused() -> None:
    assert code_of(post(ticket("late", expires=-1), b"x")) == (403, "AccessDenied")


def test_a_refused_post_stores_nothing() -> None:
    post(ticket("never"), b"x" * (MAX_BYTES + 1))
    assert "Contents" not in s3().list_objects_v2(Bucket=BUCKET, Prefix="never")


def test_a_post_whose_bytes_have_another_checksum_is_refused() -> None:
    assert code_of(post(ticket("checksum", checksum=sha256_of(b"right")), b"wrong")) == (400, "BadDigest")


def test_a_post_keeps_the_checksum_that_it_was_checked_with() -> None:
    post(ticket("checked", checksum=sha256_of(b"right")), b"right")
    stored = s3().head_object(Bucket=BUCKET, Key="checked", ChecksumMode="ENABLED")
    assert stored["ChecksumSHA256"] == sha256_of(b"right")


def test_a_post_without_a_file_is_refused(stack: LocalStack) -> None:
    made = ticket("no-file")
    response = httpx.post(made["url"], data={}, files={name: (None, value) for name, value in made["fields"].items()})
    assert code_of(response) == (400, "InvalidArgument")


# --- presigned URLs


def test_a_presigned_put_stores_the_object() -> None:
    httpx.put(put_url("tenants/a/ü +%&=?.mp4"), content=b"bytes")
    assert s3().get_object(Bucket=BUCKET, Key="tenants/a/ü +%&=?.mp4")["Body"].read() == b"bytes"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda url: url.replace("/signed?", "/other?"), (403, "SignatureDoesNotMatch")),
        (lambda url: url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"), (403, "SignatureDoesNotMatch")),
        (
            lambda url: url.replace("X-Amz-Expires=60", "X-Amz-Expires=604801"),
            (400, "AuthorizationQueryParametersError"),
        ),
        (lambda url: url.replace("reelscan-local%2F", "somebody%2F"), (403, "InvalidAccessKeyId")),
        (lambda url: url + "&versionId=1", (403, "SignatureDoesNotMatch")),
        (lambda url: url.partition("?")[0], (403, "AccessDenied")),
        (lambda url: url.partition("?")[0] + "?AWSAccessKeyId=x&Signature=y&Expires=9", (400, "InvalidRequest")),
        (lambda url: url.replace("X-Amz-Date=", "X-Amz-Dat="), (400, "AuthorizationQueryParametersError")),
    ],
    ids=["key", "expiry", "too long", "access key", "query", "unsigned", "signature v2", "incomplete"],
)
def test_an_altered_url_is_refused(change: Any, expected: tuple[int, str]) -> None:
    assert code_of(httpx.put(change(put_url("signed")), content=b"x")) == expected


def test_another_method_than_the_signed_one_is_refused() -> None:
    assert code_of(httpx.put(get_url("signed"), content=b"x")) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize(("seconds_later", "is_let_in"), [(59, True), (61, False), (-1000, False)])
def test_a_url_is_good_from_its_date_to_its_expiry(seconds_later: int, is_let_in: bool) -> None:
    url = urlsplit(get_url("any"))
    request = SignedRequest("GET", url.path, url.query, {"host": url.netloc})
    now = datetime.now(UTC) + timedelta(seconds=seconds_later)
    with nullcontext() if is_let_in else pytest.raises(S3Refusal, match=r"expired|not valid yet"):
        check_presigned(request, {ACCESS_KEY: SECRET_KEY}, now)


def test_an_amz_header_that_was_not_signed_is_refused() -> None:
    response = httpx.put(put_url("unsigned-header"), content=b"x", headers={"x-amz-meta-sneaked": "in"})
    assert code_of(response) == (403, "AccessDenied")


def test_a_put_pinned_to_a_length_refuses_another() -> None:
    url = put_url("pinned", ContentLength=5)
    codes = [code_of(httpx.put(url, content=data)) for data in (b"12345", b"123456")]
    assert codes == [(200, ""), (403, "SignatureDoesNotMatch")]


def test_a_put_pinned_to_a_checksum_refuses_other_bytes() -> None:
    headers = {"x-amz-checksum-sha256": sha256_of(b"right")}
    url = put_url("pinned-sum", ChecksumSHA256=sha256_of(b"right"))
    codes = [code_of(httpx.put(url, content=data, headers=headers)) for data in (b"right", b"wrong")]
    assert codes == [(200, ""), (400, "BadDigest")]


def test_a_put_without_a_length_is_refused() -> None:
    response = httpx.put(put_url("chunked"), content=iter([b"x"]))
    assert code_of(response) == (411, "MissingContentLength")


def test_boto3_with_a_wrong_secret_is_refused() -> None:
    client = boto3.client("s3", aws_access_key_id=ACCESS_KEY, aws_secret_access_key="wrong")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client.list_objects_v2(Bucket=BUCKET)


def test_boto3_put_with_a_wrong_checksum_is_refused() -> None:
    with pytest.raises(ClientError, match="BadDigest"):
        s3().put_object(Bucket=BUCKET, Key="sum", Body=b"wrong", ChecksumSHA256=sha256_of(b"right"))


@pytest.mark.usefixtures("hasty_threads")
def test_of_concurrent_puts_with_if_none_match_one_wins() -> None:
    client = s3()
    together = threading.Barrier(4)

    def race(_: int) -> list[bool]:
        return [wins(f"raced-{round_number}") for round_number in range(50)]

    def wins(name: str) -> bool:
        together.wait()
        try:
            client.put_object(Bucket=BUCKET, Key=name, Body=b"x", IfNoneMatch="*")
        except ClientError:
            return False
        return True

    assert [sum(race) for race in zip(*in_threads(4, race), strict=True)] == [1] * 50


# --- ranges


@pytest.mark.parametrize(
    ("asked", "status", "expected", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=5-100", 206, b"56789", "bytes 5-9/10"),
        ("bytes=0-9", 206, b"0123456789", "bytes 0-9/10"),
        ("nonsense=1", 200, b"0123456789", None),
    ],
)
def test_a_range_brings_those_bytes(asked: str, status: int, expected: bytes, content_range: str | None) -> None:
    s3().put_object(Bucket=BUCKET, Key="ranged", Body=b"0123456789")
    response = httpx.get(get_url("ranged"), headers={"Range": asked})
    assert (response.status_code, response.content, response.headers.get("content-range")) == (
        status,
        expected,
        content_range,
    )


def test_a_range_past_the_end_is_416() -> None:
    s3().put_object(Bucket=BUCKET, Key="ranged", Body=b"0123456789")
    assert code_of(httpx.get(get_url("ranged"), headers={"Range": "bytes=10-"})) == (416, "InvalidRange")


def test_a_range_of_an_old_version_brings_its_bytes() -> None:
    client = s3()
    old = client.put_object(Bucket=BUCKET, Key="versions", Body=b"old-bytes")["VersionId"]
    client.put_object(Bucket=BUCKET, Key="versions", Body=b"new-bytes")
    got = client.get_object(Bucket=BUCKET, Key="versions", VersionId=old, Range="bytes=0-2")
    assert got["Body"].read() == b"old"


def test_a_range_of_another_etag_is_refused() -> None:
    client = s3()
    client.put_object(Bucket=BUCKET, Key="etag", Body=b"0123456789")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.get_object(Bucket=BUCKET, Key="etag", IfMatch='"other"', Range="bytes=0-2")


def test_a_range_of_a_missing_object_is_no_such_key() -> None:
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3().get_object(Bucket=BUCKET, Key="missing", Range="bytes=0-2")


# --- CORS


def preflight(stack: LocalStack, **headers: str) -> httpx.Response:
    return httpx.options(
        f"{stack.base_url}/{BUCKET}/key", headers={name.replace("_", "-"): v for name, v in headers.items()}
    )


def test_a_preflight_is_answered_from_the_buckets_rule(stack: LocalStack) -> None:
    response = preflight(
        stack,
        Origin="https://app.example",
        Access_Control_Request_Method="PUT",
        Access_Control_Request_Headers="content-type",
    )
    allowed = {name: value for name, value in response.headers.items() if name.startswith("access-control-allow")}
    assert (response.status_code, allowed) == (
        200,
        {
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "GET, HEAD, PUT, POST",
            "access-control-allow-headers": "content-type",
        },
    )


def test_a_preflight_for_a_method_that_no_rule_allows_is_refused(stack: LocalStack) -> None:
    response = preflight(stack, Origin="https://app.example", Access_Control_Request_Method="DELETE")
    assert code_of(response) == (403, "AccessForbidden")


def test_an_answer_to_a_page_of_another_origin_exposes_the_etag() -> None:
    response = httpx.put(put_url("cors"), content=b"x", headers={"Origin": "https://app.example"})
    assert "ETag" in response.headers["access-control-expose-headers"]


def test_an_answer_allows_an_origin_once_and_only_when_there_is_one() -> None:
    url = put_url("cors-once")
    answers = [httpx.put(url, content=b"x", headers=headers) for headers in ({"Origin": "https://app.example"}, {})]
    assert [answer.headers.get_list("access-control-allow-origin") for answer in answers] == [["*"], []]


# --- multipart and events


def created(app: ToyApp, key: str) -> dict[str, Any]:
    """The next "Object Created" event of `key`."""
    while True:
        event = app.objects.get(timeout=10)
        if event["detail"]["object"]["key"] == key:
            return dict(event)


def test_presigned_parts_become_one_object_and_one_event(app: ToyApp) -> None:
    client, name = s3(), "tenants/a/videos/parts/source"
    upload = client.create_multipart_upload(Bucket=BUCKET, Key=name)["UploadId"]
    part_bytes = [b"a" * (5 * 2**20), b"b" * 10]
    etags = []
    for number, data in enumerate(part_bytes, start=1):
        parameters = {
            "Bucket": BUCKET,
            "Key": name,
            "UploadId": upload,
            "PartNumber": number,
            "ContentLength": len(data),
        }
        url = client.generate_presigned_url("upload_part", parameters)
        etags.append(httpx.put(url, content=data, timeout=30).headers["etag"])
    parts: Any = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, start=1)]
    client.complete_multipart_upload(Bucket=BUCKET, Key=name, UploadId=upload, MultipartUpload={"Parts": parts})
    client.put_object(Bucket=BUCKET, Key="tenants/a/videos/parts-after/source", Body=b"x")
    seen = created(app, name)
    assert (seen["detail"]["object"]["size"], seen["detail"]["reason"]) == (5 * 2**20 + 10, "CompleteMultipartUpload")
    # The next event is of the next object: the completion sent no second one.
    assert app.objects.get(timeout=10)["detail"]["object"]["key"] == "tenants/a/videos/parts-after/source"


def test_an_event_names_the_object_as_eventbridge_does(app: ToyApp) -> None:
    post(ticket("tenants/a/videos/event/source"), b"abc")
    event = created(app, "tenants/a/videos/event/source")
    stored = s3().head_object(Bucket=BUCKET, Key="tenants/a/videos/event/source")
    assert (event["source"], event["detail-type"], event["detail"]["reason"]) == (
        "aws.s3",
        "Object Created",
        "POST Object",
    )
    described = {name: event["detail"]["object"][name] for name in ("key", "size", "etag", "version-id")}
    assert described == {
        "key": "tenants/a/videos/event/source",
        "size": 3,
        "etag": stored["ETag"].strip('"'),
        "version-id": stored["VersionId"],
    }


def test_sequencers_of_one_key_grow(app: ToyApp) -> None:
    for data in (b"1", b"2", b"3"):
        s3().put_object(Bucket=BUCKET, Key="tenants/a/videos/sequence/source", Body=data)
    events = sorted(
        (created(app, "tenants/a/videos/sequence/source") for _ in range(3)),
        key=lambda e: e["detail"]["object"]["sequencer"],
    )
    etags = [event["detail"]["object"]["etag"] for event in events]
    assert etags == [hashlib.md5(data).hexdigest() for data in (b"1", b"2", b"3")]


def test_an_object_that_is_no_source_starts_nothing(app: ToyApp) -> None:
    s3().put_object(Bucket=BUCKET, Key="models/x", Body=b"x")
    s3().put_object(Bucket=BUCKET, Key="tenants/a/videos/after/source", Body=b"x")
    seen: list[str] = []
    while not seen or seen[-1] != "tenants/a/videos/after/source":
        seen.append(app.objects.get(timeout=10)["detail"]["object"]["key"])
    assert "models/x" not in seen


def test_a_large_put_does_not_hold_up_others(stack: LocalStack) -> None:
    """The body is read before moto is entered: a client that sends slowly must not stop the stack."""
    url = urlsplit(put_url("slow", ContentLength=1000))
    with socket.create_connection((url.hostname, url.port)) as slow:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 1000\r\n\r\n"
        slow.sendall(head.encode() + b"x" * 10)
        answered = s3().list_objects_v2(Bucket=BUCKET, MaxKeys=1)["ResponseMetadata"]["HTTPStatusCode"]
        slow.sendall(b"x" * 990)
        assert (answered, slow.recv(100).split(b"\r\n")[0]) == (200, b"HTTP/1.1 200 OK")


def test_a_client_that_asks_first_is_told_at_once_to_send_the_body() -> None:
    """boto3 sends `Expect: 100-continue` with every PUT, and waits a second when nothing comes."""
    url = urlsplit(put_url("expect"))
    with socket.create_connection((url.hostname, url.port)) as client:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 1\r\n"
        client.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 100 Continue")


def test_signature_v2_is_what_boto3_sends_unless_told() -> None:
    """Why the service's client must ask for SigV4: this is the URL that S3 refuses for new buckets."""
    client = boto3.client("s3", config=Config(signature_version="s3"))
    url = client.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "x"})
    assert code_of(httpx.get(url)) == (400, "InvalidRequest")


def test_the_policy_of_a_ticket_names_what_it_allows() -> None:
    """The conditions that the refusals above rely on are really in the policy."""
    policy = json.loads(base64.b64decode(ticket("named")["fields"]["policy"]))
    assert ["content-length-range", 1, MAX_BYTES] in policy["conditions"]
