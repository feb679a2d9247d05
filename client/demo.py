"""The demo: what an application does with reelscan, from a file on disk to boxes on its frames, over HTTP alone.

python -m client.demo --video clip.mp4                      a local stack that runs (make local)
python -m client.demo --video clip.mp4 --base-url … --token …      any other deployment
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from client.report import MEGABYTE, describe_progress, show_cost, show_error, show_failure, show_findings, show_gaps, show_query
from client.service import TERMINAL_STATES, Json, Service, ServiceError
from client.stills import choose_stills, save_stills
from client.terminal import Terminal
from client.upload import send_file

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
        with Service(base_url, token) as service:
            return run(service, options.video, options.model, options.out, terminal)
    except ServiceError as error:
        terminal.failure(f"{error.code}: {error.title}", error.detail, error.hint)
    except OSError as error:
        terminal.failure("A file cannot be used", str(error), "Check the path: make demo VIDEO=path/to/video.mp4")
    except KeyboardInterrupt:
        terminal.line("Interrupted")
    return 1


def run(service: Service, video_path: Path, model: str, out: Path, terminal: Terminal) -> int:
    """Everything, in the order of the story; returns the exit code."""
    size_bytes = video_path.stat().st_size
    out.mkdir(parents=True, exist_ok=True)
    terminal.title(f"reelscan demo: {video_path.name}, {size_bytes / MEGABYTE:.1f} MB, model {model}")
    terminal.step("Service", f"{service.base_url} answers, version {service.health()['version']}")

    created = _announce(service, video_path, size_bytes, model, terminal)
    _upload(service, created, video_path, size_bytes, terminal)
    job = _wait(service, created["job"]["job_id"], terminal)
    if job["state"] not in ("SUCCEEDED", "PARTIAL"):
        show_failure(job, terminal)
        return 1
    show_gaps(job, terminal)
    show_findings(job["summary"], terminal)
    show_cost(job, terminal)
    show_query(service, job, terminal)
    return 0 if _draw(service, job, video_path, out, terminal) else 1


def _announce(service: Service, video_path: Path, size_bytes: int, model: str, terminal: Terminal) -> Json:
    analyze = {"models": [model], "sampling": {"kind": "every_frame"}, "segment_seconds": SEGMENT_SECONDS}
    created = service.create_video(video_path.name, size_bytes, analyze)
    ticket = created["upload"]
    how = "one presigned POST" if ticket["kind"] == "post" else f"{ticket['part_count']} presigned parts"
    terminal.step("Ticket", f"video {created['video']['video_id']}: {how}, until {ticket['expires_at']}")
    terminal.note(f"job {created['job']['job_id']} waits for the upload")
    return created


def _upload(service: Service, created: Json, video_path: Path, size_bytes: int, terminal: Terminal) -> None:
    started = time.monotonic()

    def report(sent_bytes: int) -> None:
        terminal.progress("Upload", sent_bytes, size_bytes, f"{sent_bytes / MEGABYTE:.1f} MB straight to S3")

    send_file(service, created["video"]["video_id"], created["upload"], video_path, report)
    terminal.note(f"{size_bytes:,} bytes in {time.monotonic() - started:.1f} s")


def _wait(service: Service, job_id: str, terminal: Terminal) -> Json:
    """The job in its last state. Every job gets there in bounded time: that is the service's promise."""
    started = time.monotonic()
    while True:
        job, wait_seconds = service.get_job(job_id)
        progress = job["progress"]
        ended = progress["segments_done"] + progress["segments_failed"]
        total = progress["segments_total"]
        terminal.progress("Analyze", ended, total, describe_progress(job))
        if job["state"] in TERMINAL_STATES:
            terminal.note(f"in {time.monotonic() - started:.1f} s")
            return job
        time.sleep(min(wait_seconds, POLL_SECONDS))


def _draw(service: Service, job: Json, video_path: Path, out: Path, terminal: Terminal) -> bool:
    """Have the service draw, and take the video and a few stills of it; whether it could."""
    started = time.monotonic()
    export = service.request_export(job["job_id"], "mp4")
    while True:
        terminal.progress("Draw", int(export["state"] == "SUCCEEDED"), 1, export["state"])
        if export["state"] in TERMINAL_STATES:
            break
        time.sleep(POLL_SECONDS)
        export = service.get_export(job["job_id"], export["export_id"])
    if export["state"] != "SUCCEEDED":
        show_error("The video could not be drawn", export.get("error"), terminal)
        return False
    video = out / export["file_name"]
    service.download(export, video)
    terminal.note(f"{export['detections']:,} detections on their frames, {time.monotonic() - started:.1f} s")
    terminal.step("Written", str(video))
    duration_seconds = service.get_video(job["video_id"])["media"]["duration_seconds"]
    stills = choose_stills(service.all_detections(job["job_id"]), duration_seconds)
    for still in save_stills(video, video_path.stem, stills, out):
        terminal.note(str(still))
    return True


def _read_connection(options: argparse.Namespace) -> tuple[str, str]:
    """Base URL and token: as given, or as the local stack wrote them down.

    Raises:
        ServiceError: neither is there.
    """
    if options.base_url and options.token:
        return options.base_url, options.token
    try:
        local = json.loads(options.local.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ServiceError(
            "NO_SERVICE",
            "Which service?",
            f"neither --base-url and --token are given, nor is there a {options.local}",
            "Start a local stack (make local) and leave it running, or let make demo do it all",
        ) from error
    return options.base_url or local["base_url"], options.token or local["token"]


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m client.demo", description="Find what is in a video, and draw it")
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
