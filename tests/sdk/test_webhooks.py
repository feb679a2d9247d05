"""Webhooks that are from the service, and those that are not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from reelscan import ReelscanError, WebhookRejected, verify_webhook

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"o" * 24).decode()
NOW = 1_793_500_000
BODY = json.dumps({"kind": "job.state", "job_id": "job_1"}).encode()


def sign(secret: str, body: bytes = BODY, webhook_id: str = "msg_1", timestamp: int = NOW) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(signature: str, **more: str) -> dict[str, str]:
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(NOW), "Webhook-Signature": signature} | more


def test_the_example_of_the_specification_is_accepted() -> None:
    # Source: Standard Webhooks, the test vector of its reference libraries.
    webhook = verify_webhook(
        b'{"test": 2432232314}',
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        now=lambda: 1614265330,
    )
    assert webhook.body == {"test": 2432232314}


def test_a_webhook_says_what_came_when() -> None:
    webhook = verify_webhook(BODY, headers(sign(SECRET)), SECRET, now=lambda: NOW + 299.0)
    assert (webhook.webhook_id, webhook.sent_at.timestamp(), webhook.body["job_id"]) == ("msg_1", NOW, "job_1")


def test_during_a_rotation_both_secrets_are_good() -> None:
    both = f"{sign(OLD_SECRET)} v1a,abc {sign(SECRET)}"
    for secrets in (SECRET, OLD_SECRET, [SECRET, OLD_SECRET]):
        assert verify_webhook(BODY, headers(both), secrets, now=lambda: NOW).webhook_id == "msg_1"


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (BODY + b" ", headers(sign(SECRET))),
        (BODY, headers(sign(OLD_SECRET))),
        (BODY, headers(sign(SECRET), **{"Webhook-Id": "msg_2"})),
        (BODY, headers(sign(SECRET), **{"Webhook-Timestamp": str(NOW + 1)})),
        (BODY, headers(sign(SECRET).replace("v1,", "v2,"))),
        (BODY, headers("")),
        (BODY, headers("v1,é")),
        (BODY, headers(sign(SECRET), **{"Webhook-Timestamp": "yesterday"})),
        (BODY, headers(sign(SECRET), **{"Webhook-Timestamp": "²"})),
        (BODY, {"webhook-id": "msg_1"}),
    ],
)
def test_anything_else_is_rejected(body: bytes, sent: dict[str, str]) -> None:
    with pytest.raises(WebhookRejected):
        verify_webhook(body, sent, SECRET, now=lambda: NOW)


@pytest.mark.parametrize("off_seconds", [-301, 301])
def test_a_webhook_of_another_time_is_rejected(off_seconds: int) -> None:
    with pytest.raises(WebhookRejected, match="301 s old"):
        verify_webhook(BODY, headers(sign(SECRET)), SECRET, now=lambda: NOW + off_seconds)


def test_a_secret_that_is_none_is_the_callers_mistake() -> None:
    with pytest.raises(ReelscanError, match="must be whsec_ and base64"):
        verify_webhook(BODY, headers(sign(SECRET)), "whsec_%%%", now=lambda: NOW)
