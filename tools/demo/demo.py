"""The demo: what an application does with reelscan, from a file on disk to boxes on its frames, over HTTP alone.

python -m tools.demo.demo --video clip.mp4                      a local stack that runs (make local)
python -m tools.demo.demo --video clip.mp4 --base-url … --token …      any other deployment
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from reelscan import Client, Problem, ReelscanError, UploadProgress
from reelscan.records import Export, Job, JobForm
from tools.demo.report import (
    MEGABYTE,
    describe_progress,
    show_cost,
    show_failure,
    show_findings,
    show_gaps,
    show_query,
    show_refusal,
)
from tools.demo.stills import choose_stills, save_stills
from tools.demo.terminal import Terminal

SEGMENT_SECONDS = 2
"""So short that even a clip of ten seconds shows how the work is cut up."""


POLL_SECONDS = 0.3
"""More often than the service asks for: a person watches the bar."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 when results were found and drawn, 1 after saying what went wrong."""
    options = _parse_arguments(arguments)
    terminal = Terminal(sys.stdout, os.environ)
    try:
        base_url, token = _read_connection(options)
        with Client(base_url, token) as client:
            return run(client, options.video, options.model, options.out, terminal)
    except ReelscanError as error:
        show_refusal(error, terminal)
    except OSError as error:
        terminal.failure("A file cannot be used", str(error), "Check the path: make demo VIDEO=path/to/video.mp4")
    except KeyboardInterrupt:
        terminal.line("Interrupted")
    return 1


def run(client: Client, video_path: Path, model: str, out: Path, terminal: Terminal) -> int:
    """Everything, in the order of the story; returns the exit code."""
    size_bytes = video_path.stat().st_size
    out.mkdir(parents=True, exist_ok=True)
    terminal.title(f"reelscan demo: {video_path.name}, {size_bytes / MEGABYTE:.1f} MB, model {model}")
    terminal.step("Service", f"{client.base_url} answers, version {client.health().version}")

    job = _wait(client, _upload(client, video_path, model, out, terminal), terminal)
    if job.summary is None:
        show_failure(job, terminal)
        return 1
    show_gaps(job, terminal)
    show_findings(job.summary, terminal)
    show_cost(job, terminal)
    show_query(client, job, job.summary, terminal)
    return 0 if _draw(client, job, video_path, out, terminal) else 1


def _upload(client: Client, video_path: Path, model: str, out: Path, terminal: Terminal) -> Job:
    """The job that waits for the upload."""
    started = time.monotonic()

    def report(progress: UploadProgress) -> None:
        sent = f"{progress.sent_bytes / MEGABYTE:.1f} MB straight to S3"
        terminal.progress("Upload", progress.sent_bytes, progress.size_bytes, sent)

    analyze: JobForm = {
        "models": [model],
        "sampling": {"kind": "every_frame"},
        "segment_seconds": SEGMENT_SECONDS,
    }
    # Its journal goes with the demo's other files: the next run is another demo.
    uploaded = client.videos.upload(video_path, analyze=analyze, on_progress=report, journal_folder=out / "uploads")
    assert uploaded.job is not None, "it was asked for"
    size_bytes = video_path.stat().st_size
    terminal.note(f"{size_bytes:,} bytes in {time.monotonic() - started:.1f} s: video {uploaded.video.video_id}")
    return uploaded.job


def _wait(client: Client, job: Job, terminal: Terminal) -> Job:
    """The job in its last state. Every job gets there in bounded time: that is the service's promise."""
    started = time.monotonic()

    def report(job: Job) -> None:
        ended = job.progress.segments_done + job.progress.segments_failed
        terminal.progress("Analyze", ended, job.progress.segments_total, describe_progress(job))

    job = client.jobs.wait(job, on_progress=report, poll_seconds=POLL_SECONDS)
    terminal.note(f"in {time.monotonic() - started:.1f} s")
    return job


def _draw(client: Client, job: Job, video_path: Path, out: Path, terminal: Terminal) -> bool:
    """Have the service draw, and take the video and a few stills of it; whether it could."""
    started = time.monotonic()

    def report(export: Export) -> None:
        terminal.progress("Draw", int(export.state == "SUCCEEDED"), 1, export.state)

    export = client.exports.start(job, "mp4")
    try:
        export = client.exports.wait(job, export, on_progress=report, poll_seconds=POLL_SECONDS)
    except Problem as problem:
        terminal.failure(f"The video could not be drawn: {problem.code}, {problem.title}", problem.detail, problem.hint)
        return False
    video = client.exports.download(export, out)
    terminal.note(f"{export.detections:,} detections on their frames, {time.monotonic() - started:.1f} s")
    terminal.step("Written", str(video))
    media = client.videos.get(job.video_id).media
    assert media is not None, "a job with results has a video that was probed"
    stills = choose_stills(client.jobs.detections(job), media.duration_seconds)
    for still in save_stills(video, video_path.stem, stills, out):
        terminal.note(str(still))
    return True


def _read_connection(options: argparse.Namespace) -> tuple[str, str]:
    """Base URL and token: as given, or as the local stack wrote them down.

    Raises:
        ReelscanError: neither is there.
    """
    if options.base_url and options.token:
        return options.base_url, options.token
    try:
        local = json.loads(options.local.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ReelscanError(
            f"neither --base-url and --token are given, nor is there a {options.local}",
            "Start a local stack (make local) and leave it running, or let make demo do it all",
        ) from error
    return options.base_url or local["base_url"], options.token or local["token"]


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.demo.demo", description="Find what is in a video, and draw it"
    )
    parser.add_argument("--video", type=Path, required=True, help="a video file")
    parser.add_argument("--model", default="nanodet-g", help="name of a model of the service (default: nanodet-g)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for frames and MP4 (default: out)")
    parser.add_argument("--base-url", help="where the service is (default: what --local says)")
    parser.add_argument("--token", help="an access token (default: what --local says)")
    parser.add_argument(
        "--local", type=Path, default=Path("out/local.json"), help="what make local wrote (default: out/local.json)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
