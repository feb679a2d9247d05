"""Records of the service as tables and lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from reelscan.records import (
        Detection,
        Diff,
        DiffLabel,
        DiffSums,
        Export,
        Failure,
        Job,
        Model,
        NamedModel,
        Quote,
        Segment,
        Track,
        Video,
    )

STYLE_BY_STATE = {
    "READY": "green",
    "SUCCEEDED": "green",
    "DONE": "green",
    "PARTIAL": "yellow",
    "FAILED": "red",
    "REJECTED": "red",
    "CANCELLED": "dim",
    "PENDING": "dim",
    "OPEN": "dim",
    "AWAITING_UPLOAD": "dim",
}
RUNNING_STYLE = "cyan"
MEGABYTE = 1_000_000


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, nothing: str) -> RenderableType:
    """Rows under headings; those that begin with `>` stand to the right. Without rows the sentence `nothing`."""
    made = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        made.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return Padding(made if made.row_count else Text(nothing, style="dim"), (1, 1))


def facts(rows: Iterable[tuple[str, Any]]) -> RenderableType:
    """Names and what they are."""
    grid = Table.grid(padding=(0, 2))
    for name, value in rows:
        if value not in (None, ""):
            grid.add_row(Text(name, style="dim"), value if isinstance(value, Text) else Text(str(value)))
    return Padding(grid, (1, 1))


def state(name: str) -> Text:
    """A state in its colour."""
    return Text(name, style=STYLE_BY_STATE.get(name, RUNNING_STYLE))


def ident(name: str) -> Text:
    """An id, which is to be copied and never wrapped."""
    return Text(name, style="cyan", no_wrap=True)


def ago(at: datetime | None) -> Text:
    """How long ago; the time itself where that is long."""
    if at is None:
        return Text("")
    seconds = (datetime.now(UTC) - at).total_seconds()
    for unit, length in (("s", 60), ("min", 60), ("h", 24)):
        if seconds < length:
            return Text(f"{max(0, seconds):.0f} {unit} ago", style="dim")
        seconds /= length
    return Text(f"{at:%Y-%m-%d}", style="dim")


def size(count: int | None) -> str:
    """Bytes for people."""
    if count is None:
        return ""
    return f"{count / MEGABYTE:,.1f} MB" if count >= MEGABYTE / 10 else f"{count / 1000:,.1f} kB"


def clock(seconds: float) -> str:
    """`1:02.50`, with hours where there are any."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"


def video_table(videos: Iterable[Video]) -> RenderableType:
    """Videos, a line each."""
    rows = (
        (
            ident(video.video_id),
            video.filename,
            state(video.state),
            clock(video.media.duration_seconds) if video.media else "",
            f"{video.media.width}×{video.media.height}" if video.media else "",
            size(video.size_bytes),
            ago(video.created_at),
        )
        for video in videos
    )
    columns = ("video", "file", "state", ">length", ">frame", ">size", "uploaded")
    return table(columns, rows, nothing="No videos yet. Start with: reelscan run your-video.mp4")


def video_facts(video: Video) -> RenderableType:
    """All that is known of one."""
    media = video.media
    rows: list[tuple[str, Any]] = [
        ("video", ident(video.video_id)),
        ("file", f"{video.filename}, {size(video.size_bytes)}"),
        ("state", state(video.state)),
        ("uploaded", f"{video.created_at:%Y-%m-%d %H:%M:%S} UTC"),
    ]
    if media:
        rows += [
            ("format", f"{media.codec} in {media.container}, {media.width}×{media.height}, rotated {media.rotation}°"),
            (
                "length",
                f"{clock(media.duration_seconds)}, {media.frame_count or '?'} frames, {media.keyframes} keyframes",
            ),
        ]
    return Group(facts(rows), *failure(video.error))


