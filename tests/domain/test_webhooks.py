"""Webhooks: signatures as everybody checks them, secrets that end, and pauses that grow."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import Conflict
from chalicelib.domain.events import JobEventKind
from chalicelib.domain.webhooks import (
    ATTEMPTS,
    RETRY_SECONDS,
    DisabledReason,
    Secret,
    Webhook,
    WebhookState,
    encode_secret,
    message_id,
    retry_pause,
    sign,
)
from tests.fakes.makers import NOW, make_commit_event, make_state_event
from tests.fakes.webhook_makers import make_webhook

DAY = timedelta(days=1)


def test_a_signature_is_that_of_the_specification() -> None:
    # Source: the test vector of the reference libraries of Standard Webhooks.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signature = sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_during_a_rotation_both_secrets_sign() -> None:
    one, other = encode_secret(b"1" * 32), encode_secret(b"2" * 32)
    assert sign([one, other], "m", 1, b"x").split() == [sign([one], "m", 1, b"x"), sign([other], "m", 1, b"x")]


@given(st.binary(min_size=32, max_size=32))
def test_a_secret_is_its_bytes_in_base64(randomness: bytes) -> None:
    assert base64.b64decode(encode_secret(randomness).removeprefix("whsec_")) == randomness


def test_a_secret_of_another_length_is_none() -> None:
    with pytest.raises(ValueError, match="must have 32 bytes"):
        encode_secret(b"short")


def test_a_secret_never_shows_itself() -> None:
    assert "sesame" not in repr(make_webhook(secrets=(Secret("whsec_sesame"),)))
    with pytest.raises(ValueError) as error:
        make_webhook(secrets=(Secret("whsec_sesame"),) * 3)
    assert "sesame" not in str(error.value)


def test_the_old_secret_holds_until_the_overlap_ends() -> None:
    rotated = make_webhook(secrets=(Secret("old"),)).rotated("new", NOW, DAY)
    assert rotated.secrets_at(NOW + DAY - timedelta(seconds=1)) == ("new", "old")
    assert rotated.secrets_at(NOW + DAY) == ("new",)


def test_a_rotation_during_another_one_ends_the_oldest_secret() -> None:
    twice = make_webhook(secrets=(Secret("1"),)).rotated("2", NOW, DAY).rotated("3", NOW, DAY)
    assert twice.secrets_at(NOW) == ("3", "2")


def test_a_rotation_without_an_overlap_ends_the_old_secret_at_once() -> None:
    assert make_webhook(secrets=(Secret("1"),)).rotated("2", NOW, timedelta()).secrets_at(NOW) == ("2",)


def test_a_webhook_is_told_of_its_kinds_and_of_nothing_before_it() -> None:
    webhook = make_webhook(kinds=frozenset({JobEventKind.SEGMENT_COMMITTED}), created_at=NOW)
    before = make_commit_event(created_at=NOW - timedelta(seconds=1))
    wanted = [webhook.wants(event) for event in (make_commit_event(), make_state_event(), before)]
    assert wanted == [True, False, False]


def test_the_same_event_has_the_same_message_id() -> None:
    event = replace(make_commit_event(), seq=7)
    assert message_id(event) == message_id(replace(event)) == f"msg_{event.job_id}_7"


@pytest.mark.parametrize("dice", [0.0, 0.5, 0.999])
def test_pauses_grow_over_about_a_day_and_end(dice: float) -> None:
    pauses = [retry_pause(attempts, dice) for attempts in range(1, ATTEMPTS + 1)]
    assert pauses.pop() is None
    seconds = [pause.total_seconds() for pause in pauses if pause]
    assert len(seconds) == len(RETRY_SECONDS)
    assert seconds == sorted(seconds)
    assert 0.75 * 86400 < sum(seconds) < 1.25 * 86400


@pytest.mark.parametrize(("wish", "expected"), [(0, 5), (3, 5), (60, 60), (1e9, 3600)])
def test_a_receiver_may_wish_for_a_longer_pause_within_reason(wish: float, expected: float) -> None:
    assert retry_pause(1, 0.5, wish) == timedelta(seconds=expected)


def test_a_disabled_webhook_is_made_active_and_not_paused() -> None:
    disabled = make_webhook(state=WebhookState.DISABLED, disabled_reason=DisabledReason.GONE)
    active = disabled.in_state(WebhookState.ACTIVE)
    assert (active.state, active.disabled_reason) == (WebhookState.ACTIVE, None)
    with pytest.raises(Conflict):
        disabled.in_state(WebhookState.PAUSED)


@pytest.mark.parametrize(
    "fields",
    [
        {"kinds": frozenset()},
        {"secrets": ()},
        {"state": WebhookState.DISABLED},
        {"disabled_reason": DisabledReason.GONE},
    ],
)
def test_a_webhook_that_makes_no_sense_cannot_be_built(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a webhook must have"):
        Webhook(**{name: getattr(make_webhook(), name) for name in Webhook.__slots__} | fields)
