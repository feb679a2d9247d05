"""How far quotes are from what workers take: `python -m tests.flow.quotes` prints a table (docs/costs.md).

Every clip is analysed twice by one tenant of a local stack: the first run teaches the rates; then all videos are
deleted, with everything that is stored of them, and the second run is quoted before it starts. CPU seconds are those of
the worker processes, so other load on the machine disturbs them little.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any, cast

import av

from infra.local.stack import LocalStack, StackOptions
from tests.flow.tenant import Json, Tenant
from tests.video.corpus import make_corpus

CACHE = Path(__file__).parents[2] / ".cache"
PATIENCE_SECONDS = 300.0
EVERY, TWO, KEYS = {"kind": "every_frame"}, {"kind": "per_second", "n": 2}, {"kind": "keyframes"}
NANODET, SSDLITE = "nanodet-g", "ssdlite-mobilenet-v2"


@dataclass(frozen=True)
class Case:
    """One analysis."""

    clip: str
    models: tuple[str, ...]
    sampling: Json
    segment_seconds: float | None = None


@dataclass(frozen=True)
class Row:
    """What came of it the second time."""

    case: Case
    quote: Json
    cost: Json

    @property
    def error(self) -> float:
        """Quoted against actual CPU seconds, as a part of the actual."""
        actual = float(self.cost["cpu_seconds"]["actual"])
        return float(self.quote["cpu_seconds"]) / actual - 1


CASES = [
    Case("bikes", (NANODET,), EVERY, 2),
    Case("bikes", (SSDLITE,), EVERY, 2),
    Case("bikes", (NANODET, SSDLITE), EVERY),
    Case("bikes", (NANODET,), TWO, 2),
    Case("bikes", (SSDLITE,), KEYS),
    Case("bikes_720p", (NANODET,), EVERY),
    Case("bikes_720p", (SSDLITE,), TWO),
    Case("bikes_720p_hevc", (SSDLITE,), EVERY),
    Case("bikes_1080p", (NANODET,), TWO),
    Case("h264_gop_250", (NANODET,), EVERY),
    Case("h264_open_pyramid", (SSDLITE,), EVERY),
    Case("hevc_closed", (NANODET,), EVERY),
    Case("vp9", (SSDLITE,), EVERY),
    Case("av1", (SSDLITE,), EVERY),
    Case("mjpeg_mov", (SSDLITE,), EVERY),
    Case("mpegts", (SSDLITE,), EVERY),
    Case("mkv_hevc", (SSDLITE,), EVERY),
    Case("webm", (SSDLITE,), KEYS),
]


def make_clips(folder: Path) -> dict[str, Path]:
    """The corpus, the demo clip, and that at other sizes."""
    bikes = CACHE / "videos" / "bikes.mp4"
    found = next(CACHE.glob("corpus-*"), folder / "corpus")
    clips = {**make_corpus(found), "bikes": bikes}
    for name, codec, size in (
        ("bikes_720p", "libx264", (1280, 720)),
        ("bikes_720p_hevc", "libx265", (1280, 720)),
        ("bikes_1080p", "libx264", (1920, 1080)),
    ):
        clips[name] = folder / f"{name}.mp4"
        _scale(bikes, clips[name], codec, size)
    return clips


def measure(stack: LocalStack, clips: dict[str, Path], cases: Sequence[Case] = tuple(CASES)) -> list[Row]:
    """Analyse everything twice; the rows of the second time."""
    tenant = Tenant(stack.base_url, stack.token("quotes"))
    for case in cases:
        video_id, _, _ = _run(tenant, clips[case.clip], case)
        tenant.http.delete(f"/videos/{video_id}").raise_for_status()
    rows = []
    for case in cases:
        video_id, quote, cost = _run(tenant, clips[case.clip], case)
        rows.append(Row(case, quote, cost))
        tenant.http.delete(f"/videos/{video_id}").raise_for_status()
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows as a table of Markdown, and what they come to."""
    lines = [
        "| clip | models | sampling | children | quoted CPU s | actual CPU s | error | quoted $ | actual $ |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        case, quote, cost = row.case, row.quote, row.cost
        sampling = case.sampling["kind"] + (f" {case.sampling['n']}" if "n" in case.sampling else "")
        lines.append(
            f"| {case.clip} | {', '.join(case.models)} | {sampling} | {quote['children']} |"
            f" {quote['cpu_seconds']:.2f} | {cost['cpu_seconds']['actual']:.2f} | {row.error:+.1%} |"
            f" {quote['cost_usd']:.6f} | {cost['actual_usd']:.6f} |"
        )
    errors = [abs(row.error) for row in rows]
    quoted = sum(row.quote["cpu_seconds"] for row in rows)
    actual = sum(row.cost["cpu_seconds"]["actual"] for row in rows)
    lines.append(
        f"\nerror of a job: median {median(errors):.1%}, worst {max(errors):.1%};"
        f" of all together {quoted / actual - 1:+.1%} ({quoted:.1f} quoted, {actual:.1f} CPU s taken)"
    )
    return "\n".join(lines)


def _run(tenant: Tenant, path: Path, case: Case) -> tuple[str, Json, Json]:
    video_id = str(tenant.upload(path)["video"]["video_id"])
    tenant.wait_for_video(video_id)
    body: dict[str, Any] = {"models": list(case.models), "sampling": case.sampling}
    if case.segment_seconds:
        body["segment_seconds"] = case.segment_seconds
    quote = tenant.http.post(f"/videos/{video_id}/jobs?dry_run=true", json=body)
    quote.raise_for_status()
    started = tenant.http.post(f"/videos/{video_id}/jobs", json=body)
    started.raise_for_status()
    job = tenant.succeed(started.json()["job"]["job_id"], PATIENCE_SECONDS)
    return video_id, quote.json()["quote"], job["cost"]


def _scale(source: Path, target: Path, codec: str, size: tuple[int, int]) -> None:
    """The first 100 frames of a clip at another size."""
    with av.open(str(source)) as opened, av.open(str(target), "w") as output:
        stream = cast("av.VideoStream", output.add_stream(codec, rate=25))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.gop_size = 50
        stream.options = {"preset": "veryfast"} if codec == "libx264" else {"preset": "ultrafast"}
        for number, frame in zip(range(100), opened.decode(video=0), strict=False):
            image = frame.reformat(*size)
            image.pts, image.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(image))
        output.mux(stream.encode(None))


def main() -> int:
    """Print the table; 1 when a job was further off than a quote may be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = make_clips(folder)
        with LocalStack(StackOptions(out=folder / "out", slots=2)) as stack:
            rows = measure(stack, clips)
    print(table(rows))
    return int(max(abs(row.error) for row in rows) > 0.15)


if __name__ == "__main__":
    sys.exit(main())
