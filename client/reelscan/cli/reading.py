"""`results` and `export`: what was found, on the screen and as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reelscan.cli.help import HelpfulCommand
from reelscan.cli.screen import AsJson, Quiet, command
from reelscan.cli.session import Session, find_job, session

if TYPE_CHECKING:
    from reelscan.records import Job

LIMIT = 50
TERMINAL = "-"
"""Where `--plot` draws when no picture is named."""
PICTURES = (".png", ".svg", ".pdf", ".jpg")
PLOT_SPANS = 400
MARGIN_CELLS = 30
"""What stands beside a timeline in a terminal."""

What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT", help="A job, or the id or file name of a video whose newest job it is.", show_default=False
    ),
]
OneLabel = Annotated[str | None, typer.Option("--label", "-l", metavar="LABEL", help="Only this label.")]
From = Annotated[float | None, typer.Option("--from", min=0, metavar="SECONDS", help="From this time on.")]
To = Annotated[float | None, typer.Option("--to", min=0, metavar="SECONDS", help="Before this time.")]
ScoreMin = Annotated[
    float | None,
    typer.Option(
        "--score-min", min=0, max=1, metavar="SCORE", help="Only what is at least as sure; 0 is all that was stored."
    ),
]
Track = Annotated[int | None, typer.Option("--track", min=1, metavar="ID", help="Only this track.")]


class PlotCommand(HelpfulCommand):
    """A command whose `--plot` may stand alone, or before a picture's name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a `--plot` that stands alone the value that means the terminal."""
        given = list(args)
        for place, word in enumerate(args):
            if word == "--plot" and not (place + 1 < len(args) and args[place + 1].lower().endswith(PICTURES)):
                given[place] = f"--plot={TERMINAL}"
        return super().parse_args(ctx, given)


@command
def results(
    what: What,
    label: OneLabel = None,
    from_seconds: From = None,
    to_seconds: To = None,
    score_min: ScoreMin = None,
    track: Track = None,
    tracks: Annotated[bool, typer.Option("--tracks", help="Tracks in place of detections.")] = False,
    query: Annotated[
        str | None, typer.Option("--query", metavar="TEXT", help="A question in the query language.")
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option("--plot", metavar="[FILE]", help="A timeline: here, or as a picture (timeline.png)."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, metavar="COUNT", help="Lines to show; --json without it gives all.")
    ] = LIMIT,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what was found: detections, tracks, the answer to a query, or a timeline.

    reelscan results street --label person --from 10 --to 20

    reelscan results street --query 'appearances where label = "dog" gap 3s'
    """
    with session(as_json=as_json, quiet=quiet) as at:
        job = find_job(at.client, what)
        chosen = {"label": label, "from_seconds": from_seconds, "to_seconds": to_seconds}
        if plot is not None:
            detections = at.client.jobs.detections(job, score_min=score_min, track_id=track, **chosen)  # type: ignore[arg-type]
            _plot(at, job, detections, plot, from_seconds, to_seconds)
        elif query is not None:
            _show(at, at.client.jobs.query(job, query), limit, "found_table")
        elif tracks:
            _show(at, at.client.jobs.tracks(job, **chosen), limit, "track_table")  # type: ignore[arg-type]
        else:
            detections = at.client.jobs.detections(job, score_min=score_min, track_id=track, **chosen)  # type: ignore[arg-type]
            _show(at, detections, limit, "detection_table")


@command
def export(
    what: What,
    form: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT", help="coco, yolo, mot, cvat, csv, parquet, webvtt, mp4, …", show_default=False
        ),
    ],
    to: Annotated[Path, typer.Option("--to", "-o", metavar="PATH", help="The file, or the folder for it.")] = Path(),
    label: Annotated[
        list[str] | None, typer.Option("--label", "-l", help="Only this label; may be given several times.")
    ] = None,
    score_min: ScoreMin = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write results as a file that another tool reads; docs/exports.md has the formats."""
    from reelscan.cli import tables

    with session(as_json=as_json, quiet=quiet) as at:
        job = find_job(at.client, what)
        options: dict[str, Any] = {
            name: value for name, value in (("labels", label), ("score_min", score_min)) if value is not None
        }
        with at.screen.notes.status(f" Making {form} …") if at.screen.has_progress else _nothing():
            made = at.client.exports.wait(job, at.client.exports.start(job, form.replace("-", "_"), **options))
            path = at.client.exports.download(made, to)
        rows = [
            ("file", path),
            ("size", tables.size(made.size_bytes)),
            ("detections", f"{made.detections or 0:,}"),
            ("SHA-256", made.sha256),
        ]
        at.screen.answer({"path": str(path), "export": made}, lambda: tables.facts(rows), [str(path)])


def _show(at: Session, pages: Any, limit: int, table: str) -> None:
    from itertools import islice

    from reelscan.cli import tables
    from reelscan.cli.screen import plain

    if at.screen.is_json:
        found = list(islice(pages, None if limit == LIMIT else limit))
        at.screen.answer(plain(found), lambda: "")
        return
    found = list(islice(pages, limit + 1))
    at.screen.answer(found, lambda: getattr(tables, table)(found[:limit]), (_id_of(row) for row in found[:limit]))
    if len(found) > limit:
        at.screen.note(f" [dim]there are more: --limit {limit * 10}, or --json for all[/]")


def _plot(at: Session, job: Job, found: Any, plot: str, start: float | None, end: float | None) -> None:
    from reelscan.cli.timeline import draw, lanes_of, make_timeline, save_plot

    video = at.client.videos.get(job.video_id)
    start_seconds = start or 0.0
    length = video.media.duration_seconds if video.media else 0.0
    end_seconds = end if end is not None else max(length, start_seconds)
    is_drawn = plot == TERMINAL
    spans = max(20, min(at.screen.out.width, 160) - MARGIN_CELLS) if is_drawn else PLOT_SPANS
    timeline = make_timeline(found, start_seconds, end_seconds, spans)
    if not is_drawn:
        save_plot(timeline, Path(plot), video.filename)
        at.screen.note(f" [dim]written:[/] {plot}")
    at.screen.answer(lanes_of(timeline), lambda: draw(timeline) if is_drawn else "", [] if is_drawn else [plot])


def _id_of(row: Any) -> str:
    """What `--quiet` shows of a row: its track, or when it is."""
    track, seconds = getattr(row, "track_id", None), getattr(row, "time_seconds", None)
    return str(seconds if seconds is not None else track if track is not None else getattr(row, "first_seconds", ""))


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()
