"""Webhooks as clients meet them: secrets shown once, scopes, states, and what the log says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.api import events as api_events
from chalicelib.contracts.attribute_values import item_to_wire
from chalicelib.contracts.items import event_to_item
from chalicelib.domain.ids import JobId
from chalicelib.services.ports import Claims
from chalicelib.services.webhook_ports import Reply
from chalicelib.services.webhooks import MAX_WEBHOOKS
from tests.api.graphql_client import ask, caller_of
from tests.api.routes import ROUTES
from tests.api.seed import seed_job
from tests.api.service import ACME, OTHER, Service
from tests.fakes.makers import make_state_event

URL = "https://example.com/hook"
CHANGES = [route for route in ROUTES if "/webhooks" in route.path and route.method != "GET"]


@pytest.fixture
def service() -> Service:
    return Service()


def make(service: Service, **body: Any) -> dict[str, Any]:
    answer = service.call("POST", "/webhooks", {"url": URL, **body})
    assert answer.status == 201, answer.body
    return dict(answer.json)


def path_of(made: dict[str, Any], end: str = "") -> str:
    return f"/webhooks/{made['webhook']['webhook_id']}{end}"


def happen(service: Service, job_id: str) -> None:
    """An event of the job, as the stream brings it, and every turn that comes of it."""
    made = make_state_event(tenant=ACME, job_id=JobId(job_id), created_at=service.fakes.clock.now())
    event = service.ports.events.append(made, expires_at=None)
    assert event is not None
    with wiring.using(service.ports):
        api_events.publish_recorded({"Records": [{"dynamodb": {"NewImage": item_to_wire(event_to_item(event, None))}}]})
        take_turns(service)


def take_turns(service: Service) -> None:
    woken, service.fakes.waker.woken = service.fakes.waker.woken, []
    with wiring.using(service.ports):
        for tenant, webhook_id in woken:
            api_events.send_webhook({"detail": {"tenant": tenant, "webhook_id": webhook_id}})


def test_a_webhook_is_made_read_changed_and_deleted(service: Service) -> None:
    made = make(service, kinds=["JOB_STATE_CHANGED"], description="mine")
    path = path_of(made)
    webhook = made["webhook"]
    assert (webhook["url"], webhook["kinds"], webhook["state"]) == (URL, ["JOB_STATE_CHANGED"], "ACTIVE")
    assert (webhook["created_by"], webhook["secrets"]) == ("user-of-acme", 1)
    assert service.call("GET", path).json == {"webhook": webhook}
    changed = service.call("PATCH", path, {"url": "https://example.com/b", "kinds": ["SEGMENT_COMMITTED"]})
    assert changed.json["webhook"] == webhook | {"url": "https://example.com/b", "kinds": ["SEGMENT_COMMITTED"]}
    assert service.call("GET", "/webhooks").json == {"items": [changed.json["webhook"]], "next_cursor": None}
    assert service.call("DELETE", path).status == 204
    assert service.call("GET", path).status == 404


def test_a_secret_is_shown_once_and_never_logged(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    made = make(service)
    rotated = service.call("POST", path_of(made, "/rotate"), {}).json
    secrets = [made["secret"], rotated["secret"]]
    assert all(secret.startswith("whsec_") for secret in secrets)
    assert len(set(secrets)) == 2
    service.call("POST", path_of(made, "/test"), {})
    paths = ("/webhooks", path_of(made), path_of(made, "/deliveries"))
    seen = [service.call("GET", path).body.decode() for path in paths]
    told = "".join([*seen, *(str(vars(record)) for record in caplog.records)])
    assert [secret for secret in secrets if secret.removeprefix("whsec_") in told] == []
    assert "webhook attempt" in told


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "http://example.com/"},
        {"url": "https://127.0.0.1/"},
        {"url": "https://a@example.com/"},
        {"url": URL, "kinds": []},
        {"url": URL, "kinds": ["OTHER"]},
        {"url": URL, "description": "x" * 201},
        {"url": URL, "secret": "whsec_mine"},
    ],
)
def test_a_webhook_that_may_not_be_is_refused(service: Service, body: dict[str, Any]) -> None:
    answer = service.call("POST", "/webhooks", body)
    assert (answer.status, answer.json["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    "body", [{}, {"url": None}, {"state": "DISABLED"}, {"url": "https://10.0.0.1/"}, {"kinds": []}]
)
def test_a_change_that_may_not_be_is_refused(service: Service, body: dict[str, Any]) -> None:
    made = make(service)
    assert service.call("PATCH", path_of(made), body).status == 400
    assert service.call("GET", path_of(made)).json["webhook"] == made["webhook"]


def test_a_tenant_has_a_number_of_webhooks(service: Service) -> None:
    for _ in range(MAX_WEBHOOKS):
        make(service)
    answer = service.call("POST", "/webhooks", {"url": URL})
    assert (answer.status, answer.json["code"]) == (413, "LIMIT_EXCEEDED")
    assert service.call("POST", "/webhooks", {"url": URL}, token=OTHER).status == 201


@pytest.mark.parametrize("route", CHANGES, ids=str)
def test_only_a_token_with_the_scope_changes_webhooks(service: Service, route: Any) -> None:
    service.fakes.tokens.claims_by_token["reader"] = Claims(ACME, "reader", frozenset({"reelscan/read"}))
    made, job = make(service), seed_job(service)
    path = route.path.format(webhook_id=made["webhook"]["webhook_id"])
    answer = service.call(route.method, path, route.body_for(job.job_id), token="reader")
    assert (answer.status, answer.json["code"]) == (403, "FORBIDDEN")
    assert "reelscan/webhooks" in answer.json["detail"]
    assert service.call("GET", "/webhooks", token="reader").json["items"] == [made["webhook"]]


def test_a_rotation_keeps_the_old_secret_for_a_while(service: Service) -> None:
    made = make(service)
    rotated = service.call("POST", path_of(made, "/rotate"), {"overlap_seconds": 60}).json
    assert rotated["webhook"]["secrets"] == 2
    service.fakes.clock.advance(60)
    assert service.call("GET", path_of(made)).json["webhook"]["secrets"] == 1


def test_a_repeated_rotation_with_one_key_is_one(service: Service) -> None:
    made = make(service)
    answers = [
        service.call("POST", path_of(made, "/rotate"), {}, headers={"Idempotency-Key": "once"}).json["secret"]
        for _ in range(2)
    ]
    assert len(set(answers)) == 1


def test_what_happens_to_a_job_is_sent_and_logged(service: Service) -> None:
    made, job = make(service), seed_job(service)
    happen(service, job.job_id)
    [sent] = service.fakes.notifier.sent
    events = service.call("GET", f"/jobs/{job.job_id}/events").json["items"]
    assert json.loads(sent.body)["data"] == events[0]
    [delivery] = service.call("GET", path_of(made, "/deliveries")).json["items"]
    assert (delivery["outcome"], delivery["status"], delivery["attempt"]) == ("DELIVERED", 204, 1)
    assert (delivery["message_id"], delivery["job_id"]) == (sent.message_id, job.job_id)
    assert len(service.fakes.publisher.published) == 1


def test_webhooks_are_told_when_subscribers_cannot_be(service: Service) -> None:
    make(service)
    job = seed_job(service)
    service.fakes.publisher.failures_left = 1
    with pytest.raises(Exception, match="told to fail"):
        happen(service, job.job_id)
    take_turns(service)
    assert len(service.fakes.notifier.sent) == 1


def test_a_failed_attempt_says_why_and_when_it_is_tried_again(service: Service) -> None:
    service.fakes.notifier.answer = lambda _: Reply(None, "the host does not resolve", 7)
    made, job = make(service), seed_job(service)
    happen(service, job.job_id)
    [delivery] = service.call("GET", path_of(made, "/deliveries")).json["items"]
    assert (delivery["outcome"], delivery["detail"], delivery["duration_ms"]) == (
        "FAILED",
        "the host does not resolve",
        7,
    )
    assert delivery["retry_at"] > delivery["created_at"]
    assert "status" not in delivery
    assert service.call("GET", path_of(made, "/deliveries"), query="outcome=GIVEN_UP").json["items"] == []


def test_the_log_is_cut_into_pages(service: Service) -> None:
    made = make(service)
    ids = [service.call("POST", path_of(made, "/test"), {}).json["delivery"]["delivery_id"] for _ in range(5)]
    first = service.call("GET", path_of(made, "/deliveries"), query={"limit": 3}).json
    query = {"limit": 3, "cursor": first["next_cursor"]}
    rest = service.call("GET", path_of(made, "/deliveries"), query=query).json
    assert [one["delivery_id"] for one in [*first["items"], *rest["items"]]] == ids[::-1]
    assert rest["next_cursor"] is None
    assert service.call("GET", path_of(made, "/deliveries"), query=query | {"outcome": "GIVEN_UP"}).status == 400


def test_a_test_says_what_came_of_it(service: Service) -> None:
    made = make(service)
    service.call("PATCH", path_of(made), {"state": "PAUSED"})
    service.fakes.notifier.answer = lambda _: Reply(302, "the receiver answered 302", 3)
    delivery = service.call("POST", path_of(made, "/test"), {}).json["delivery"]
    assert (delivery["kind"], delivery["outcome"], delivery["status"]) == ("TEST", "FAILED", 302)
    [sent] = service.fakes.notifier.sent
    assert json.loads(sent.body)["data"] == {"webhook_id": made["webhook"]["webhook_id"]}


def test_a_replay_says_what_is_sent_again(service: Service) -> None:
    made, job = make(service), seed_job(service)
    happen(service, job.job_id)
    answer = service.call("POST", path_of(made, "/replay"), {"job_id": job.job_id})
    assert (answer.status, answer.json) == (202, {"job_id": job.job_id, "after_seq": 0, "last_seq": 1})
    take_turns(service)
    first, second = service.fakes.notifier.sent
    assert (first.message_id, first.body) == (second.message_id, second.body)


def test_a_job_of_another_tenant_is_not_replayed(service: Service) -> None:
    made, job = make(service), seed_job(service, OTHER)
    assert service.call("POST", path_of(made, "/replay"), {"job_id": job.job_id}).status == 404


def test_graphql_does_what_rest_does(service: Service) -> None:
    def data_of(query: str) -> Any:
        answer = ask(service, query, caller=caller_of(ACME, scope="reelscan/webhooks"))
        assert "errors" not in answer, answer
        return answer["data"]

    created = data_of(
        """mutation { createWebhook(input: {url: "https://example.com/hook", kinds: ["JOB_STATE_CHANGED"]})
        { secret webhook { webhookId state kinds } } }"""
    )["createWebhook"]
    name = created["webhook"]["webhookId"]
    assert created["secret"].startswith("whsec_")
    assert (created["webhook"]["state"], created["webhook"]["kinds"]) == ("ACTIVE", ["JOB_STATE_CHANGED"])
    changed = data_of(f'mutation {{ changeWebhook(webhookId: "{name}", input: {{state: "PAUSED"}}) {{ state }} }}')
    assert changed["changeWebhook"]["state"] == "PAUSED"
    rotated = data_of(
        f'mutation {{ rotateWebhookSecret(webhookId: "{name}", input: {{overlapSeconds: 9}}) {{ secret }} }}'
    )
    assert rotated["rotateWebhookSecret"]["secret"] != created["secret"]
    tried = data_of(f'mutation {{ testWebhook(webhookId: "{name}") {{ outcome durationMs }} }}')["testWebhook"]
    assert tried == {"outcome": "DELIVERED", "durationMs": 1}
    job = seed_job(service)
    replayed = data_of(
        f'mutation {{ replayWebhook(webhookId: "{name}", input: {{jobId: "{job.job_id}"}}) {{ lastSeq }} }}'
    )
    assert replayed["replayWebhook"]["lastSeq"] == 0
    found = data_of("{ webhooks { items { webhookId secrets deliveries(limit: 5) { items { outcome kind } } } } }")
    assert found["webhooks"]["items"] == [
        {"webhookId": name, "secrets": 2, "deliveries": {"items": [{"outcome": "DELIVERED", "kind": "TEST"}]}}
    ]
    data_of(f'mutation {{ deleteWebhook(webhookId: "{name}") {{ webhookId }} }}')
    assert service.call("GET", "/webhooks").json["items"] == []
