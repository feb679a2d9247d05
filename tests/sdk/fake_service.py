"""A service that speaks the REST contract over real HTTP and answers from what a test lays down: no rules, no AWS."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]

TOKEN = "token-of-tenant-a"
VIDEO_ID = "vid_1"
JOB_ID = "job_1"

SINCE = "2026-11-01T00:00:00Z"
MEDIA: Json = {
    "container": "mp4",
    "codec": "h264",
    "rotation": 0,
    "duration_seconds": 1.0,
    "timebase": "1/12800",
    "width": 160,
    "height": 96,
    "keyframes": 1,
}


def make_video(state: str = "READY", **more: Any) -> Json:
    """A video as the API shows it."""
    named = {"video_id": VIDEO_ID, "filename": "clip.mp4", "size_bytes": 1, "created_at": SINCE}
    return {**named, "state": state, "media": MEDIA, **more}


def make_job(state: str = "SUCCEEDED", done: int = 3, total: int = 3, **more: Any) -> Json:
    """A job as the API shows it."""
    progress = {"segments_total": total, "segments_done": done, "segments_failed": 0}
    asked: Json = {
        "pipeline": None,
        "promote": True,
        "models": [],
        "sampling": {"kind": "every_frame"},
        "tracking": True,
    }
    named = {"job_id": JOB_ID, "video_id": VIDEO_ID, "created_at": SINCE, "tracking": True}
    return {**named, **asked, "state": state, "progress": progress, **more}


def make_summary(label: str = "person", detections: int = 3) -> Json:
    """What the finish found: one label, seen from 0.2 to 0.8 s."""
    seen = {"first_seconds": 0.2, "last_seconds": 0.8, "ranges": [[0.2, 0.8]]}
    row = {"label": label, "detections": detections, "tracks": 1, "score_max": 0.87, **seen}
    return {"detections": detections, "tracks": 1, "frames_analyzed": 25, "labels": [row]}


def make_detection(pts: int, box: tuple[float, float, float, float] = (20, 20, 80, 80), track_id: int = 1) -> Json:
    """A detection as the API shows it."""
    return {
        "pts": pts,
        "timebase": "1/12800",
        "model": "toy",
        "time_seconds": pts / 12_800,
        "frame_index": pts // 512,
        "label": "person",
        "score": 0.87,
        "box": list(box),
        "track_id": track_id,
    }


@dataclass
class Request:
    """What a client sent."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Json:
        answer: Json = json.loads(self.body)
        return answer


