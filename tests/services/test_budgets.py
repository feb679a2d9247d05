"""Quotes, caps and what is set aside, through the whole service in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.budgets import Ledger, ReservationState, month_of
from chalicelib.domain.errors import Conflict, ErrorCode, LimitExceeded
from chalicelib.domain.ids import JobId
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.units import UnitKind
from chalicelib.services import budgets
from chalicelib.services.jobs import cancel_job, retry_job, start_job
from chalicelib.services.quotes import quote_job
from chalicelib.services.videos import delete_video
from tests.fakes.makers import A_FAILURE, TENANT
from tests.services.world import World, make_request, seconds

MONTH = "2026-03"


def ledger(world: World) -> Ledger:
    found = world.ports.ledgers.get_month(TENANT, MONTH)
    assert found is not None
    return found


def used_by(world: World, job: Job) -> int:
    return world.ports.ledgers.get_total(TENANT, job.job_id).used_nano_usd


def total_of_items(world: World) -> int:
    """What is used, from the reservations alone."""
    return sum(
        one.nano_usd if one.state is ReservationState.OPEN else one.committed_nano_usd
        for one in world.fakes.ledgers.reservations.values()
    )


def quote_of(world: World, cells: int = 6) -> int:
    return quote_job(world.ports, world.ready(cells), make_request()).cost_nano_usd


def test_a_quote_starts_and_records_nothing() -> None:
    world = World()
    video = world.ready()
    before = len(world.fakes.batch.jobs)
    quote = quote_job(world.ports, video, make_request())
    assert quote.cost_nano_usd == quote.parts.total > 0
    assert (quote.segments, quote.children, quote.cells, quote.cells_reused) == (6, 4, 6, 0)
    assert (len(world.fakes.batch.jobs), len(world.fakes.memory.jobs)) == (before, 0)


def test_a_video_that_was_not_probed_cannot_be_quoted() -> None:
    world = World()
    with pytest.raises(Conflict, match="must be READY"):
        quote_job(world.ports, world.uploaded(), make_request())


def test_what_was_quoted_is_set_aside_and_committed_when_all_is_done() -> None:
    world = World()
    quoted = quote_of(world)
    world = World()
    job = world.running()
    assert used_by(world, job) == quoted
    world.drain()
    total = world.ports.ledgers.get_total(TENANT, job.job_id)
    assert (total.reserved_nano_usd, total.committed_nano_usd) == (0, quoted)
    assert ledger(world).reserved_nano_usd == 0
    assert ledger(world).used_nano_usd == total_of_items(world) > quoted


def test_a_job_that_would_cost_more_than_it_may_is_refused_before_it_is_recorded() -> None:
    world = World()
    video = world.ready()
    quote = quote_job(world.ports, video, make_request()).cost_nano_usd
    with pytest.raises(LimitExceeded, match="max_cost_usd") as refused:
        start_job(world.ports, video, make_request(max_cost_nano_usd=quote - 1))
    assert refused.value.failure.code is ErrorCode.LIMIT_EXCEEDED
    assert not world.fakes.memory.jobs
    assert start_job(world.ports, video, make_request(max_cost_nano_usd=quote)).state is JobState.RUNNING


def test_a_month_that_is_used_up_refuses_the_next_job() -> None:
    world = World()
    video = world.ready()
    spent = ledger(world).used_nano_usd
    quote = quote_job(world.ports, video, make_request()).cost_nano_usd
    budgets.set_budget(world.ports, TENANT, spent + quote)
    start_job(world.ports, video, make_request())
    with pytest.raises(LimitExceeded, match=r"budget of \$.* for 2026-03") as refused:
        start_job(world.ports, video, make_request())
    assert "PUT /budget" in refused.value.failure.hint
    world.drain()
    assert ledger(world).used_nano_usd <= spent + quote


def test_a_job_whose_upload_came_when_the_money_was_gone_ends_as_limit_exceeded() -> None:
    world = World()
    job = start_job(world.ports, world.uploaded(), make_request(max_cost_nano_usd=10))
    world.drain()
    ended = world.job(job)
    assert (ended.state, ended.failure and ended.failure.code) == (JobState.FAILED, ErrorCode.LIMIT_EXCEEDED)
    assert used_by(world, job) == 0
    assert ledger(world).reserved_nano_usd == 0


def test_a_segment_that_must_be_done_again_beyond_the_cap_leaves_the_job_partial() -> None:
    world = World()
    video = world.ready()
    quote = quote_job(world.ports, video, make_request()).cost_nano_usd
    job = start_job(world.ports, video, make_request(max_cost_nano_usd=quote))
    batch_job = world.last_batch_job()
    first, *others = range(len(batch_job.children))
    world.claim(batch_job, first, batch_job.submission.children[first][0])
    world.child_ended(batch_job, first, exit_code=1)
    for child in others:
        world.run_worker(batch_job, child)
    world.drain()
    ended = world.job(job)
    assert ended.state is JobState.PARTIAL
    unit = world.unit(job, batch_job.submission.children[first][0])
    assert unit.failure is not None
    assert unit.failure.code is ErrorCode.LIMIT_EXCEEDED
    assert used_by(world, job) <= quote
    assert ledger(world).reserved_nano_usd == 0


def test_under_a_cap_batch_starts_no_child_again_by_itself() -> None:
    world = World()
    world.running()
    assert not world.last_batch_job().submission.is_started_once
    budgets.set_budget(world.ports, TENANT, 10**12)
    start_job(world.ports, world.ready(), make_request())
    assert world.last_batch_job().submission.is_started_once


def test_what_was_never_started_is_free_again() -> None:
    world = World()
    job = world.running()
    assert used_by(world, job) > 0
    cancel_job(world.ports, job)
    assert used_by(world, job) == 0


def test_what_was_started_of_a_cancelled_job_is_committed() -> None:
    world = World()
    job = world.running()
    reserved = used_by(world, job)
    batch_job = world.last_batch_job()
    world.run_worker(batch_job, 0)
    cancel_job(world.ports, world.job(job))
    assert 0 < used_by(world, job) < reserved
    assert world.ports.ledgers.get_total(TENANT, job.job_id).reserved_nano_usd == 0


def test_a_retry_is_paid_for_anew() -> None:
    world = World()
    job = world.running(cells=2)
    batch_job = world.last_batch_job()
    for index in (0, 1):
        fence = world.claim(batch_job, index, index)
        assert fence is not None
        world.end_unit(batch_job.submission, index, fence, A_FAILURE)
    world.changed(job)
    failed = world.job(job)
    assert failed.state is JobState.FAILED
    once = used_by(world, job)
    retry_job(world.ports, failed)
    world.drain()
    assert world.job(job).state is JobState.SUCCEEDED
    assert used_by(world, job) > once
    assert ledger(world).used_nano_usd == total_of_items(world)


def test_a_retry_beyond_the_cap_is_refused_and_changes_nothing() -> None:
    world = World()
    video = world.ready(cells=2)
    quote = quote_job(world.ports, video, make_request()).cost_nano_usd
    job = start_job(world.ports, video, make_request(max_cost_nano_usd=quote))
    batch_job = world.last_batch_job()
    for index in (0, 1):
        fence = world.claim(batch_job, index, index)
        assert fence is not None
        world.end_unit(batch_job.submission, index, fence, A_FAILURE)
    world.changed(job)
    failed = world.job(job)
    with pytest.raises(LimitExceeded):
        retry_job(world.ports, failed)
    assert world.job(job) == failed


def test_the_month_of_a_submission_is_that_of_its_recording() -> None:
    world = World()
    job = world.running()
    world.fakes.clock.advance(31 * 86_400)
    april = month_of(world.now())
    retried = replace(world.last_batch_job().submission)
    budgets.reserve(world.ports, retried)
    assert world.ports.ledgers.get_month(TENANT, april) is None
    assert used_by(world, job) == world.ports.ledgers.get_total(TENANT, job.job_id).reserved_nano_usd


def test_what_is_reserved_for_a_job_that_was_deleted_is_settled() -> None:
    world = World()
    job = world.running()
    world.run_worker(world.last_batch_job(), 0)
    delete_video(world.ports, world.fakes.ports.videos.list(TENANT, None, 1)[0])
    for _ in range(3):
        world.tick(budgets.SETTLE_SECONDS)
    assert ledger(world).reserved_nano_usd == 0
    assert used_by(world, job) > 0
    assert not world.fakes.memory.due


def test_the_end_that_nobody_told_is_settled_by_the_schedule() -> None:
    world = World()
    job = world.running()
    for batch_job, child in world.waiting():
        world.run_worker(batch_job, child)
    world.changed(job)
    finish = world.last_batch_job()
    assert finish.submission.kind is OrderKind.FINISH
    world.run_worker(finish)
    assert ledger(world).reserved_nano_usd > 0
    world.tick(seconds(budgets.SETTLE_SECONDS).total_seconds())
    assert ledger(world).reserved_nano_usd == 0


def test_a_finish_is_paid_for_with_the_analysis() -> None:
    world = World()
    video = world.ready()
    quote = quote_job(world.ports, video, make_request()).cost_nano_usd
    job = start_job(world.ports, video, make_request(max_cost_nano_usd=quote))
    world.drain()
    assert world.job(job).state is JobState.SUCCEEDED
    finish = world.fakes.ports.units.get(world.last_batch_job().submission.owner, UnitKind.FINISH)
    assert finish is not None
    assert finish.attempt == 1
    assert used_by(world, job) == quote


def test_a_job_that_found_nothing_to_take_over_pays_for_its_workers() -> None:
    world = World()
    video = world.ready()
    quote = quote_job(world.ports, video, make_request())
    # Not alike, or the second would wait for the first.
    job = start_job(world.ports, video, make_request(score_min=0.9))
    promised = replace(quote, children=0, price=replace(quote.price, child_nano_usd=0, units_nano_usd=0))
    waiting = replace(
        world.job(job),
        job_id=JobId(world.ports.ids.make("job")),
        state=JobState.PENDING,
        request=make_request(),
        plan=None,
        quote=promised,
    )
    world.ports.jobs.add(waiting, None)
    world.changed(waiting)
    assert used_by(world, waiting) == quote.cost_nano_usd
    stored = world.job(waiting).quote
    assert stored is not None
    assert stored.children == 4
