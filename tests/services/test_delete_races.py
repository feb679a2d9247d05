"""A video is deleted while somebody moves one of its aliases: at no moment does an alias name what is gone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from chalicelib.domain.errors import DependencyFailed, DomainError
from chalicelib.domain.jobs import Job
from chalicelib.domain.result_versions import LATEST, ResultVersion
from chalicelib.domain.result_versions import promote as promoted
from chalicelib.domain.videos import Video
from chalicelib.services.advance import conclude_job
from chalicelib.services.jobs import start_job
from chalicelib.services.ports import Owner, Ports
from chalicelib.services.result_versions import find_version, promote, roll_back
from chalicelib.services.videos import delete_video
from tests.fakes.makers import NOW, TENANT
from tests.services.world import World, make_request

WHY: dict[str, Any] = {"cause": "it is better", "by": "somebody"}
STORES = ("jobs", "versions", "videos", "units", "submissions", "results", "objects", "ledgers", "batch")

Move = Callable[[World, Video, list[Job]], object]


class Interrupted:
    """A store that does something before each call."""

    def __init__(self, store: Any, before_call: Callable[[], object]) -> None:
        self._store = store
        self._before_call = before_call

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        def interrupted(*args: Any, **kwargs: Any) -> Any:
            self._before_call()
            return call(*args, **kwargs)

        return interrupted


def interrupt(ports: Ports, before_call: Callable[[int], object]) -> Ports:
    """Ports with which something happens before each call; it is told which call it is, from 1."""
    calls = count(1)
    stores: dict[str, Any] = {
        name: Interrupted(getattr(ports, name), lambda: before_call(next(calls))) for name in STORES
    }
    return replace(ports, **stores)


def archive() -> tuple[World, Video, list[Job]]:
    """A video with two jobs; `latest` went from the first to the second, `prod` is the first."""
    world = World()
    video = world.ready(2)
    jobs = [start_job(world.ports, video, make_request())]
    world.drain()
    jobs.append(start_job(world.ports, video, make_request()))
    promote(world.ports, video, world.job(jobs[0]), alias="prod", **WHY)
    return world, world.video(video), [world.job(job) for job in jobs]


def dangling(world: World) -> list[ResultVersion]:
    """Aliases that name a job that is not there, or are of a video that is not."""
    memory = world.fakes.memory
    return [
        version
        for video, versions in memory.versions.items()
        for version in versions.values()
        if video not in memory.videos or Owner(version.tenant, str(version.job_id)) not in memory.jobs
    ]


def promote_the_first(world: World, video: Video, jobs: list[Job]) -> object:
    return promote(world.ports, video, jobs[0], **WHY)


def name_the_second(world: World, video: Video, jobs: list[Job]) -> object:
    return promote(world.ports, video, jobs[1], alias="best", **WHY)


def roll_latest_back(world: World, video: Video, jobs: list[Job]) -> object:
    return roll_back(world.ports, video, "default", **WHY)


def tell_of_an_end(world: World, video: Video, jobs: list[Job]) -> None:
    for job in jobs:
        conclude_job(world.ports, job)


def look_for_the_latest(world: World, video: Video, jobs: list[Job]) -> object:
    return find_version(world.ports, video, "default")


def end_one_more_job(world: World, video: Video, jobs: list[Job]) -> object:
    return start_job(world.ports, video, make_request())


def move_what_was_read_before(world: World, video: Video, jobs: list[Job]) -> object:
    """As who read the alias before the deletion began."""
    unmoved = ResultVersion(TENANT, video.video_id, "default", LATEST)
    return world.ports.versions.save(promoted(unmoved, jobs[0], **WHY, at=NOW))


MOVES: list[Move] = [
    promote_the_first,
    name_the_second,
    roll_latest_back,
    tell_of_an_end,
    look_for_the_latest,
    end_one_more_job,
    move_what_was_read_before,
]


def delete_and_move(nth: int, move: Move) -> tuple[World, int]:
    """A deletion that is disturbed before its nth call; what is then, and how many calls it took.

    At every call that follows nothing may dangle: the deletion may break off there.
    """
    world, video, jobs = archive()
    calls = 0

    def before_call(number: int) -> None:
        nonlocal calls
        calls = number
        if number == nth:
            # Whoever comes too late is told.
            with suppress(DomainError):
                move(world, video, jobs)
        assert dangling(world) == []

    delete_video(interrupt(world.ports, before_call), video)
    return world, calls


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__)
def test_an_alias_that_is_moved_at_any_moment_of_a_deletion_names_nothing_that_is_gone(move: Move) -> None:
    nth, calls = 1, 1
    while nth <= calls:
        world, calls = delete_and_move(nth, move)
        assert world.fakes.memory.versions == {}
        nth += 1
    assert nth > len(STORES)


def test_a_deletion_that_broke_off_can_be_repeated() -> None:
    world, video, _ = archive()

    def fail_late(number: int) -> None:
        if number == len(STORES):
            raise DependencyFailed("the table did not answer")

    with pytest.raises(DependencyFailed):
        delete_video(interrupt(world.ports, fail_late), video)
    assert find_version(world.ports, video, "default", "prod") is None
    delete_video(world.ports, world.video(video))
    assert (world.fakes.memory.versions, world.fakes.memory.jobs) == ({}, {})
