"""Whatever fails, is lost, doubled or late: a job comes to the same end, and nothing appears that should not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.errors import Conflict, DependencyFailed
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.units import UnitState
from chalicelib.services.dispatch import owner_of
from chalicelib.services.jobs import cancel_job, start_job
from chalicelib.services.ports import ChildState, Ports
from tests.services.world import BODY, World, make_request

FAULTY_PORTS = ("videos", "jobs", "models", "units", "submissions", "due", "results", "objects", "batch")
CELLS = 5


class Faults:
    """Counts every call of a port, and lets one of them fail: before anything happened, or after."""

    def __init__(self, fails_at: int | None = None, *, is_done_first: bool = False) -> None:
        self.calls = 0
        self.is_armed = True
        self._fails_at = fails_at
        self._is_done_first = is_done_first

    def wrap(self, ports: Ports) -> Ports:
        """The same ports, with the fault in one call."""
        wrapped: dict[str, Any] = {name: _FaultyPort(getattr(ports, name), self.call) for name in FAULTY_PORTS}
        return replace(ports, **wrapped)

    def call(self, act: Callable[[], Any]) -> Any:
        if not self.is_armed:
            return act()
        is_hit = self.calls == self._fails_at
        self.calls += 1
        if not is_hit:
            return act()
        if self._is_done_first:
            act()
        raise DependencyFailed("told to fail")


class _FaultyPort:
    def __init__(self, port: Any, call: Callable[[Callable[[], Any]], Any]) -> None:
        self._port = port
        self._call = call

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        return lambda *args, **kwargs: self._call(lambda: method(*args, **kwargs))


def make_world() -> World:
    world = World()
    world.cells = CELLS
    return world


def journey(faults: Faults) -> tuple[World, Job]:
    """From the ticket to the end, each event told once; what fails is answered 503, or retried by nobody."""
    world = make_world()
    video, _ = world.create()
    job = start_job(world.ports, video, make_request())
    world.fakes.objects.place(video.source.key, BODY)
    world.ports = faults.wrap(world.fakes.ports)
    steps: list[Callable[[], None]] = [
        lambda: world.object_created(video),
        lambda: run_and_tell(world),
        lambda: world.changed(video),
        lambda: run_and_tell(world),
        lambda: world.changed(job),
        lambda: run_and_tell(world),
        lambda: world.changed(job),
    ]
    for step in steps:
        attempt(step)
    return world, job


def run_and_tell(world: World) -> None:
    for batch_job, child in world.waiting():
        world.run_worker(batch_job, child)
        attempt(partial(world.tell_of_end, batch_job, child))


def attempt(step: Callable[[], None]) -> None:
    """A function that fails is answered with an error, and its event is lost."""
    try:
        step()
    except DependencyFailed:
        return


def assert_all_is_well(world: World, job: Job) -> None:
    ended = world.job(job)
    assert ended.state is JobState.SUCCEEDED
    assert world.committed(job) == list(range(CELLS))
    assert ended.summary == {"segments": CELLS}
    assert world.ports.units.count(owner_of(job)) == (0, 0)
    assert world.fakes.memory.due == {}
    assert all(unit.is_terminal for unit in world.fakes.memory.units[owner_of(job)].values())


def calls_of_a_journey() -> int:
    faults = Faults()
    journey(faults)
    return faults.calls


@pytest.mark.parametrize("is_done_first", [False, True], ids=["refused", "reply lost"])
def test_every_single_fault_of_every_call_is_made_good(is_done_first: bool) -> None:
    for fails_at in range(calls_of_a_journey()):
        faults = Faults(fails_at, is_done_first=is_done_first)
        world, job = journey(faults)
        faults.is_armed = False
        world.drain()
        assert_all_is_well(world, job)


def test_the_journey_calls_every_port() -> None:
    assert set(FAULTY_PORTS) <= {field.name for field in fields(Ports)}
    assert calls_of_a_journey() > 50


class Chaos:
    """One video and one job, and everything that may happen to them, in any order and any number of times."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = make_world()
        self.video, _ = self.world.create()
        self.job = start_job(self.world.ports, self.video, make_request())
        self.world.fakes.objects.place(self.video.source.key, BODY)
        self.held: list[tuple[Any, int, str]] = []
        """(submission, unit, fence) of claims whose workers may be alive or not."""

    def step(self) -> None:
        """Something happens."""
        acts: list[Callable[[], None]] = [
            lambda: self.world.object_created(self.video),
            lambda: self.world.changed(self.video),
            lambda: self.world.changed(self.job),
            self.a_worker_does_its_work,
            self.a_worker_claims,
            self.a_claim_is_committed,
            self.a_child_ends,
            self.an_end_is_told_again,
            self.time_passes,
        ]
        self.random.choice(acts)()

    def a_worker_does_its_work(self) -> None:
        if waiting := self.world.waiting():
            self.world.run_worker(*self.random.choice(waiting))

    def a_worker_claims(self) -> None:
        if waiting := self.world.waiting():
            batch_job, child = self.random.choice(waiting)
            index = self.random.choice(batch_job.submission.children[child])
            fence = self.world.claim(batch_job, child, index)
            if fence is not None:
                self.held.append((batch_job.submission, index, fence))

    def a_claim_is_committed(self) -> None:
        if self.held:
            submission, index, fence = self.random.choice(self.held)
            self.world.end_unit(submission, index, fence)

    def a_child_ends(self) -> None:
        running = [
            (job, child)
            for job in self.world.fakes.batch.jobs.values()
            for child, state in enumerate(job.children)
            if state is ChildState.RUNNING
        ]
        if running:
            self.world.child_ended(*self.random.choice(running), exit_code=143)

    def an_end_is_told_again(self) -> None:
        ended = [
            (job, child)
            for job in self.world.fakes.batch.jobs.values()
            for child, state in enumerate(job.children)
            if state is ChildState.ENDED
        ]
        if ended:
            self.world.tell_of_end(*self.random.choice(ended))

    def time_passes(self) -> None:
        self.world.tick(self.random.choice([1, 20, 61]))

    def settle(self) -> None:
        """No more accidents: workers that run die, the others work, and the schedule goes on."""
        for job in self.world.fakes.batch.jobs.values():
            job.children[:] = [ChildState.ENDED if s is ChildState.RUNNING else s for s in job.children]
        self.world.drain()


