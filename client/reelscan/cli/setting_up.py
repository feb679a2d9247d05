"""`login`, `doctor`, `open`: the way to a service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from reelscan.cli.screen import AsJson, Quiet, Screen, command, fail
from reelscan.cli.session import find_job, find_video, session
from reelscan.cli.settings import LOCAL_JSON, Settings, config_path, read_file, read_settings, write_settings

EXTRAS = ("pandas", "supervision", "matplotlib")


@dataclass(frozen=True, slots=True)
class Finding:
    """What the doctor looked at."""

    name: str
    is_good: bool
    detail: str
    hint: str = ""


@command
def login(
    url: Annotated[str | None, typer.Option("--url", help="Where the service is.")] = None,
    local: Annotated[
        Path | None,
        typer.Option("--local", metavar="FILE", help="What make local wrote; out/local.json is found by itself."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remember a service and a token for it.

    A local stack of this folder is taken as it is (out/local.json). Otherwise address and token are asked for, or
    taken from REELSCAN_URL and REELSCAN_TOKEN; a token is no option, since others can see a machine's command lines.
    """
    import os

    from reelscan import Client, ReelscanError

    screen = Screen(is_json=as_json, is_quiet=quiet)
    stored = None if url else read_file(local or LOCAL_JSON)
    if local is not None and stored is None:
        fail(ReelscanError(f"{local} is not what a local stack writes", "Start one: make local"), is_json=as_json)
    if stored is None:
        url = url or os.environ.get("REELSCAN_URL") or typer.prompt("Address of the service", err=True)
        token = os.environ.get("REELSCAN_TOKEN") or typer.prompt("Access token", hide_input=True, err=True)
        stored = Settings(url.rstrip("/"), token.strip())
    with Client(stored.base_url, stored.token) as client:
        health = client.health()
        # The token must be good for something: whatever is kept works.
        client.models.list().page()
    path = write_settings(stored)
    screen.answer(
        {"base_url": stored.base_url, "version": health.version, "config": str(path)},
        lambda: f" [green]✓[/] {stored.base_url}, version {health.version}; kept in {path}",
        [stored.base_url],
    )


@command
def doctor(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Look whether everything is as it should be, and say what to do where it is not."""
    from rich.markup import escape

    screen = Screen(is_json=as_json, is_quiet=quiet)
    findings = list(_examine())

    def shown() -> str:
        lines = []
        for finding in findings:
            mark = "[green]✓[/]" if finding.is_good else "[bold red]✗[/]"
            lines.append(f" {mark} {finding.name:<14} {escape(finding.detail)}")
            if finding.hint:
                lines.append(f"   {'':<14} [dim]{escape(finding.hint)}[/]")
        return "\n".join(["", *lines, ""])

    bad = [finding for finding in findings if not finding.is_good]
    screen.answer(findings, shown, (finding.name for finding in bad))
    if bad:
        raise typer.Exit(1)


@command
def open_viewer(
    what: Annotated[
        str | None, typer.Argument(metavar="WHAT", help="A job, or the id or file name of a video.", show_default=False)
    ] = None,
    at_seconds: Annotated[float | None, typer.Option("--at", min=0, metavar="SECONDS", help="At this moment.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Say the address, and open nothing.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Open the viewer in the browser: all videos, or one video or job."""
    import webbrowser

    with session(as_json=as_json, quiet=quiet) as at:
        job = find_job(at.client, what) if what and what.startswith("job_") else None
        video_id = job.video_id if job else find_video(at.client, what).video_id if what else None
        base = at.settings.viewer_url or f"{at.client.base_url}/viewer/"
        url = viewer_url(base, video_id, job.job_id if job else None, at_seconds)
        if not no_browser:
            webbrowser.open(url)
        at.screen.answer({"url": url}, lambda: url, [url])


def viewer_url(base: str, video_id: str | None, job_id: str | None, at_seconds: float | None) -> str:
    """The viewer's address of a thing: `…#/videos/{video_id}?job=…&t=…`."""
    from urllib.parse import urlencode

    if video_id is None:
        return base
    asked = {name: value for name, value in (("job", job_id), ("t", at_seconds)) if value is not None}
    return f"{base}#/videos/{video_id}" + (f"?{urlencode(asked)}" if asked else "")


def _examine() -> Iterator[Finding]:
    from reelscan import Client, ReelscanError, Retries

    yield Finding(
        "reelscan", is_good=True, detail=f"version {_version('reelscan') or 'not installed, run from source'}"
    )
    try:
        settings = read_settings()
    except ReelscanError as error:
        yield Finding("settings", is_good=False, detail=error.detail, hint=error.hint)
        return
    yield Finding("settings", is_good=True, detail=f"{settings.base_url}, from {settings.origin}")
    if config_path().exists() and config_path().stat().st_mode & 0o077:
        yield Finding(
            "secrecy", is_good=False, detail=f"others can read {config_path()}", hint=f"chmod 600 {config_path()}"
        )
    with Client(settings.base_url, settings.token, retries=Retries(tries=1)) as client:
        try:
            yield Finding("service", is_good=True, detail=f"answers, version {client.health().version}")
        except ReelscanError as error:
            yield Finding("service", is_good=False, detail=error.detail, hint=error.hint)
            return
        try:
            names = [model.name for model in client.models.list()]
        except ReelscanError as error:
            hint = "The token of a local stack changes when it starts anew: reelscan login"
            yield Finding("token", is_good=False, detail=error.detail, hint=hint)
            return
        yield Finding("token", is_good=True, detail="is taken")
        yield Finding(
            "models",
            is_good=bool(names),
            detail=", ".join(names) or "none",
            hint="" if names else "reelscan models add",
        )
    missing = [name for name in EXTRAS if _version(name) is None]
    detail = f"not installed: {', '.join(missing)}" if missing else "pandas, supervision and matplotlib are there"
    yield Finding(
        "extras", is_good=True, detail=detail, hint='pip install "reelscan[pandas,supervision,plot]"' if missing else ""
    )


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None
