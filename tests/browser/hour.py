"""An hour of video with a million boxes that nobody has analysed: a server that makes up what it is asked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from werkzeug.wrappers import Request, Response

from infra.local.server import LocalServer
from infra.local.viewer import Viewer as Files

SECONDS = 3600
RATE = 10
THINGS = 28
"""Boxes of a frame: 10 × 3600 × 28 = 1,008,000."""
WIDTH, HEIGHT = 320, 180
LABELS = ("person", "car", "bicycle", "dog", "truck", "bus", "cat")
TIMEBASE = Fraction(1, 1000)
TRACK_SECONDS = 20
SCORES = tuple(round(0.2 + 0.79 * ((7 * thing) % THINGS) / THINGS, 3) for thing in range(THINGS))
DEFAULT_SCORE = 0.5

VIDEO_ID, JOB_ID = "vid_hour", "job_hour"
Json = dict[str, Any]


class Hour:
    """Serves the viewer and its one video: `with Hour(path) as hour: hour.url`."""

    def __init__(self, video: Path) -> None:
        self._content = video.read_bytes()
        self._server = LocalServer(0)
        self._files = Files("/graphql")
        self.asked: list[tuple[float, float]] = []
        """Ranges of the pages that were asked for."""
        self._routes: dict[str, Callable[[Request], Json]] = {
            "/videos": lambda _: _page([self._video()]),
            f"/videos/{VIDEO_ID}": lambda _: {"video": self._video()},
            f"/videos/{VIDEO_ID}/jobs": lambda _: _page([self._job()]),
            f"/videos/{VIDEO_ID}/source": lambda _: {
                "url": f"{self.url}/source.mp4",
                "expires_at": "2099-01-01T00:00:00Z",
            },
            f"/jobs/{JOB_ID}": lambda _: {"job": self._job()},
            f"/jobs/{JOB_ID}/segments": lambda _: _page(
                [{"index": 0, "start_pts": 0, "end_pts": SECONDS * 1000, "state": "DONE"}]
            ),
            f"/jobs/{JOB_ID}/tracks": _tracks,
            f"/jobs/{JOB_ID}/detections": self._detections,
            f"/jobs/{JOB_ID}/query": _counts,
            "/models": lambda _: _page([{"name": "made-up", "sha256": "0", "score_default": DEFAULT_SCORE}]),
        }

    def __enter__(self) -> Hour:
        self._server.start(self._serve)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        return self._server.base_url

    def _serve(self, environ: Json, start_response: Any) -> Any:
        request = Request(environ)
        return self._answer(request)(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.path.startswith("/viewer"):
            return self._files.handle(request)
        if request.path == "/source.mp4":
            return _ranged(request, self._content)
        route = self._routes.get(request.path)
        if route is None:
            return Response("{}", 404, content_type="application/json")
        return Response(json.dumps(route(request)), content_type="application/json")

    def _video(self) -> Json:
        media = {
            "container": "mp4",
            "codec": "h264",
            "width": WIDTH,
            "height": HEIGHT,
            "rotation": 0,
            "timebase": "1/1000",
            "duration_seconds": float(SECONDS),
            "frame_count": SECONDS * RATE,
            "keyframes": SECONDS // 10,
        }
        named = {"video_id": VIDEO_ID, "filename": "hour.mp4", "state": "READY", "created_at": "2026-01-01T00:00:00Z"}
        return {**named, "size_bytes": len(self._content), "media": media}

    def _job(self) -> Json:
        shares = [SCORES[thing] for thing in range(THINGS) if SCORES[thing] >= DEFAULT_SCORE]
        per_label = [
            {"label": label, "detections": SECONDS * RATE * _things(label), "tracks": 0, "score_max": 0.99}
            for label in LABELS
        ]
        summary = {"detections": SECONDS * RATE * len(shares), "tracks": 0, "labels": per_label}
        return {
            "job_id": JOB_ID,
            "video_id": VIDEO_ID,
            "state": "SUCCEEDED",
            "models": [{"name": "made-up", "version": "1", "sha256": "0", "task": "detection"}],
            "sampling": {"kind": "every_frame"},
            "tracking": True,
            "progress": {"segments_total": 1, "segments_done": 1, "segments_failed": 0},
            "created_at": "2026-01-01T00:00:00Z",
            "summary": summary,
        }

    def _detections(self, request: Request) -> Json:
        start, end = float(request.args["from"]), float(request.args["to"])
        limit, first = int(request.args["limit"]), int(request.args.get("cursor", 0))
        self.asked.append((start, end))
        frames = range(math.ceil(start * RATE), min(math.ceil(end * RATE), SECONDS * RATE))
        rows = range(first, min(first + limit, len(frames) * THINGS))
        items = [box_of(frames[row // THINGS], row % THINGS) for row in rows]
        return {"items": items, "next_cursor": str(rows.stop) if rows.stop < len(frames) * THINGS else None}


def box_of(frame: int, thing: int) -> Json:
    """What is said of one thing in one frame: it goes round in a circle."""
    angle = frame / RATE / 5 + thing
    x, y = WIDTH * (0.5 + 0.4 * math.cos(angle)), HEIGHT * (0.5 + 0.4 * math.sin(angle * 1.3))
    return {
        "pts": frame * 1000 // RATE,
        "timebase": "1/1000",
        "time_seconds": frame / RATE,
        "frame_index": frame,
        "model": "made-up",
        "label": LABELS[thing % len(LABELS)],
        "score": SCORES[thing],
        "box": [round(x - 8, 2), round(y - 8, 2), round(x + 8, 2), round(y + 8, 2)],
        "track_id": thing + 1 + THINGS * (frame // (RATE * TRACK_SECONDS)),
    }


def make_video(path: Path) -> None:
    """Ten seconds, again and again: encoding an hour would take longer than all the tests."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as output:
        stream = output.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "100", "bf": "0"}
        packets = []
        for number in range(10 * RATE):
            picture = np.full((HEIGHT, WIDTH, 3), (number * 2) % 200 + 30, np.uint8)
            picture[:, (number * 3) % WIDTH] = 255
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        parts = [(bytes(packet), packet.pts or 0, packet.dts or 0, packet.is_keyframe) for packet in packets]
        for round_number in range(SECONDS // 10):
            for content, pts, dts, is_keyframe in parts:
                packet = av.Packet(content)
                packet.stream = stream
                packet.time_base = packets[0].time_base
                shift = int(round_number * 10 / packets[0].time_base)
                packet.pts, packet.dts, packet.is_keyframe = pts + shift, dts + shift, is_keyframe
                output.mux(packet)


def _page(items: list[Json]) -> Json:
    return {"items": items, "next_cursor": None}


def _things(label: str) -> int:
    return sum(LABELS[thing % len(LABELS)] == label and SCORES[thing] >= DEFAULT_SCORE for thing in range(THINGS))


def _tracks(request: Request) -> Json:
    rounds = SECONDS // TRACK_SECONDS
    first, limit = int(request.args.get("cursor", 0)), int(request.args["limit"])
    rows = range(first, min(first + limit, rounds * THINGS))
    items = [
        {
            "track_id": row + 1,
            "label": LABELS[row % THINGS % len(LABELS)],
            "first_seconds": float(row // THINGS * TRACK_SECONDS),
            "last_seconds": (row // THINGS + 1) * TRACK_SECONDS - 1 / RATE,
            "frames": TRACK_SECONDS * RATE,
            "score_max": SCORES[row % THINGS],
        }
        for row in rows
    ]
    return {"items": items, "next_cursor": str(rows.stop) if rows.stop < rounds * THINGS else None}


def _counts(_: Request) -> Json:
    width = 15
    items = [
        {
            "start_seconds": float(start),
            "end_seconds": float(start + width),
            "label": label,
            "count": width * RATE * _things(label),
        }
        for start in range(0, SECONDS, width)
        for label in LABELS
    ]
    return {"kind": "buckets", **_page(items)}


def _ranged(request: Request, content: bytes) -> Response:
    wanted = request.range.range_for_length(len(content)) if request.range else None
    if wanted is None:
        return Response(content, content_type="video/mp4", headers={"Accept-Ranges": "bytes"})
    start, end = wanted
    headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}
    return Response(content[start:end], 206, headers, content_type="video/mp4")