def job_table(jobs: Iterable[Job]) -> RenderableType:
    """Jobs, a line each."""
    rows = (
        (
            ident(job.job_id),
            state(job.state),
            segments_of(job),
            ", ".join(f"{model.name}@{model.version}" for model in job.models),
            f"{job.summary['detections']:,}" if job.summary else "",
            f"{job.cost.actual_usd:.6f}" if job.cost and job.cost.actual_usd is not None else "",
            ago(job.created_at),
        )
        for job in jobs
    )
    columns = ("job", "state", ">segments", "models", ">found", ">$", "started")
    return table(columns, rows, nothing="No jobs yet. Start one with: reelscan run VIDEO")


def segments_of(job: Job) -> str:
    """`3/5`."""
    progress = job.progress
    return f"{progress.segments_done}/{progress.segments_total}" if progress.segments_total else ""


def job_result(job: Job) -> RenderableType:
    """What a job has found, or why it has not."""
    took = f" in {(job.finished_at - job.created_at).total_seconds():.1f} s" if job.finished_at else ""
    title = Text.assemble(" ", state(job.state), f"{took}   ", ident(job.job_id))
    parts: list[RenderableType] = [Text(), title]
    if job.summary:
        summary = job.summary
        counts = f"{summary['detections']:,} detections, {summary['tracks']:,} tracks"
        parts.append(Text(f" {counts} in {summary['frames_analyzed']:,} frames", style="dim"))
        parts.append(summary_table(summary["labels"]))
    for gap in job.missing or ():
        span = f"{clock(gap.start_seconds)} to {clock(gap.end_seconds)} is missing"
        parts += [Text(f" {span}", style="yellow"), *failure(gap.error)]
    parts += failure(job.error)
    if job.cost and job.cost.actual_usd is not None:
        cost = f" about ${job.cost.actual_usd:.6f} on AWS, quoted ${job.cost.quote_usd:.6f}"
        parts.append(Text(cost, style="dim"))
    return Group(*parts)


def summary_table(labels: Sequence[dict[str, Any]]) -> RenderableType:
    """Per label how often, when, how sure."""
    rows = (
        (
            Text(row["label"], style="bold"),
            f"{row['detections']:,}",
            f"{row['tracks']:,}",
            clock(row["first_seconds"]),
            clock(row["last_seconds"]),
            f"{row['score_max']:.2f}",
        )
        for row in labels
    )
    columns = ("label", ">detections", ">tracks", ">first seen", ">last seen", ">best score")
    return table(columns, rows, nothing="Nothing was found.")


def detection_table(found: Iterable[Detection]) -> RenderableType:
    """Detections, a line each."""
    rows = (
        (
            clock(row.time_seconds),
            "" if row.frame_index is None else row.frame_index,
            Text(row.label, style="bold"),
            f"{row.score:.3f}",
            " ".join(f"{side:.0f}" for side in row.box),
            "" if row.track_id is None else f"#{row.track_id}",
        )
        for row in found
    )
    return table((">time", ">frame", "label", ">score", "box", ">track"), rows, nothing="Nothing matches.")


def track_table(found: Iterable[Track]) -> RenderableType:
    """Tracks, a line each."""
    rows = (
        (
            f"#{row.track_id}",
            Text(row.label, style="bold"),
            clock(row.first_seconds),
            clock(row.last_seconds),
            f"{row.frames:,}",
            f"{row.score_max:.3f}",
        )
        for row in found
    )
    return table((">track", "label", ">first", ">last", ">frames", ">best score"), rows, nothing="Nothing matches.")


def found_table(found: Sequence[Any]) -> RenderableType:
    """The answer of a query, whatever it is of: a column for each field that says something."""
    from reelscan.cli.screen import plain

    rows = [_flat(plain(row)) for row in found]
    names = list(dict.fromkeys(name for row in rows for name in row))
    shown = [name for name in names if name not in ("timebase", "job_id") and not name.endswith("pts")]
    cells = [[_cell(row.get(name)) for name in shown] for row in rows]
    return table([name.replace("_", " ") for name in shown], cells, nothing="Nothing matches.")


