"""The real service over ports in memory, as a transport of httpx: requests of the SDK in, answers out, no server."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.formparser import parse_form_data
from werkzeug.test import EnvironBuilder

from chalicelib.services.object_port import PostForm, SignedPart
from tests.api.service import ACME, Service

BASE_URL = "https://service.test"
S3_URL = "https://s3.test/"


class InMemory(httpx.MockTransport):
    """Answers as `service` does, and as S3 does for what the service has signed."""

    def __init__(self, service: Service, token: str = ACME) -> None:
        super().__init__(self._answer)
        self.service = service
        self.token = token
        self.requests: list[httpx.Request] = []

    def _answer(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        if str(request.url).startswith(S3_URL):
            return self._answer_as_s3(request)
        answer = self.service.call(
            request.method,
            request.url.path,
            request.content or None,
            query=request.url.query.decode(),
            token=request.headers.get("Authorization", "").removeprefix("Bearer ") or None,
            headers={
                name: value for name, value in request.headers.items() if name in ("idempotency-key", "if-none-match")
            },
        )
        body = answer.body
        if answer.headers.get("content-type", "").startswith("application/json") and body:
            body = json.dumps(_with_real_urls(answer.json)).encode()
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return httpx.Response(answer.status, headers=headers, content=body)

    def _answer_as_s3(self, request: httpx.Request) -> httpx.Response:
        objects = self.service.fakes.objects
        grant = str(request.url.params.get("grant", ""))
        if request.method == "PUT":
            number = int(request.url.path.rpartition("/")[2])
            is_taken = objects.put_part(SignedPart(number, grant, {}), request.content)
            return httpx.Response(200 if is_taken else 400, headers={"ETag": f'"{_etag_of(objects, grant, number)}"'})
        if request.method == "POST":
            fields, files = _form(request)
            is_taken = objects.post(PostForm("memory:post", dict(fields.items())), files["file"].read())
            return httpx.Response(204) if is_taken else httpx.Response(400, text="<Code>BadDigest</Code>")
        stored = objects.fetch(grant)
        return httpx.Response(404) if stored is None else httpx.Response(200, content=stored)


def _etag_of(objects: Any, grant: str, number: int) -> str:
    parts = objects.list_parts("", json.loads(grant)["upload_id"])
    return next((part.etag for part in parts if part.part_number == number), "")


def _form(request: httpx.Request) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
    builder = EnvironBuilder(method="POST", data=request.content, content_type=request.headers["Content-Type"])
    _, fields, files = parse_form_data(builder.get_environ())
    return fields, files


def _with_real_urls(answer: Any) -> Any:
    """The fake store signs with what is no URL: give it the look of one."""
    if isinstance(answer, list):
        return [_with_real_urls(item) for item in answer]
    if not isinstance(answer, dict):
        return answer
    fields = {name: _with_real_urls(value) for name, value in answer.items()}
    if isinstance(url := fields.get("url"), str):
        path = f"part/{fields['part_number']}" if "part_number" in fields else "object"
        fields["url"] = f"{S3_URL}{path}?grant={quote(url)}"
    return fields
