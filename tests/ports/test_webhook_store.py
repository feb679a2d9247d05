"""The contract of the port `WebhookStore`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.domain.ids import JobId, TenantId, WebhookId
from chalicelib.domain.webhooks import DisabledReason, Outcome, Pending, Webhook, WebhookState
from chalicelib.services.ports import Ports, VersionConflict
from chalicelib.services.webhook_ports import Standing, Turn
from tests.fakes.makers import NOW
from tests.fakes.webhook_makers import make_attempt, make_webhook

LATER = NOW + timedelta(minutes=1)
FINE = Standing()


@pytest.fixture
def webhook(ports: Ports, tenant: TenantId) -> Webhook:
    """One that is recorded."""
    made = make_webhook(tenant=tenant, webhook_id=WebhookId(ports.ids.make("whk")))
    ports.webhooks.add(made)
    return made


@pytest.fixture
def job_id(ports: Ports) -> JobId:
    return JobId(ports.ids.make("job"))


def name_of(webhook: Webhook) -> tuple[TenantId, WebhookId]:
    return webhook.tenant, webhook.webhook_id


def begin(ports: Ports, webhook: Webhook, fence: str = "f", now: datetime = NOW) -> Turn | None:
    return ports.webhooks.begin_turn(*name_of(webhook), fence, now=now, until=now + timedelta(minutes=1))


def taken(ports: Ports, webhook: Webhook, fence: str = "f", now: datetime = NOW) -> Turn:
    turn = begin(ports, webhook, fence, now)
    assert turn is not None
    return turn


def end(ports: Ports, turn: Turn, due_at: datetime | None = None, standing: Standing = FINE) -> bool:
    return ports.webhooks.end_turn(turn, due_at, standing)


def is_due(ports: Ports, webhook: Webhook, now: datetime) -> bool:
    return name_of(webhook) in ports.webhooks.list_due(now, 1000)


def waiting(ports: Ports, webhook: Webhook) -> list[Pending]:
    return list(ports.webhooks.list_pending(*name_of(webhook)))


# --- webhooks ---------------------------------------------------------------------------------------------------------


def test_what_was_added_is_what_is_read(ports: Ports, webhook: Webhook) -> None:
    rotated = webhook.rotated("whsec_other", NOW, timedelta(days=1))
    disabled = replace(rotated, state=WebhookState.DISABLED, disabled_reason=DisabledReason.GONE, description="é")
    assert ports.webhooks.get(*name_of(webhook)) == webhook
    assert ports.webhooks.save(disabled) == replace(disabled, version=2)
    assert ports.webhooks.get(*name_of(webhook)) == replace(disabled, version=2)


def test_a_lost_race_is_told(ports: Ports, webhook: Webhook) -> None:
    ports.webhooks.save(replace(webhook, description="first"))
    with pytest.raises(VersionConflict):
        ports.webhooks.save(replace(webhook, description="second"))


def test_webhooks_of_a_tenant_are_listed_oldest_first(ports: Ports, webhook: Webhook) -> None:
    other = replace(webhook, webhook_id=WebhookId(ports.ids.make("whk")))
    ports.webhooks.add(other)
    listed = [one.webhook_id for one in ports.webhooks.list(webhook.tenant)]
    assert listed == sorted([webhook.webhook_id, other.webhook_id])
    assert list(ports.webhooks.list(TenantId("stranger"))) == []
    assert ports.webhooks.get(TenantId("stranger"), webhook.webhook_id) is None


def test_with_a_webhook_goes_what_waits_for_it(ports: Ports, webhook: Webhook, job_id: JobId) -> None:
    ports.webhooks.note(*name_of(webhook), job_id, 1)
    ports.webhooks.make_due(*name_of(webhook), NOW)
    ports.webhooks.delete(webhook)
    assert ports.webhooks.get(*name_of(webhook)) is None
    assert (waiting(ports, webhook), is_due(ports, webhook, LATER), begin(ports, webhook)) == ([], False, None)


# --- what waits -------------------------------------------------------------------------------------------------------


def test_the_greatest_event_is_what_waits(ports: Ports, webhook: Webhook, job_id: JobId) -> None:
    assert all(ports.webhooks.note(*name_of(webhook), job_id, seq) for seq in (2, 5, 3, 5))
    assert waiting(ports, webhook) == [Pending(job_id, 5)]
    assert ports.webhooks.get_pending(*name_of(webhook), job_id) == Pending(job_id, 5)


def test_what_is_settled_does_not_wait_again(ports: Ports, webhook: Webhook, job_id: JobId) -> None:
    assert ports.webhooks.tell_until(*name_of(webhook), job_id, 4, seen=0)
    assert not ports.webhooks.note(*name_of(webhook), job_id, 4)
    assert waiting(ports, webhook) == []
    assert ports.webhooks.note(*name_of(webhook), job_id, 5)


def test_one_more_event_does_not_begin_the_attempts_anew(ports: Ports, webhook: Webhook, job_id: JobId) -> None:
    ports.webhooks.note(*name_of(webhook), job_id, 1)
    ports.webhooks.postpone(*name_of(webhook), Pending(job_id, 1, 3, LATER))
    ports.webhooks.note(*name_of(webhook), job_id, 2)
    assert waiting(ports, webhook) == [Pending(job_id, 2, 3, LATER)]
    ports.webhooks.postpone(*name_of(webhook), Pending(job_id, 2))
    assert waiting(ports, webhook) == [Pending(job_id, 2)]


def test_what_was_noted_since_is_not_dropped(ports: Ports, webhook: Webhook, job_id: JobId) -> None:
    ports.webhooks.note(*name_of(webhook), job_id, 1)
    [seen] = waiting(ports, webhook)
    ports.webhooks.note(*name_of(webhook), job_id, 2)
    assert not ports.webhooks.drop_pending(*name_of(webhook), seen)
    assert ports.webhooks.drop_pending(*name_of(webhook), Pending(job_id, 2))
    assert ports.webhooks.drop_pending(*name_of(webhook), Pending(job_id, 2))
    assert (waiting(ports, webhook), ports.webhooks.get_pending(*name_of(webhook), job_id)) == ([], None)


def test_what_was_dropped_does_not_come_back_by_being_put_off(ports: Ports, webhook: Webhook, job_id: JobId) -> None:
    ports.webhooks.postpone(*name_of(webhook), Pending(job_id, 1, 1, LATER))
    assert waiting(ports, webhook) == []


def test_a_job_is_told_of_up_to_a_number(ports: Ports, webhook: Webhook, job_id: JobId) -> None:
    store, name = ports.webhooks, name_of(webhook)
    assert store.told_until(*name, job_id) == 0
    assert store.tell_until(*name, job_id, 2, seen=0)
    assert store.tell_until(*name, job_id, 5, seen=2)
    assert not store.tell_until(*name, job_id, 3, seen=2)
    assert store.told_until(*name, job_id) == 5


def test_a_replay_is_not_undone_by_who_was_sending(ports: Ports, webhook: Webhook, job_id: JobId) -> None:
    store, name = ports.webhooks, name_of(webhook)
    store.tell_until(*name, job_id, 7, seen=0)
    assert store.tell_until(*name, job_id, 1, seen=None)
    assert not store.tell_until(*name, job_id, 8, seen=7)
    assert store.told_until(*name, job_id) == 1


# --- turns ------------------------------------------------------------------------------------------------------------


def test_there_is_no_turn_before_something_is_due(ports: Ports, webhook: Webhook) -> None:
    assert begin(ports, webhook) is None


def test_a_webhook_is_due_from_its_time_on(ports: Ports, webhook: Webhook) -> None:
    ports.webhooks.make_due(*name_of(webhook), LATER)
    assert [is_due(ports, webhook, now) for now in (NOW, LATER)] == [False, True]
    ports.webhooks.make_due(*name_of(webhook), NOW)
    ports.webhooks.make_due(*name_of(webhook), LATER)
    assert is_due(ports, webhook, NOW)


def test_one_has_the_turn_at_a_time(ports: Ports, webhook: Webhook) -> None:
    ports.webhooks.make_due(*name_of(webhook), NOW)
    turn = taken(ports, webhook, "one")
    assert begin(ports, webhook, "other") is None
    assert end(ports, turn)
    assert taken(ports, webhook, "other").fence == "other"


def test_whoever_dies_leaves_the_turn_due_and_to_the_next(ports: Ports, webhook: Webhook) -> None:
    ports.webhooks.make_due(*name_of(webhook), NOW)
    dead = taken(ports, webhook, "dead")
    assert [is_due(ports, webhook, now) for now in (NOW, LATER)] == [False, True]
    taken(ports, webhook, "next", LATER)
    assert end(ports, dead, None)
    assert begin(ports, webhook, "third", LATER) is None


def test_a_turn_is_given_back_with_the_time_of_the_next(ports: Ports, webhook: Webhook) -> None:
    ports.webhooks.make_due(*name_of(webhook), NOW)
    standing = Standing(3, NOW, LATER)
    assert end(ports, taken(ports, webhook), LATER, standing)
    assert [is_due(ports, webhook, now) for now in (NOW, LATER)] == [False, True]
    turn = taken(ports, webhook, "other")
    assert turn.standing == standing
    assert end(ports, turn)
    assert not is_due(ports, webhook, NOW + timedelta(days=365))


def test_what_is_noted_during_a_turn_is_due_after_it(ports: Ports, webhook: Webhook) -> None:
    ports.webhooks.make_due(*name_of(webhook), NOW)
    turn = taken(ports, webhook)
    ports.webhooks.make_due(*name_of(webhook), NOW)
    assert not end(ports, turn, None)
    assert is_due(ports, webhook, NOW)
    assert taken(ports, webhook, "other").fence == "other"


@pytest.mark.parametrize("is_due_before", [True, False])
def test_a_rest_ends_with_its_time_or_when_somebody_says_so(
    ports: Ports, webhook: Webhook, *, is_due_before: bool
) -> None:
    ports.webhooks.make_due(*name_of(webhook), NOW)
    end(ports, taken(ports, webhook), NOW if is_due_before else LATER, Standing(1, NOW, LATER))
    ports.webhooks.make_due(*name_of(webhook), NOW)
    turn = taken(ports, webhook)
    assert turn.standing.rests_until == LATER
    end(ports, turn, NOW if is_due_before else LATER, turn.standing)
    ports.webhooks.make_due(*name_of(webhook), NOW, ends_rest=True)
    assert taken(ports, webhook).standing == Standing(1, NOW)


def test_turns_of_webhooks_are_nothing_to_the_reconciler(ports: Ports, webhook: Webhook) -> None:
    ports.webhooks.make_due(*name_of(webhook), NOW)
    assert [due for due in ports.due.list_due(LATER, 1000) if due.owner.tenant == webhook.tenant] == []


# --- the log ----------------------------------------------------------------------------------------------------------


def test_the_log_is_read_newest_first_in_pages(ports: Ports, webhook: Webhook) -> None:
    attempts = [make_attempt(number) for number in range(1, 6)]
    for attempt in attempts:
        ports.webhooks.log(webhook, attempt, LATER)
    first = ports.webhooks.list_attempts(webhook, None, 3, only_given_up=False)
    rest = ports.webhooks.list_attempts(webhook, first[-1].delivery_id, 3, only_given_up=False)
    assert [*first, *rest] == attempts[::-1]


def test_dead_letters_are_a_list_of_their_own(ports: Ports, webhook: Webhook) -> None:
    dead = make_attempt(2, outcome=Outcome.GIVEN_UP, retry_at=None, status=None, error="no connection")
    test = make_attempt(3, job_id=None, seq=None, kind="TEST", outcome=Outcome.DELIVERED, error="", retry_at=None)
    for attempt in (make_attempt(1), dead, test):
        ports.webhooks.log(webhook, attempt, LATER)
    assert ports.webhooks.list_attempts(webhook, None, 10, only_given_up=True) == [dead]
    assert ports.webhooks.list_attempts(webhook, None, 10, only_given_up=False) == [test, dead, make_attempt(1)]