@dataclass
class FakeService:
    """What the service will answer, and what it was asked."""

    base_url: str = ""
    jobs: list[Json] = field(default_factory=lambda: [make_job(summary=make_summary())])
    """Answers of GET /jobs/…, one after the other; the last one stays."""
    detection_pages: list[list[Json]] = field(default_factory=lambda: [[]])
    exports: list[Json] = field(default_factory=lambda: [{}])
    """What the answers about the export say beside the usual; the last one stays."""
    exported: bytes = b""
    part_size_bytes: int = 0
    """0: a presigned POST; else a multipart upload in parts of this size."""
    part_count: int = 0
    s3_refusals: list[tuple[int, str]] = field(default_factory=list)
    """Status and body of the next answers of S3, before it accepts."""
    problem: Json | None = None
    """Answer of every route but /health, instead of the usual one."""
    video_state: str = "READY"
    segments: list[Json] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    parts: dict[int, bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sent(self, method: str, path: str) -> list[Request]:
        """What came to one route."""
        return [request for request in self.requests if (request.method, request.path) == (method, path)]

    def answer(self, request: Request) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body."""
        with self.lock:
            self.requests.append(request)
            if request.path.startswith("/s3/"):
                return self._answer_as_s3(request)
            if self.problem is not None and request.path != "/health":
                return self.problem["status"], {"Content-Type": "application/problem+json"}, self.problem
            return self._answer_as_service(request)

    def _answer_as_service(self, request: Request) -> tuple[int, dict[str, str], Any]:
        match request.method, request.path:
            case "GET", "/health":
                return 200, {}, {"status": "ok", "version": "0.0-fake"}
            case "POST", "/videos":
                job = make_job("PENDING", 0, 0)
                return 201, {}, {"video": make_video("AWAITING_UPLOAD"), "upload": self._ticket(), "job": job}
            case "POST", "/videos/vid_1/upload/parts":
                numbers = request.json()["part_numbers"]
                return 200, {}, {"items": [self._signed_part(number) for number in numbers]}
            case "GET", "/videos/vid_1/upload/parts":
                stored = [
                    {"part_number": number, "etag": f"etag-{number}", "size_bytes": len(content)}
                    for number, content in sorted(self.parts.items())
                ]
                return 200, {}, {"items": stored, "next_cursor": None}
            case "POST", "/videos/vid_1/upload/complete":
                return 200, {}, {"video": make_video("UPLOADED")}
            case "GET", "/videos/vid_1":
                return 200, {}, {"video": make_video(self.video_state)}
            case "GET", "/jobs/job_1":
                job = self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0]
                return 200, {"Retry-After": "0"}, {"job": job}
            case "GET", "/models":
                return 200, {}, {"items": [], "next_cursor": None}
            case "GET", "/jobs/job_1/segments":
                return 200, {}, {"items": self.segments, "next_cursor": None}
            case "GET", "/jobs/job_1/detections":
                page = int(request.query.get("cursor", "0"))
                last = page == len(self.detection_pages) - 1
                cursor = None if last else str(page + 1)
                return 200, {}, {"items": self.detection_pages[page], "next_cursor": cursor}
            case "POST", "/jobs/job_1/exports":
                return 202, {}, {"export": self._export()}
            case "GET", "/jobs/job_1/exports/exp_1":
                return 200, {}, {"export": self._export()}
        return 404, {"Content-Type": "text/plain"}, f"no route for {request.method} {request.path}"

    def _answer_as_s3(self, request: Request) -> tuple[int, dict[str, str], Any]:
        if self.s3_refusals:
            status, body = self.s3_refusals.pop(0)
            return status, {"Content-Type": "application/xml"}, body
        if request.method == "PUT":
            number = int(request.path.rsplit("/", 1)[1])
            self.parts[number] = request.body
            return 200, {"ETag": f'"etag-{number}"'}, ""
        if request.method == "GET":
            return 200, {"Content-Type": "video/mp4"}, self.exported
        return 204, {}, ""

    def _export(self) -> Json:
        more = self.exports.pop(0) if len(self.exports) > 1 else self.exports[0]
        made = {
            "state": "SUCCEEDED",
            "file_name": "clip-annotated.mp4",
            "detections": 3,
            "sha256": hashlib.sha256(self.exported).hexdigest(),
            "url": f"{self.base_url}/s3/export",
        }
        asked: Json = {"export_id": "exp_1", "format": "mp4", "options": {"gzip": False}}
        return {**asked, "created_at": SINCE, "job_finished_at": SINCE, **made, **more}

    def _ticket(self) -> Json:
        until = {"expires_at": "2030-01-01T00:00:00Z"}
        if self.part_size_bytes:
            return {
                "kind": "multipart",
                "part_size_bytes": self.part_size_bytes,
                "part_count": self.part_count,
                **until,
            }
        return {"kind": "post", "url": f"{self.base_url}/s3/bucket", "fields": {"key": "k", "policy": "p"}, **until}

    def _signed_part(self, number: int) -> Json:
        return {"part_number": number, "url": f"{self.base_url}/s3/part/{number}", "headers": {"X-Signed": str(number)}}


def _content(answer: Any) -> bytes:
    if isinstance(answer, bytes):
        return answer
    return (answer if isinstance(answer, str) else json.dumps(answer)).encode()


@contextmanager
def serving(service: FakeService) -> Iterator[FakeService]:
    """`service` on a free port of the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, url.path, query, headers, body)
            status, answer_headers, answer = service.answer(request)
            content = _content(answer)
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **answer_headers}.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if status != 204:
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = _handle  # noqa: N815 - names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server has it
            """Nothing: a test's output is its own."""

    class Listener(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Nothing: a client that stopped an upload closes its connections."""

    server = Listener(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
