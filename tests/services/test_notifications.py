"""Webhooks are told of everything, in order, and no receiver keeps another one waiting."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from chalicelib.api.webhook_present import message_body
from chalicelib.domain.errors import DependencyFailed
from chalicelib.domain.events import JobEventKind
from chalicelib.domain.ids import TenantId
from chalicelib.domain.webhooks import ATTEMPTS, RETRY_SECONDS, DisabledReason, Outcome, Secret, WebhookState, sign
from chalicelib.services.notifications import BREAK_OFF_AFTER, TURN_SECONDS, note_events, take_turn, wake_due
from chalicelib.services.ports import Ports
from chalicelib.services.webhook_ports import Reply
from chalicelib.services.webhooks import change_webhook, delete_webhook, replay
from tests.fakes.make import LIMITS
from tests.fakes.makers import TENANT, make_state_event
from tests.fakes.webhook_makers import SECRET
from tests.fakes.webhooks import Sent
from tests.services.hooks import DOWN, FINE, GONE, SILENT, HookWorld, without_repeats

DAY = 86_400


@pytest.fixture
def world() -> HookWorld:
    return HookWorld()


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_events_are_sent_once_each_and_in_order(world: HookWorld) -> None:
    webhook, job = world.webhook(), world.job()
    world.tell(job, 0, 1)
    world.tell(job, 2)
    world.run()
    assert world.seqs() == {job: [1, 2, 3]}
    assert not world.is_waiting(webhook)
    assert [one.outcome for one in world.log(webhook)] == [Outcome.DELIVERED] * 3
    world.tick(DAY)
    assert world.seqs() == {job: [1, 2, 3]}


def test_a_message_has_the_event_as_rest_has_it(world: HookWorld) -> None:
    world.webhook()
    world.tell(world.job(), 0)
    world.run()
    [sent] = world.sent()
    message = json.loads(sent.body)
    assert set(message) == {"type", "timestamp", "data"}
    assert message["type"] == message["data"]["kind"] == "SEGMENT_COMMITTED"
    assert message["timestamp"] == message["data"]["created_at"]
    assert (message["data"]["seq"], message["data"]["segment_index"]) == (1, 0)


def test_a_message_is_signed_by_every_secret_that_holds(world: HookWorld) -> None:
    now = world.fakes.clock.now()
    ended = Secret("whsec_b2xkb2xkb2xkb2xk", ends_at=now)
    other = Secret("whsec_b3RoZXJvdGhlcm8=", ends_at=now + timedelta(seconds=1))
    world.webhook(secrets=(Secret(SECRET), other))
    world.webhook("second", secrets=(Secret(SECRET), ended))
    world.tell(world.job(), 0)
    world.run()
    for name, secrets in (("example", [SECRET, other.text]), ("second", [SECRET])):
        [sent] = world.sent(name)
        timestamp = int(sent.headers["webhook-timestamp"])
        assert sent.headers["webhook-signature"] == sign(secrets, sent.message_id, timestamp, sent.body)
        assert timestamp == int(now.timestamp())


def test_only_kinds_that_it_wants_are_sent(world: HookWorld) -> None:
    webhook = world.webhook(kinds=frozenset({JobEventKind.JOB_STATE_CHANGED}))
    job = world.job()
    world.tell(job, *range(150))
    state = world.ports.events.append(make_state_event(job_id=job, created_at=world.fakes.clock.now()), expires_at=None)
    assert state is not None
    note_events(world.ports, [state])
    world.run()
    assert world.seqs() == {job: [151]}
    assert not world.is_waiting(webhook)


def test_what_happened_before_the_webhook_is_not_sent(world: HookWorld) -> None:
    job = world.job()
    world.tell(job, *range(120))
    world.fakes.clock.advance(1)
    world.webhook()
    world.tell(job, 120)
    world.run()
    assert world.seqs() == {job: [121]}


def test_an_event_whose_record_was_lost_is_sent_with_the_next_one(world: HookWorld) -> None:
    world.webhook()
    job = world.job()
    world.happen(job, 0, 1)
    world.tell(job, 2)
    world.run()
    assert world.seqs() == {job: [1, 2, 3]}


def test_records_that_come_again_or_late_send_nothing_again(world: HookWorld) -> None:
    world.webhook()
    job = world.job()
    first, second = world.happen(job, 0), world.happen(job, 1)
    for several in (first, second, first, second, first):
        note_events(world.ports, several)
        world.run()
    assert world.seqs() == {job: [1, 2]}


def test_another_tenant_is_told_of_nothing(world: HookWorld) -> None:
    world.webhook()
    other = TenantId("other")
    world.tell(world.job(other), 0, tenant=other)
    world.run()
    assert world.sent() == []


# --- failure ----------------------------------------------------------------------------------------------------------


def test_the_next_event_waits_for_the_one_before(world: HookWorld) -> None:
    webhook, job = world.webhook(), world.job()
    world.answer(lambda _: DOWN)
    world.tell(job, 0, 1, 2)
    world.run()
    assert world.seqs() == {job: [1]}
    world.answer(lambda _: FINE)
    world.tick(10)
    assert world.seqs() == {job: [1, 1, 2, 3]}
    assert not world.is_waiting(webhook)


def test_the_same_message_is_sent_again_with_its_id_and_a_new_time(world: HookWorld) -> None:
    world.webhook()
    world.answer(lambda _: DOWN)
    world.tell(world.job(), 0)
    world.run()
    world.tick(10)
    first, second = world.sent()
    assert (first.body, first.message_id) == (second.body, second.message_id)
    assert int(second.headers["webhook-timestamp"]) == int(first.headers["webhook-timestamp"]) + 10


def test_one_job_that_fails_keeps_no_other_job_waiting(world: HookWorld) -> None:
    world.webhook()
    bad, good = world.job(), world.job()
    world.answer(lambda sent: DOWN if bad.encode() in sent.body else FINE)
    world.tell(bad, 0, 1)
    world.tell(good, 0, 1)
    world.run()
    assert world.seqs() == {bad: [1], good: [1, 2]}


def test_pauses_grow_and_the_last_attempt_leaves_a_dead_letter(world: HookWorld) -> None:
    webhook, job = world.webhook(), world.job()
    world.answer(lambda sent: DOWN if b'"seq":1,' in sent.body else FINE)
    start = world.fakes.clock.now()
    world.tell(job, 0, 1)
    world.run()
    for _ in range(3 * 24 * 60):
        if not world.is_waiting(webhook):
            break
        world.tick(60)
    assert world.seqs() == {job: [1] * ATTEMPTS + [2]}
    [dead] = world.log(webhook, only_given_up=True)
    assert (dead.seq, dead.number, dead.outcome, dead.status) == (1, ATTEMPTS, Outcome.GIVEN_UP, 503)
    times = [attempt.at for attempt in world.log(webhook) if attempt.seq == 1]
    pauses = [(after - before).total_seconds() for before, after in pairwise(times)]
    assert all(
        0.8 * planned <= pause <= 1.2 * planned + 61 for planned, pause in zip(RETRY_SECONDS, pauses, strict=True)
    )
    assert timedelta(hours=18) < dead.at - start < timedelta(hours=30)
    assert world.stored(webhook).state is WebhookState.ACTIVE


def test_a_receiver_that_asks_for_a_pause_gets_it(world: HookWorld) -> None:
    world.webhook()
    world.answer(lambda _: Reply(429, "the receiver answered 429", 1, wish_seconds=300))
    world.tell(world.job(), 0)
    world.run()
    world.tick(290)
    assert len(world.sent()) == 1
    world.tick(11)
    assert len(world.sent()) == 2


def test_a_receiver_that_is_gone_is_sent_nothing_more(world: HookWorld) -> None:
    webhook, jobs = world.webhook(), [world.job() for _ in range(5)]
    world.answer(lambda _: GONE)
    for job in jobs:
        world.tell(job, 0)
    world.run()
    stored = world.stored(webhook)
    assert (stored.state, stored.disabled_reason) == (WebhookState.DISABLED, DisabledReason.GONE)
    assert len(world.sent()) == 1
    world.tell(jobs[0], 1)
    world.tick(2 * DAY)
    assert len(world.sent()) == 1


def test_what_waited_for_a_disabled_webhook_is_sent_when_it_is_active_again(world: HookWorld) -> None:
    webhook, job = world.webhook(), world.job()
    world.answer(lambda _: GONE)
    world.tell(job, 0)
    world.run()
    world.tell(job, 1)
    world.answer(lambda _: FINE)
    change_webhook(world.ports, world.stored(webhook), state=WebhookState.ACTIVE)
    world.run()
    assert world.seqs() == {job: [1, 1, 2]}


def test_a_webhook_is_disabled_after_five_days_without_a_delivery(world: HookWorld) -> None:
    webhook = world.webhook()
    world.answer(lambda _: SILENT)
    start = world.fakes.clock.now()
    while world.stored(webhook).state is WebhookState.ACTIVE:
        assert world.fakes.clock.now() - start < timedelta(days=8)
        world.tell(world.job(), 0)
        world.tick(6 * 3600)
    assert world.fakes.clock.now() - start >= timedelta(days=5)
    assert world.stored(webhook).disabled_reason is DisabledReason.FAILING
    # Made active again, it is not disabled by the days before.
    change_webhook(world.ports, world.stored(webhook), state=WebhookState.ACTIVE)
    world.run()
    assert world.stored(webhook).state is WebhookState.ACTIVE


def test_one_delivery_begins_the_days_anew(world: HookWorld) -> None:
    webhook = world.webhook()
    for day in range(12):
        world.answer(lambda _, day=day: FINE if day % 4 == 3 else DOWN)  # type: ignore[misc]
        world.tell(world.job(), 0)
        world.tick(DAY)
    assert world.stored(webhook).state is WebhookState.ACTIVE


def test_a_receiver_that_is_down_is_not_tried_for_every_job(world: HookWorld) -> None:
    webhook = world.webhook()
    world.answer(lambda _: SILENT)
    jobs = [world.job() for _ in range(100)]
    for job in jobs:
        world.tell(job, 0)
    world.run()
    assert len(world.sent()) == BREAK_OFF_AFTER
    for _ in range(60):
        world.tick(60)
    assert len(world.sent()) < 12 * BREAK_OFF_AFTER
    world.answer(lambda _: FINE)
    for _ in range(61):
        world.tick(60)
    assert {job: seqs[-1] for job, seqs in world.seqs().items()} == dict.fromkeys(jobs, 1)
    assert world.log(webhook, only_given_up=True) == []


def test_a_dead_receiver_keeps_no_other_one_waiting(world: HookWorld) -> None:
    world.webhook("dead")
    world.webhook("alive")
    world.answer(lambda sent: SILENT if "dead" in sent.url else FINE)
    jobs = [world.job() for _ in range(30)]
    for job in jobs:
        world.tell(job, 0)
    world.run()
    assert world.seqs("alive") == {job: [1] for job in jobs}
    job = world.job()
    world.tell(job, 0)
    world.run()
    assert world.seqs("alive")[job] == [1]


def test_a_turn_ends_in_time_and_another_one_goes_on(world: HookWorld) -> None:
    webhook, job = world.webhook(), world.job()

    def slowly(_: Sent) -> Reply:
        world.fakes.clock.advance(9)
        return FINE

    world.answer(slowly)
    world.tell(job, *range(10))
    [woken] = set(world.fakes.waker.woken)
    world.fakes.waker.woken.clear()
    start = world.fakes.clock.now()
    take_turn(world.ports, *woken, message_body)
    assert (world.fakes.clock.now() - start).total_seconds() < TURN_SECONDS
    assert world.seqs() == {job: [1, 2, 3, 4]}
    assert world.fakes.waker.woken == [woken]
    world.run()
    assert world.seqs() == {job: list(range(1, 11))}
    assert not world.is_waiting(webhook)


def test_several_jobs_are_told_of_side_by_side(world: HookWorld) -> None:
    world.ports = replace(world.fakes.ports, limits=replace(LIMITS, webhook_connections=4))
    webhook, jobs = world.webhook(), [world.job() for _ in range(12)]
    for job in jobs:
        world.tell(job, 0, 1, 2)
    world.run()
    assert world.seqs() == {job: [1, 2, 3] for job in jobs}
    assert not world.is_waiting(webhook)


# --- paused, replayed, deleted ----------------------------------------------------------------------------------------


def test_a_paused_webhook_is_told_when_it_is_active_again(world: HookWorld) -> None:
    webhook, job = world.webhook(), world.job()
    paused = change_webhook(world.ports, webhook, state=WebhookState.PAUSED)
    world.tell(job, 0, 1)
    world.tick(DAY)
    assert world.sent() == []
    change_webhook(world.ports, paused, state=WebhookState.ACTIVE)
    world.run()
    assert world.seqs() == {job: [1, 2]}


def test_a_replay_sends_again_what_came_after_a_number(world: HookWorld) -> None:
    webhook, job = world.webhook(), world.job()
    world.tell(job, *range(5))
    world.run()
    stored = world.ports.jobs.get(TENANT, job)
    assert stored is not None
    replayed = replay(world.ports, webhook, stored, 3)
    world.run()
    assert (replayed.after_seq, replayed.last_seq) == (3, 5)
    assert world.seqs() == {job: [1, 2, 3, 4, 5, 4, 5]}
    ids = [sent.message_id for sent in world.sent()]
    assert ids[-2:] == ids[3:5]


def test_a_replay_during_an_attempt_is_not_undone_by_it(world: HookWorld) -> None:
    webhook, job = world.webhook(), world.job()
    world.tell(job, 0, 1)
    world.run()
    stored = world.ports.jobs.get(TENANT, job)
    assert stored is not None
    begun: list[int] = []

    def replayed_meanwhile(_: Sent) -> Reply:
        if not begun:
            begun.append(replay(world.ports, webhook, stored, 0).last_seq)
        return FINE

    world.answer(replayed_meanwhile)
    world.tell(job, 2)
    world.run()
    assert world.seqs() == {job: [1, 2, 3, 1, 2, 3]}


def test_a_replay_ends_the_pause_of_what_failed(world: HookWorld) -> None:
    webhook, job = world.webhook(), world.job()
    world.answer(lambda _: DOWN)
    world.tell(job, 0)
    world.run()
    world.answer(lambda _: FINE)
    stored = world.ports.jobs.get(TENANT, job)
    assert stored is not None
    replay(world.ports, webhook, stored, 0)
    world.run()
    assert world.seqs() == {job: [1, 1]}


def test_nothing_is_sent_for_a_webhook_or_a_job_that_is_gone(world: HookWorld) -> None:
    webhook, other, job = world.webhook(), world.webhook("other"), world.job()
    world.tell(job, 0)
    delete_webhook(world.ports, webhook)
    stored = world.ports.jobs.get(TENANT, job)
    assert stored is not None
    world.ports.jobs.delete(stored)
    world.run()
    world.tick(DAY)
    assert world.fakes.notifier.sent == []
    assert not world.is_waiting(other)


# --- faults -----------------------------------------------------------------------------------------------------------

FAULTY_PORTS = ("events", "webhooks", "notifier", "waker")


class Fault:
    """Lets one call of a port fail, before or after it is done; an error that a use case may answer, or a crash."""

    def __init__(self, fails_at: int | None, error: type[Exception], *, is_done_first: bool) -> None:
        self.calls = 0
        self._fails_at = fails_at
        self._error = error
        self._is_done_first = is_done_first

    def wrap(self, ports: Ports) -> Ports:
        wrapped: dict[str, Any] = {name: _Faulty(getattr(ports, name), self) for name in FAULTY_PORTS}
        return replace(ports, **wrapped)

    def call(self, act: Callable[[], Any]) -> Any:
        is_hit = self.calls == self._fails_at
        self.calls += 1
        if not is_hit:
            return act()
        if self._is_done_first:
            act()
        raise self._error("told to fail")


class _Faulty:
    def __init__(self, port: Any, fault: Fault) -> None:
        self._port = port
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        return lambda *args, **kwargs: self._fault.call(lambda: method(*args, **kwargs))


class Crash(Exception):
    """The process is gone."""


def journey(fault: Fault) -> tuple[HookWorld, dict[str, list[int]]]:
    """Two jobs, two webhooks, one of whose receivers fails at first; functions that fail are tried again, as on AWS."""
    world = HookWorld()
    world.webhook()
    world.webhook("second")
    failures = {"left": 2}

    def answer(sent: Sent) -> Reply:
        if "second" in sent.url and failures["left"]:
            failures["left"] -= 1
            return DOWN
        return FINE

    world.answer(answer)
    jobs = [world.job(), world.job()]
    world.ports = fault.wrap(world.fakes.ports)
    for segments in ((0, 1), (2,)):
        for job in jobs:
            recorded = world.happen(job, *segments)
            # The stream brings its records again until they are taken.
            while not attempt(lambda recorded=recorded: note_events(world.ports, recorded)):  # type: ignore[misc]
                continue
        attempt(world.run)
    for _ in range(20):
        attempt(lambda: world.tick(60))
    return world, {job: [1, 2, 3] for job in jobs}


def attempt(step: Callable[[], None]) -> bool:
    try:
        step()
    except (Crash, DependencyFailed):
        return False
    return True


def calls_of_a_journey() -> int:
    fault = Fault(None, Crash, is_done_first=False)
    journey(fault)
    return fault.calls


@pytest.mark.parametrize("error", [DependencyFailed, Crash])
@pytest.mark.parametrize("is_done_first", [False, True], ids=["before", "after"])
def test_whatever_fails_every_event_comes_at_least_once_and_in_order(
    error: type[Exception], is_done_first: bool
) -> None:
    calls = calls_of_a_journey()
    assert calls > 100
    for number in range(calls):
        world, expected = journey(Fault(number, error, is_done_first=is_done_first))
        for name in ("example", "second"):
            found = {job: without_repeats(seqs) for job, seqs in world.seqs(name).items()}
            assert found == expected, f"call {number}"
        # One fault, one message that comes again; and the two that the second receiver refused.
        assert len(world.fakes.notifier.sent) <= 12 + 2 + 1, f"call {number}"
        assert world.fakes.memory.webhook_pending == {name: {} for name in world.fakes.memory.webhooks}
        assert all(queue.due_at is None for queue in world.fakes.memory.webhook_queues.values())


def test_without_faults_every_event_comes_exactly_once() -> None:
    world, expected = journey(Fault(None, Crash, is_done_first=False))
    assert world.seqs("example") == expected
    assert len(world.sent("second")) == 6 + 2


def test_when_nobody_can_be_woken_the_schedule_finds_what_waits(world: HookWorld) -> None:
    world.webhook()
    world.fakes.waker.failures_left = 1
    job = world.job()
    world.tell(job, 0)
    world.run()
    assert world.sent() == []
    assert wake_due(world.ports) == 1
    world.run()
    assert world.seqs() == {job: [1]}
