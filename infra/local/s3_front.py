"""S3 in front of moto: signatures, expiry, POST policies, checksums, CORS, ranges and "Object Created" events."""

from __future__ import annotations

import io
import itertools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser
from werkzeug.wrappers import Request, Response

from infra.local import moto_patches
from infra.local.cors import answer_preflight, cors_headers
from infra.local.events import ACCOUNT_ID, make_event
from infra.local.moto_gate import MotoGate
from infra.local.post_policy import check_policy
from infra.local.s3_body import Body, spool
from infra.local.sigv4 import (
    S3Refusal,
    SignedRequest,
    access_denied,
    check_header,
    check_policy_signature,
    check_presigned,
)
from infra.wiring import Bucket

SIGNING_PARAMETERS = frozenset(
    {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"}
)
# moto wants to see credentials and does not look at them: this front has checked the real ones.
INSIDE_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=inside/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=inside"
)
FORM_MEMORY_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class _Target:
    bucket: str
    key: str
    """Empty when the request is about the bucket."""

    @property
    def raw_path(self) -> str:
        return f"/{self.bucket}/{quote(self.key)}"


class S3Front:
    """The service `s3`, for one bucket of ours and whatever else boto3 asks."""

    def __init__(
        self, gate: MotoGate, bucket: Bucket, secret_by_key: Mapping[str, str], emit: Callable[[dict[str, Any]], None]
    ) -> None:
        """`emit` takes "Object Created" events; it must return at once."""
        self._gate = gate
        self._bucket = bucket
        self._secret_by_key = secret_by_key
        self._emit = emit
        self._sequence = itertools.count(int(datetime.now(UTC).timestamp() * 1e6))

    def handle(self, request: Request) -> Response:
        """Serve one request."""
        if request.method == "OPTIONS":
            return answer_preflight(self._bucket.cors, dict(request.headers))
        try:
            response = self._serve(request)
        except S3Refusal as refusal:
            response = _error(refusal, request)
        # moto allows every origin by itself; a header that comes twice is one that browsers refuse.
        for name in [name for name, _ in response.headers if name.lower().startswith("access-control-")]:
            del response.headers[name]
        response.headers.extend(cors_headers(self._bucket.cors, dict(request.headers)))
        return response

    def _serve(self, request: Request) -> Response:
        if request.method == "POST" and request.mimetype == "multipart/form-data":
            return self._post_form(request)
        self._authenticate(request)
        if request.method in ("PUT", "POST"):
            return self._write(request)
        if request.method == "GET" and "Range" in request.headers and _target(request).key:
            return self._read_range(request)
        return self._gate.call(_inside(request))

    def _authenticate(self, request: Request) -> None:
        signed = SignedRequest(
            request.method,
            request.environ["RAW_URI"].partition("?")[0],
            request.environ["QUERY_STRING"],
            {name.lower(): value for name, value in request.headers.items()},
        )
        now = datetime.now(UTC)
        if "X-Amz-Signature" in request.args:
            check_presigned(signed, self._secret_by_key, now)
        elif request.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256"):
            check_header(signed, self._secret_by_key, now)
        elif "AWSAccessKeyId" in request.args:
            raise S3Refusal(
                400,
                "InvalidRequest",
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            )
        else:
            raise access_denied()

    def _write(self, request: Request) -> Response:
        if request.content_length is None:
            raise S3Refusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        headers = {name.lower(): value for name, value in request.headers.items()}
        # The checksums of an aws-chunked body are of what it holds, not of its chunks; moto takes those apart.
        is_chunked = "aws-chunked" in headers.get("content-encoding", "")
        body = spool(request.environ["wsgi.input"], request.content_length, {} if is_chunked else headers)
        environ = _inside(request, body)
        if "x-amz-checksum-sha256" in headers:
            # Without the name of the algorithm, moto forgets the checksum.
            environ["HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM"] = "SHA256"
        reason = _reason_of_creation(request)
        if reason is None:
            return self._gate.call(environ)
        if reason == "CompleteMultipartUpload":
            # moto breaks down over an upload that it does not have; asked for the parts, it answers like S3.
            query = f"uploadId={quote(request.args['uploadId'])}"
            parts = self._gate.call(_environ({"REQUEST_METHOD": "GET"}, _target(request).raw_path, query, None))
            if parts.status_code != 200:
                return parts
        return self._create_object(environ, _target(request), reason, request.remote_addr)

    def _create_object(self, environ: dict[str, Any], target: _Target, reason: str, address: str | None) -> Response:
        response = self._gate.call(environ)
        if response.status_code != 200 or target.bucket != self._bucket.name:
            return response
        created = self._gate.call(_head(target, response.headers["x-amz-version-id"]))
        detail = {
            "version": "0",
            "bucket": {"name": target.bucket},
            "object": {
                "key": target.key,
                "size": int(created.headers["Content-Length"]),
                "etag": created.headers["ETag"].strip('"'),
                "version-id": created.headers["x-amz-version-id"],
                # Later writes of one key compare greater, as text.
                "sequencer": f"{next(self._sequence):018X}",
            },
            "request-id": uuid.uuid4().hex[:16].upper(),
            "requester": ACCOUNT_ID,
            "source-ip-address": address or "",
            "reason": reason,
        }
        self._emit(make_event("aws.s3", "Object Created", detail, [f"arn:aws:s3:::{target.bucket}"]))
        return response

    def _read_range(self, request: Request) -> Response:
        # moto reads the whole object for every range of it; its HEAD knows conditions, versions and bounds.
        target = _target(request)
        environ = _inside(request)
        with moto_patches.LOCK:
            response = self._gate.call({**environ, "REQUEST_METHOD": "HEAD"})
            if response.status_code != 206:
                return self._gate.call(environ)
            first = int(response.headers["Content-Range"].removeprefix("bytes ").partition("-")[0])
            version_id = request.args.get("versionId")
            count = int(response.headers["Content-Length"])
            data = moto_patches.read_object_range(target.bucket, target.key, version_id, first, count)
        response.set_data(data)
        return response

    def _post_form(self, request: Request) -> Response:
        _, form, files = _parse_form(request)
        fields = {name.lower(): value for name, value in form.items()}
        if "key" not in fields:
            raise S3Refusal(400, "InvalidArgument", "Bucket POST must contain a field named 'key'.")
        if len(files) != 1 or "file" not in files:
            raise S3Refusal(400, "InvalidArgument", "POST requires exactly one file upload per request.")
        upload = files["file"]
        fields["key"] = fields["key"].replace("${filename}", upload.filename or "")
        check_policy_signature(fields, self._secret_by_key)
        size_bytes = _size_of(upload.stream)
        bucket = _target(request).bucket
        check_policy(fields, bucket, size_bytes, datetime.now(UTC))
        body = spool(upload.stream, None, fields)
        target = _Target(bucket, fields["key"])
        response = self._create_object(_put(target, fields, body), target, "POST Object", request.remote_addr)
        if response.status_code != 200:
            return response
        return _form_accepted(request, target, fields, response)


