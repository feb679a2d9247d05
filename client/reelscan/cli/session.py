"""A client for the service that the settings name, and how people name its things."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from reelscan.cli.screen import Screen
from reelscan.cli.settings import Settings, read_settings

if TYPE_CHECKING:
    from reelscan import Client
    from reelscan.records import Job, Video

LOOKED_THROUGH = 500
"""Newest videos among which one is found by its file name."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with."""

    client: Client
    screen: Screen
    settings: Settings


@contextmanager
def session(*, as_json: bool, quiet: bool) -> Iterator[Session]:
    """A client and a screen for one command."""
    from reelscan import Client, Retries

    settings = read_settings()
    # A person is there, who would rather be told than wait.
    with Client(settings.base_url, settings.token, retries=Retries(tries=4, cap_seconds=4)) as client:
        yield Session(client, Screen(is_json=as_json, is_quiet=quiet), settings)


def find_video(client: Client, name: str) -> Video:
    """The video of an id, or the newest one of a file name, with or without folder and ending.

    Raises:
        NotFound: there is none.
    """
    from itertools import islice

    from reelscan import NotFound

    if name.startswith("vid_"):
        return client.videos.get(name)
    wanted = PurePath(name)
    for video in islice(client.videos.list(), LOOKED_THROUGH):
        if wanted.name in (video.filename, PurePath(video.filename).stem):
            return video
    raise NotFound(
        f"none of the newest {LOOKED_THROUGH} videos is called {wanted.name}",
        "`reelscan videos` lists them; an id (vid_…, job_…) will do too",
        title="There is no such video",
    )


def find_job(client: Client, name: str) -> Job:
    """The job of an id, or the newest one of a video.

    Raises:
        NotFound: there is none.
    """
    from reelscan import NotFound

    if name.startswith("job_"):
        return client.jobs.get(name)
    video = find_video(client, name)
    job = next(iter(client.jobs.list(video)), None)
    if job is None:
        detail = f"{video.filename} ({video.video_id}) was not analysed yet"
        raise NotFound(detail, f"Start with: reelscan run {video.video_id}", title="There is no such job")
    return job
