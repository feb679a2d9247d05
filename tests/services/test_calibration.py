"""Finished jobs teach rates, once, and only their own tenant's."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.ids import TenantId
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.usage import JobUsage, ModelUsage, Usage
from chalicelib.services.calibration import learn
from chalicelib.services.quotes import quote_job
from tests.fakes.makers import TENANT
from tests.services.world import World, make_request

INPUT_PIXELS = 320 * 320
USAGE = JobUsage(
    Usage(
        cpu=40.0,
        start=4.0,
        children=4,
        load={"a" * 64: ModelUsage(2.0, 4)},
        decode=8.0,
        prepare=2.0,
        infer={f"{'a' * 64}:{INPUT_PIXELS}": ModelUsage(20.0, 250)},
        frames=250,
    ),
    Usage(cpu=3.0, start=1.0, children=1),
)


def finished(world: World) -> Job:
    """A job whose workers told what they took."""
    job = replace(world.done(), usage=USAGE)
    learn(world.ports, job)
    return job


def test_the_next_job_like_it_is_quoted_what_it_took() -> None:
    world = World()
    finished(world)
    fresh = World()
    fresh.fakes.rates.rates = world.fakes.rates.rates
    quote = quote_job(fresh.ports, fresh.ready(), make_request())
    assert round(quote.cpu_seconds, 6) == round(USAGE.cpu_seconds, 6)
    assert quote.is_measured


def test_what_stored_results_answer_takes_no_worker() -> None:
    world = World()
    job = finished(world)
    video = world.fakes.ports.videos.get(TENANT, job.video_id)
    assert video is not None
    quote = quote_job(world.ports, video, make_request())
    assert (quote.children, quote.cpu_seconds, quote.parts.workers, quote.seconds_to_finish) == (0, 0, 0, 0)
    assert quote.cells_reused == quote.cells == 6


def test_what_is_told_twice_counts_once() -> None:
    world = World()
    job = finished(world)
    before = world.ports.rates.get(TENANT)
    learn(world.ports, job)
    assert world.ports.rates.get(TENANT) == before


def test_another_tenant_is_quoted_by_what_is_stated() -> None:
    world = World()
    finished(world)
    assert world.ports.rates.get(TenantId("other")) == {}


def test_a_job_that_failed_teaches_nothing() -> None:
    world = World()
    learn(world.ports, replace(world.done(), usage=USAGE, state=JobState.FAILED))
    assert world.ports.rates.get(TENANT) == {}


def test_a_job_whose_workers_told_nothing_teaches_nothing() -> None:
    world = World()
    learn(world.ports, world.done())
    assert world.ports.rates.get(TENANT) == {}
