"""`videos` and `jobs`: what the service keeps."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reelscan.cli.help import HelpfulCommand, HelpfulGroup
from reelscan.cli.screen import AsJson, Quiet, command
from reelscan.cli.session import Session, find_job, find_video, session

if TYPE_CHECKING:
    from reelscan.records import Rendition, Video

videos = typer.Typer(cls=HelpfulGroup, rich_markup_mode=None, invoke_without_command=True)
jobs = typer.Typer(cls=HelpfulGroup, rich_markup_mode=None, invoke_without_command=True, no_args_is_help=True)

VideoName = Annotated[str, typer.Argument(metavar="VIDEO", help="The id or file name of a video.", show_default=False)]
JobName = Annotated[
    str, typer.Argument(metavar="JOB", help="A job, or a video whose newest job it is.", show_default=False)
]
Limit = Annotated[
    int, typer.Option("--limit", "-n", min=1, metavar="COUNT", help="How many at most, the newest first.")
]
To = Annotated[Path, typer.Option("--to", "-o", metavar="PATH", help="The file, or the folder for it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@videos.callback()
@command
def list_videos(context: typer.Context, limit: Limit = 20, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """List videos, and show, play, copy or delete one."""
    if context.invoked_subcommand is not None:
        return
    from reelscan.cli import tables

    with session(as_json=as_json, quiet=quiet) as at:
        found = list(islice(at.client.videos.list(), limit))
        at.screen.answer(found, lambda: tables.video_table(found), (video.video_id for video in found))


@videos.command("show", cls=HelpfulCommand)
@command
def show_video(video: VideoName, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Show all that is known of one, with its jobs."""
    from rich.console import Group

    from reelscan.cli import tables

    with session(as_json=as_json, quiet=quiet) as at:
        found = find_video(at.client, video)
        started = list(islice(at.client.jobs.list(found), 20))
        at.screen.answer(
            {"video": found, "jobs": started},
            lambda: Group(tables.video_facts(found), tables.job_table(started)),
            [found.video_id],
        )


@videos.command("url", cls=HelpfulCommand)
@command
def video_url(video: VideoName, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Give a URL that plays it, for a while."""
    with session(as_json=as_json, quiet=quiet) as at:
        source = at.client.videos.source(find_video(at.client, video))
        at.screen.answer(source, lambda: source.url, [source.url])


@videos.command("thumbnails", cls=HelpfulCommand)
@command
def make_thumbnails(
    video: VideoName,
    to: To = Path(),
    width: Annotated[
        int | None, typer.Option("--width", min=1, metavar="PIXELS", help="Of one thumbnail.", show_default="160")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a sheet of thumbnails, with a WebVTT track that says which is where."""
    with session(as_json=as_json, quiet=quiet) as at:
        found = find_video(at.client, video)
        _download(at, found, at.client.renditions.thumbnails(found, width=width), to)


@videos.command("proxy", cls=HelpfulCommand)
@command
def make_proxy(
    video: VideoName,
    to: To = Path(),
    height_max: Annotated[
        int | None,
        typer.Option("--height", min=1, metavar="PIXELS", help="At most so high.", show_default="720"),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a copy that every browser plays."""
    with session(as_json=as_json, quiet=quiet) as at:
        found = find_video(at.client, video)
        _download(at, found, at.client.renditions.proxy(found, height_max=height_max), to)


@videos.command("rm", cls=HelpfulCommand)
@command
def delete_video(video: VideoName, yes: Yes = False, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Delete one, with its jobs and results."""
    with session(as_json=as_json, quiet=quiet) as at:
        found = find_video(at.client, video)
        if not yes:
            typer.confirm(
                f"Delete {found.filename} ({found.video_id}) with its jobs and results?", abort=True, err=True
            )
        at.client.videos.delete(found)
        at.screen.answer({"deleted": found.video_id}, lambda: f" [green]deleted[/] {found.filename}", [found.video_id])


def _download(at: Session, video: Video, asked: Rendition, to: Path) -> None:
    """Wait for a rendition, and write it."""
    from contextlib import nullcontext

    from reelscan.cli import tables

    with at.screen.notes.status(f" Making the {asked.kind} …") if at.screen.has_progress else nullcontext():
        made = at.client.renditions.wait(video, asked)
        path = at.client.renditions.download(made, to)
    shown = f"{len(made.tiles.pts)} thumbnails" if made.tiles else f"{made.frames or 0:,} frames"
    rows = [("file", path), ("size", tables.size(made.size_bytes)), ("shows", shown), ("SHA-256", made.sha256)]
    at.screen.answer({"path": str(path), "rendition": made}, lambda: tables.facts(rows), [str(path)])


@jobs.callback()
def of_jobs() -> None:
    """List the jobs of a video, show one, end it, repeat what failed, compare two."""


@jobs.command("list", cls=HelpfulCommand)
@command
def list_jobs(video: VideoName, limit: Limit = 20, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """List the jobs of a video."""
    from reelscan.cli import tables

    with session(as_json=as_json, quiet=quiet) as at:
        found = list(islice(at.client.jobs.list(find_video(at.client, video)), limit))
        at.screen.answer(found, lambda: tables.job_table(found), (job.job_id for job in found))


@jobs.command("show", cls=HelpfulCommand)
@command
def show_job(job: JobName, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Show one: what it found, its segments, its exports."""
    from rich.console import Group

    from reelscan.cli import tables

    with session(as_json=as_json, quiet=quiet) as at:
        found = find_job(at.client, job)
        segments, exports = at.client.jobs.segments(found).all(), at.client.exports.list(found).all()
        more = [tables.export_table(exports)] if exports else []
        at.screen.answer(
            {"job": found, "segments": segments, "exports": exports},
            lambda: Group(tables.job_result(found), tables.segment_table(segments), *more),
            [found.job_id],
        )


@jobs.command("cancel", cls=HelpfulCommand)
@command
def cancel_job(job: JobName, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """End one; results of segments that are done stay."""
    from reelscan.cli import tables

    with session(as_json=as_json, quiet=quiet) as at:
        ended = at.client.jobs.cancel(find_job(at.client, job))
        at.screen.answer(ended, lambda: tables.job_table([ended]), [ended.job_id])


@jobs.command("retry", cls=HelpfulCommand)
@command
def retry_job(job: JobName, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Do the segments again that failed."""
    from reelscan.cli import tables

    with session(as_json=as_json, quiet=quiet) as at:
        begun = at.client.jobs.retry(find_job(at.client, job))
        at.screen.answer(begun, lambda: tables.job_table([begun]), [begun.job_id])


@jobs.command("diff", cls=HelpfulCommand)
@command
def diff_jobs(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="A job of a video.", show_default=False)],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Another job of the same video.", show_default=False)],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare two jobs of one video: what was added, removed and moved."""
    from reelscan.cli import tables

    with session(as_json=as_json, quiet=quiet) as at:
        found = at.client.jobs.diff(find_job(at.client, before), find_job(at.client, after))
        at.screen.answer(found, lambda: tables.diff_table(found), [f"{found.total.agreement:.4f}"])
