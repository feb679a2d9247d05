"""The REST API as Python calls: one method per route that the demo needs, plain JSON in and out.

Names are those of the API; its OpenAPI document, at `/openapi.json`, is the reference.
"""

from __future__ import annotations

import hashlib
import mimetypes
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

Json = dict[str, Any]

TERMINAL_STATES = frozenset({"SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED"})

PAGE_LIMIT = 1000
"""Items asked for in one page; a page may hold fewer, or none, and still be followed by another."""

CONNECT_RETRIES = 3
TIMEOUT_SECONDS = 60.0


class ServiceError(Exception):
    """The service said no, or did not answer. Carries what a person needs: what happened, why, and what to do."""

    def __init__(self, code: str, title: str, detail: str, hint: str) -> None:
        super().__init__(f"{code}: {title}")
        self.code = code
        self.title = title
        self.detail = detail
        self.hint = hint


class Service:
    """A connection to one deployment, as one tenant: `with Service(base_url, token) as service: …`."""

    def __init__(self, base_url: str, token: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
            transport=httpx.HTTPTransport(retries=CONNECT_RETRIES),
        )

    def __enter__(self) -> Self:
        """Nothing is sent yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._http.close()

    def health(self) -> Json:
        """`{"status": "ok", "version"}`."""
        return self._get("/health")

    def models(self) -> list[Json]:
        """Every model that a job can name."""
        return list(self._items("/models", {}))

    def create_model(self, filename: str, size_bytes: int, sha256: str, manifest: Json) -> Json:
        """Announce a network of one's own: `{model, upload}`, without `upload` when it is there already."""
        body = {"filename": filename, "size_bytes": size_bytes, "sha256": sha256, "manifest": manifest}
        return self._post("/models", body)

    def get_model(self, name: str) -> Json:
        """A model with all its versions, each with its `state`."""
        model: Json = self._get(f"/models/{name}")["model"]
        return model

    def create_video(self, filename: str, size_bytes: int, analyze: Json) -> Json:
        """Announce an upload and the analysis that starts when it has arrived: `{video, upload, job}`."""
        body: Json = {"filename": filename, "size_bytes": size_bytes, "analyze": analyze}
        content_type, _ = mimetypes.guess_type(filename)
        if content_type:
            body["content_type"] = content_type
        return self._post("/videos", body)

    def get_video(self, video_id: str) -> Json:
        """The video, with the facts of its probe as soon as they are known."""
        video: Json = self._get(f"/videos/{video_id}")["video"]
        return video

    def sign_parts(self, video_id: str, part_numbers: list[int]) -> list[Json]:
        """A URL and its headers for each part: `[{part_number, url, headers}, …]`."""
        parts: list[Json] = self._post(f"/videos/{video_id}/upload/parts", {"part_numbers": part_numbers})["items"]
        return parts

    def complete_upload(self, video_id: str, parts: list[Json]) -> None:
        """Make the object of its parts: `[{part_number, etag}, …]`."""
        self._post(f"/videos/{video_id}/upload/complete", {"parts": parts})

    def get_job(self, job_id: str) -> tuple[Json, float]:
        """The job, and the seconds after which the service wants to be asked again."""
        response = self._send("GET", f"/jobs/{job_id}")
        job: Json = response.json()["job"]
        return job, float(response.headers.get("Retry-After", 1))

    def find_detections(self, job_id: str, query: Mapping[str, object]) -> Json:
        """One page: `{items, next_cursor}`, in order of time."""
        return self._get(f"/jobs/{job_id}/detections", query)

    def all_detections(self, job_id: str) -> Iterator[Json]:
        """Every detection of the job at its default threshold, in order of time, page by page as they are taken."""
        return self._items(f"/jobs/{job_id}/detections", {"limit": PAGE_LIMIT})

    def request_export(self, job_id: str, form: str) -> Json:
        """The export in that format, new or there already."""
        export: Json = self._post(f"/jobs/{job_id}/exports", {"format": form})["export"]
        return export

    def get_export(self, job_id: str, export_id: str) -> Json:
        """The export as it stands; with `url` when it is made."""
        export: Json = self._get(f"/jobs/{job_id}/exports/{export_id}")["export"]
        return export

    def download(self, export: Json, path: Path) -> None:
        """The bytes of an export that is made, checked against its digest.

        Raises:
            ServiceError: S3 does not give them, or gives others.
        """
        digest = hashlib.sha256()
        try:
            # S3 knows nothing of our token.
            with path.open("wb") as file, httpx.stream("GET", export["url"], timeout=TIMEOUT_SECONDS) as answer:
                answer.raise_for_status()
                for piece in answer.iter_bytes():
                    digest.update(piece)
                    file.write(piece)
        except httpx.HTTPError as error:
            raise ServiceError(
                "UNREACHABLE",
                "The export cannot be downloaded",
                str(error),
                "Read the export again: its URL is new then",
            ) from error
        if digest.hexdigest() != export["sha256"]:
            detail = f"expected SHA-256 {export['sha256']} but got {digest.hexdigest()}"
            raise ServiceError("CHECKSUM_MISMATCH", "The download is not the export", detail, "Download it again")

    def _items(self, path: str, query: Mapping[str, object]) -> Iterator[Json]:
        cursor: str | None = None
        while True:
            page = self._get(path, {**query, "cursor": cursor} if cursor else query)
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _get(self, path: str, query: Mapping[str, object] | None = None) -> Json:
        answer: Json = self._send("GET", path, query=query).json()
        return answer

    def _post(self, path: str, body: Json) -> Json:
        answer: Json = self._send("POST", path, body=body).json()
        return answer

    def _send(
        self, method: str, path: str, *, query: Mapping[str, object] | None = None, body: Json | None = None
    ) -> httpx.Response:
        # The same key on a repeated POST gives the answer of the first: nothing is made twice.
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        parameters = {name: str(value) for name, value in (query or {}).items()}
        try:
            response = self._http.request(method, path, params=parameters, json=body, headers=headers)
        except httpx.TransportError as error:
            raise ServiceError(
                "UNREACHABLE",
                "The service does not answer",
                f"{method} {self.base_url}{path}: {error}",
                "Check the address, or start the local stack: make local",
            ) from error
        if response.is_error:
            raise _problem(response)
        return response


def _problem(response: httpx.Response) -> ServiceError:
    """What an `application/problem+json` answer says; anything else is shown as it came."""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        problem = response.json()
        return ServiceError(problem["code"], problem["title"], problem["detail"], problem["hint"])
    request = response.request
    return ServiceError(
        f"HTTP {response.status_code}",
        response.reason_phrase,
        f"{request.method} {request.url} answered {response.text[:300]!r}",
        "Is this the base URL of a reelscan service?",
    )