def segment_table(segments: Iterable[Segment]) -> RenderableType:
    """Segments, a line each."""
    rows = (
        (row.index, state(row.state), row.attempt, row.lane, row.provider or "", row.error.code if row.error else "")
        for row in segments
    )
    return table((">segment", "state", ">attempt", "lane", "ran on", "error"), rows, nothing="Not planned yet.")


def export_table(exports: Iterable[Export]) -> RenderableType:
    """Exports, a line each."""
    rows = (
        (ident(row.export_id), row.format, state(row.state), size(row.size_bytes), ago(row.created_at))
        for row in exports
    )
    return table(("export", "format", "state", ">size", "asked for"), rows, nothing="No exports yet.")


def model_table(models: Iterable[Model]) -> RenderableType:
    """Models, a line each."""
    rows = (
        (
            Text(row.name, style="bold cyan"),
            row.version,
            row.task,
            _some(row.labels),
            f"{row.score_default:.2f}",
            row.licence,
        )
        for row in models
    )
    columns = ("model", "version", "task", "labels", ">threshold", "licence")
    return table(columns, rows, nothing="No models.")


def model_facts(model: NamedModel) -> RenderableType:
    """The versions and aliases of one."""
    rows = (
        (
            row.version,
            state(row.state),
            row.adapter,
            _some(row.labels),
            size(row.size_bytes),
            f"{row.trial.inputs[0].cpu_ms:.1f} ms" if row.trial and row.trial.inputs else "",
        )
        for row in model.versions
    )
    parts = [
        Text.assemble(" ", (model.name, "bold cyan")),
        table(("version", "state", "adapter", "labels", ">size", ">a frame"), rows, nothing="No versions."),
    ]
    parts += [Text.assemble(" ", (f"@{alias.alias}", "cyan"), f" means {alias.version}") for alias in model.aliases]
    for version in model.versions:
        parts += [Text(f" {version.version}: {reason}", style="red") for reason in version.reasons or ()]
    return Group(*parts)


def quote_facts(quote: Quote) -> RenderableType:
    """What an analysis would cost."""
    return facts(
        [
            ("cost", Text(f"${quote.cost_usd:.6f}", style="bold")),
            ("done in", f"about {quote.seconds_to_finish:.0f} s"),
            ("work", f"{quote.cpu_seconds:.1f} CPU seconds, {quote.segments} segments, lane {quote.lane}"),
            ("stored already", f"{quote.cells_reused} of {quote.cells} cells"),
            ("prices of", quote.prices_dated),
        ]
    )


def diff_table(found: Diff) -> RenderableType:
    """Two jobs beside each other."""
    named: list[tuple[str, DiffLabel | DiffSums]] = [(row.label, row) for row in found.labels]
    rows = [
        (
            Text(name, style="bold"),
            f"{row.a_count:,}",
            f"{row.b_count:,}",
            f"{row.matched:,}",
            f"{row.moved:,}",
            Text(f"+{row.added:,}", style="green"),
            Text(f"−{row.removed:,}", style="red"),
            f"{row.agreement:.1%}",
        )
        for name, row in [*named, ("all", found.total)]
    ]
    columns = ("label", ">before", ">after", ">the same", ">moved", ">added", ">removed", ">agreement")
    return table(columns, rows, nothing="Nothing was found by either.")


def failure(error: Failure | None) -> list[RenderableType]:
    """Why something ended badly."""
    if error is None:
        return []
    rows = [("cause", error.detail), ("hint", error.hint)]
    return [Text.assemble(" ", (f"✗ {error.title}", "bold red"), "  ", (error.code, "dim")), facts(rows)]


def _some(labels: Sequence[str], most: int = 3) -> str:
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more


def _flat(row: dict[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name} ")
        elif value is not None:
            flat[before + name] = value
    return flat


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return "" if value is None else str(value) if not isinstance(value, list) else " ".join(map(_cell, value))
