"""What a client does, with a plain HTTP client: upload by ticket, start jobs, wait, read."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

Json = dict[str, Any]

TERMINAL = frozenset({"SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED"})
FAST_MODEL = "ssdlite-mobilenet-v2"
POLL_SECONDS = 0.05
"""While each step is to be seen."""
WAIT_SECONDS = 0.2
"""While only the end is: each look costs the stack some milliseconds, of the same processors that the workers need."""
PATIENCE_SECONDS = 100.0
TRUSTED = httpx.create_ssl_context()
"""For every connection, though none here needs it: each would read the certificates of all authorities anew."""


class Tenant:
    """One tenant of a running system."""

    def __init__(self, base_url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=base_url, headers=headers, timeout=30, verify=TRUSTED)

    def announce(self, path: Path, *, analyze: Json | None = None, **declared: Any) -> Json:
        """The answer to `POST /videos`; `declared` goes over what the file says of itself."""
        body = {"filename": path.name, "size_bytes": path.stat().st_size, "content_type": "video/mp4", **declared}
        return self.post("/videos", body | ({"analyze": analyze} if analyze else {}), expect=201)

    def send(self, upload: Json, path: Path) -> httpx.Response:
        """S3's answer to the form of a ticket."""
        with path.open("rb") as file:
            return httpx.post(upload["url"], data=upload["fields"], files={"file": file}, timeout=30, verify=TRUSTED)

    def upload(self, path: Path, *, analyze: Json | None = None, **declared: Any) -> Json:
        """Announce and send; the answer to `POST /videos`."""
        created = self.announce(path, analyze=analyze, **declared)
        assert self.send(created["upload"], path).status_code == 204
        return created

    def analyze(self, path: Path, *, model: str = FAST_MODEL, **request: Any) -> str:
        """Upload a file and have it analysed; the job's id."""
        return str(self.upload(path, analyze={"models": [model], **request})["job"]["job_id"])

    def job(self, job_id: str) -> Json:
        return dict(self.get(f"/jobs/{job_id}")["job"])

    def video(self, video_id: str) -> Json:
        return dict(self.get(f"/videos/{video_id}")["video"])

    def segments(self, job_id: str) -> list[Json]:
        return list(self.pages(f"/jobs/{job_id}/segments"))

    def items(self, job_id: str, **query: Any) -> list[Json]:
        """All detections that match; with `score_min=0`, all that were stored."""
        return list(self.pages(f"/jobs/{job_id}/detections", **{"limit": 1000, **query}))

    def all_items(self, job_id: str) -> list[Json]:
        return self.items(job_id, score_min=0)

    def pages(self, path: str, **query: Any) -> Iterator[Json]:
        """The items of every page, one after the other."""
        cursor = None
        while True:
            page = self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def wait(self, job_id: str, patience_seconds: float = PATIENCE_SECONDS) -> Json:
        """The job, once it has ended."""
        for job in self.watch(job_id, patience_seconds, WAIT_SECONDS):
            if job["state"] in TERMINAL:
                return job
        raise AssertionError("watch ends with a job that has ended")

    def watch(
        self, job_id: str, patience_seconds: float = PATIENCE_SECONDS, pause_seconds: float = POLL_SECONDS
    ) -> Iterator[Json]:
        """The job, again and again, until it has ended."""
        deadline = time.monotonic() + patience_seconds
        while True:
            job = self.job(job_id)
            yield job
            if job["state"] in TERMINAL:
                return
            assert time.monotonic() < deadline, f"job {job_id} is still {job['state']} after {patience_seconds} s"
            threading.Event().wait(pause_seconds)

    def wait_for_video(self, video_id: str) -> Json:
        """The video, once it is known whether it can be analysed."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (video := self.video(video_id))["state"] not in ("READY", "REJECTED"):
            assert time.monotonic() < deadline, f"video {video_id} is still {video['state']}"
            threading.Event().wait(WAIT_SECONDS)
        return video

    def succeed(self, job_id: str, patience_seconds: float = PATIENCE_SECONDS) -> Json:
        """The job, which must end well."""
        job = self.wait(job_id, patience_seconds)
        assert job["state"] == "SUCCEEDED", job
        return job

    def export(self, job_id: str, form: str, **options: Any) -> tuple[Json, bytes]:
        """An export that must end well, and its bytes as a browser gets them."""
        path, body = f"/jobs/{job_id}/exports", {"format": form, "options": options}
        return self._made(path, body, "export")

    def rendition(self, video_id: str, kind: str, **options: Any) -> tuple[Json, bytes]:
        """A rendition likewise."""
        return self._made(f"/videos/{video_id}/renditions", {"kind": kind, **options}, "rendition")

    def _made(self, path: str, body: Json, name: str) -> tuple[Json, bytes]:
        """What a worker makes for this request, and its file."""
        made = self.post(path, body, expect=202)[name]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while made["state"] in ("QUEUED", "RUNNING"):
            assert time.monotonic() < deadline, f"{name} {made} is not made after {PATIENCE_SECONDS} s"
            threading.Event().wait(WAIT_SECONDS)
            made = self.get(f"{path}/{made[f'{name}_id']}")[name]
        assert made["state"] == "SUCCEEDED", made
        answer = httpx.get(made["url"], timeout=30, verify=TRUSTED)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == made["content_type"]
        assert made["file_name"] in answer.headers["content-disposition"]
        return made, answer.content

    def get(self, path: str, **query: Any) -> Json:
        response = self.http.get(path, params=query)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def post(self, path: str, body: Json, *, expect: int = 200, **headers: str) -> Json:
        response = self.http.post(path, json=body, headers=headers)
        assert response.status_code == expect, response.text
        return dict(response.json())


def canonical(items: list[Json]) -> bytes:
    """The bytes that two equal lists of detections have in common."""
    return json.dumps(items, sort_keys=True, separators=(",", ":")).encode()