def _parse_form(request: Request) -> Any:
    parser = FormDataParser(max_form_memory_size=FORM_MEMORY_BYTES, silent=False)
    try:
        return parser.parse(request.stream, request.mimetype, request.content_length, request.mimetype_params)
    except (ValueError, HTTPException) as error:
        raise S3Refusal(
            400, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data."
        ) from error


def _form_accepted(request: Request, target: _Target, fields: Mapping[str, str], response: Response) -> Response:
    status = fields.get("success_action_status", "204")
    location = f"{request.host_url}{target.bucket}/{quote(target.key)}"
    headers = {name: value for name, value in response.headers.items() if name.lower() in ("etag", "x-amz-version-id")}
    headers["Location"] = location
    if status != "201":
        return Response(b"", 200 if status == "200" else 204, headers)
    xml = (
        f"<PostResponse><Location>{escape(location)}</Location><Bucket>{target.bucket}</Bucket>"
        f"<Key>{escape(target.key)}</Key><ETag>{escape(headers['ETag'])}</ETag></PostResponse>"
    )
    return Response(xml, 201, headers, content_type="application/xml")


def _error(refusal: S3Refusal, request: Request) -> Response:
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message>"
        f"<Resource>{escape(request.path)}</Resource><RequestId>{uuid.uuid4().hex[:16].upper()}</RequestId></Error>"
    )
    return Response(b"" if request.method == "HEAD" else xml, refusal.status, content_type="application/xml")


def _target(request: Request) -> _Target:
    bucket, _, key = unquote(request.environ["RAW_URI"].partition("?")[0]).lstrip("/").partition("/")
    return _Target(bucket, key)


def _reason_of_creation(request: Request) -> str | None:
    """Why an object appears if this succeeds, in the words of S3's events; None when none does."""
    if not _target(request).key:
        return None
    names = {name for name, _ in parse_qsl(request.environ["QUERY_STRING"], keep_blank_values=True)}
    if request.method == "POST":
        return "CompleteMultipartUpload" if "uploadId" in names else None
    if names & {"uploadId", "tagging", "acl", "retention", "legal-hold"}:
        return None
    return "CopyObject" if "x-amz-copy-source" in request.headers else "PutObject"


def _inside(request: Request, body: Body | None = None) -> dict[str, Any]:
    """The request as moto shall see it: without what was only there to sign it."""
    pairs = [
        pair for pair in request.environ["QUERY_STRING"].split("&") if pair.partition("=")[0] not in SIGNING_PARAMETERS
    ]
    return _environ(request.environ, request.environ["RAW_URI"].partition("?")[0], "&".join(pairs), body)


def _head(target: _Target, version_id: str) -> dict[str, Any]:
    return _environ({"REQUEST_METHOD": "HEAD"}, target.raw_path, f"versionId={quote(version_id)}", None)


def _put(target: _Target, fields: Mapping[str, str], body: Body) -> dict[str, Any]:
    """The PUT that does what the accepted form asks for."""
    base = {"REQUEST_METHOD": "PUT", "CONTENT_TYPE": fields.get("content-type", "binary/octet-stream")}
    for name, value in fields.items():
        if name.startswith(("x-amz-meta-", "x-amz-checksum-")) or name in ("cache-control", "content-disposition"):
            base[f"HTTP_{name.upper().replace('-', '_')}"] = value
    if "x-amz-checksum-sha256" in fields:
        base["HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM"] = "SHA256"
    return _environ(base, target.raw_path, "", body)


def _environ(base: Mapping[str, Any], raw_path: str, query: str, body: Body | None) -> dict[str, Any]:
    uri = f"{raw_path}?{query}" if query else raw_path
    environ = {
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "HTTP_HOST": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        **base,
        "PATH_INFO": unquote(raw_path, "latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": uri,
        "REQUEST_URI": uri,
        "HTTP_AUTHORIZATION": INSIDE_AUTHORIZATION,
    }
    if body is not None:
        environ |= {"wsgi.input": body.stream, "CONTENT_LENGTH": str(body.size_bytes)}
    return environ


def _size_of(stream: Any) -> int:
    size = int(stream.seek(0, 2))
    stream.seek(0)
    return size
