"""`upload`, `run`, `watch`: from a file to what is in it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reelscan.cli import exit_codes
from reelscan.cli.screen import AsJson, Quiet, command
from reelscan.cli.session import Session, find_job, find_video, session

if TYPE_CHECKING:
    from reelscan import Uploaded
    from reelscan.records import Job, JobForm

DEFAULT_MODEL = "nanodet-g"

Model = Annotated[
    list[str] | None, typer.Option("--model", "-m", metavar="NAME", help="A model to run; may be given several times.")
]
Pipeline = Annotated[
    str | None, typer.Option("--pipeline", "-p", metavar="NAME", help="A pipeline in place of models.")
]
SamplingText = Annotated[
    str | None, typer.Option("--sampling", metavar="HOW", help="every-frame, keyframes, or so many a second: 2/s.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", metavar="LABEL", help="Only this label; may be given several times."),
]
ScoreMin = Annotated[
    float | None, typer.Option("--score-min", min=0, max=1, metavar="SCORE", help="Only what is at least as sure.")
]
SegmentSeconds = Annotated[
    float | None, typer.Option("--segment-seconds", metavar="SECONDS", help="About how long a segment is.")
]
MaxCost = Annotated[float | None, typer.Option("--max-cost", metavar="USD", help="Do not start what would cost more.")]


@command
def upload(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Videos to be sent.", show_default=False)],
    parallel: Annotated[int, typer.Option(min=1, metavar="COUNT", max=32, help="Parts that are sent at once.")] = 4,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Send videos, and analyse nothing yet.

    An upload that was interrupted or killed goes on where it was when the same file is sent again within a day.
    """
    from reelscan.cli import tables

    with session(as_json=as_json, quiet=quiet) as at:
        videos = [_send(at, path, None, parallel).video for path in files]
        at.screen.answer(videos, lambda: tables.video_table(videos), (video.video_id for video in videos))


@command
def run(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="A video file, or the id or name of a video that is there.", show_default=False
        ),
    ],
    model: Model = None,
    pipeline: Pipeline = None,
    sampling: SamplingText = None,
    label: Labels = None,
    score_min: ScoreMin = None,
    segment_seconds: SegmentSeconds = None,
    max_cost: MaxCost = None,
    quote: Annotated[bool, typer.Option("--quote", help="Say what it would cost, and start nothing.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Start it, and do not wait for its end.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find what is in a video: send it if it is a file, analyse it, and show what was found.

    Without a model or pipeline it is nanodet-g. The command ends with the exit code of the job's error, if it has one.
    """
    from reelscan.cli import tables

    form = make_form(model, pipeline, sampling, label, score_min, segment_seconds, max_cost)
    with session(as_json=as_json, quiet=quiet) as at:
        path = Path(what)
        if quote:
            video = _send(at, path, None, 4).video if path.is_file() else find_video(at.client, what)
            if path.is_file():
                video = at.client.videos.wait(video)
            asked = at.client.jobs.quote(video, **form)
            at.screen.answer(asked, lambda: tables.quote_facts(asked), [video.video_id])
            return
        if path.is_file():
            job = _send(at, path, form, 4).job
            assert job is not None, "it was asked for with the upload"
        else:
            job = at.client.jobs.start(find_video(at.client, what), **form)
        if no_wait:
            at.screen.answer(job, lambda: tables.job_table([job]), [job.job_id])
            return
        _watch_and_show(at, job, path.stem if path.is_file() else what)


@command
def watch(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="A job, or a video whose newest job it is.", show_default=False)
    ],
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="Wait no longer than this.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Watch a job to its end, segment by segment, and show what was found."""
    with session(as_json=as_json, quiet=quiet) as at:
        _watch_and_show(at, find_job(at.client, what), what, timeout)


def make_form(
    models: list[str] | None,
    pipeline: str | None,
    sampling: str | None,
    labels: list[str] | None,
    score_min: float | None,
    segment_seconds: float | None,
    max_cost: float | None,
) -> JobForm:
    """What the options ask for, as the API has it."""
    form: JobForm = {"pipeline": pipeline} if pipeline else {"models": models or [DEFAULT_MODEL]}
    if pipeline and models:
        raise typer.BadParameter("either models or a pipeline, not both", param_hint="--pipeline")
    if sampling is not None:
        if per_second := re.fullmatch(r"(\d+(?:\.\d+)?)/s", sampling):
            form["sampling"] = {"kind": "per_second", "n": float(per_second[1])}
        elif sampling == "keyframes":
            form["sampling"] = {"kind": "keyframes"}
        elif sampling == "every-frame":
            form["sampling"] = {"kind": "every_frame"}
        else:
            raise typer.BadParameter(
                f"must be every-frame, keyframes, or like 2/s, but got {sampling!r}", param_hint="--sampling"
            )
    if labels:
        form["labels"] = labels
    if score_min is not None:
        form["score_min"] = score_min
    if segment_seconds is not None:
        form["segment_seconds"] = segment_seconds
    if max_cost is not None:
        form["max_cost_usd"] = max_cost
    return form


def _send(at: Session, path: Path, form: JobForm | None, parallel: int) -> Uploaded:
    from reelscan.cli.progress import UploadBars, shown

    screen = at.screen
    screen.note(f" [bold]{path.name}[/]  [dim]to {at.client.base_url}[/]")
    view = UploadBars(path.name)
    with shown(view, screen.notes, is_shown=screen.has_progress):
        return at.client.videos.upload(path, analyze=form, on_progress=view.update, parallel=parallel)


def _watch_and_show(at: Session, job: Job, name: str, timeout_seconds: float | None = None) -> None:
    from reelscan.cli import tables
    from reelscan.cli.progress import watch_job

    screen = at.screen
    job = watch_job(at.client, job, screen.notes, is_shown=screen.has_progress, timeout_seconds=timeout_seconds)
    screen.answer(job, lambda: tables.job_result(job), [job.job_id])
    if job.summary:
        screen.note(f" [dim]next: reelscan results {shlex.quote(name)} --plot[/]")
    if exit_code := exit_code_of_job(job):
        raise typer.Exit(exit_code)


def exit_code_of_job(job: Job) -> int:
    """0 for a job that succeeded; else that of its error, or of the first range that is missing."""
    error = job.error or (job.missing[0].error if job.missing else None)
    if error is not None:
        return exit_codes.BY_CODE.get(error.code, exit_codes.OTHER)
    return exit_codes.BY_CODE["CANCELLED"] if job.state == "CANCELLED" else 0