def attempts_of(world: World, job: Job) -> list[int]:
    return [unit.attempt - unit.attempts_allowed for unit in world.fakes.memory.units.get(owner_of(job), {}).values()]


@settings(max_examples=250, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 60))
def test_any_order_of_events_comes_to_a_sound_end(seed: int, steps: int) -> None:
    chaos = Chaos(seed)
    for _ in range(steps):
        chaos.step()
    chaos.settle()
    world, job = chaos.world, chaos.job
    ended = world.job(job)
    failed = [u.index for u in world.fakes.memory.units.get(owner_of(job), {}).values() if u.state is UnitState.FAILED]
    assert ended.is_terminal
    assert max(attempts_of(world, job), default=0) <= 0
    # What failed has died three times; all the rest is there, once.
    assert sorted(world.committed(job) + failed) == list(range(CELLS)) or ended.state is JobState.FAILED
    assert (ended.state is JobState.SUCCEEDED) == (world.committed(job) == list(range(CELLS)) and not failed)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(order=st.lists(st.integers(0, 4), min_size=10, max_size=60))
def test_without_deaths_every_order_ends_alike(order: list[int]) -> None:
    world = make_world()
    video, _ = world.create()
    job = start_job(world.ports, video, make_request())
    world.fakes.objects.place(video.source.key, BODY)
    acts: list[Callable[[], Any]] = [
        lambda: world.object_created(video),
        lambda: world.changed(video),
        lambda: world.changed(job),
        lambda: run_first(world),
        lambda: world.tick(1),
    ]
    for act in order:
        acts[act]()
    world.drain()
    assert_all_is_well(world, job)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), before=st.integers(0, 40), after=st.integers(0, 40))
def test_nothing_appears_after_a_cancel_whenever_it_comes(seed: int, before: int, after: int) -> None:
    chaos = Chaos(seed)
    world, job = chaos.world, chaos.job
    for _ in range(before):
        chaos.step()
    try:
        cancelled = cancel_job(world.ports, world.job(job))
    except Conflict:
        assert world.job(job).is_terminal
        return
    readable = world.committed(job)
    for _ in range(after):
        chaos.step()
    chaos.settle()
    assert (world.job(job), world.committed(job)) == (cancelled, readable)
    assert cancelled.state is JobState.CANCELLED
    assert all(unit.is_terminal for unit in world.fakes.memory.units.get(owner_of(job), {}).values())


def run_first(world: World) -> None:
    if waiting := world.waiting():
        world.run_worker(*waiting[0])
