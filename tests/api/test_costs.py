"""Quotes, budgets and receipts as clients meet them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.domain.jobs import JobState
from chalicelib.domain.usage import JobUsage, ModelUsage, Usage
from chalicelib.services.ports import Claims
from tests.api.seed import seed_video
from tests.api.service import ACME, OTHER, Service

BODY = {"models": ["toy"], "segment_seconds": 2}


@pytest.fixture
def service() -> Service:
    return Service()


def quote(service: Service, video_id: str, **body: object) -> dict[str, object]:
    answer = service.call("POST", f"/videos/{video_id}/jobs", {**BODY, **body}, query="dry_run=true")
    assert answer.status == 200, answer.json
    return dict(answer.json["quote"])


def test_a_dry_run_answers_a_quote_and_starts_nothing(service: Service) -> None:
    video = seed_video(service)
    found = quote(service, video.video_id)
    parts = found["parts"]
    assert isinstance(parts, dict)
    assert found["cost_usd"] == pytest.approx(sum(parts.values()))
    assert (found["currency"], found["prices_dated"], found["market"]) == ("USD", "2026-11-01", "spot")
    assert service.call("GET", f"/videos/{video.video_id}/jobs").json["items"] == []
    assert service.fakes.batch.jobs == {}


def test_a_dry_run_and_the_run_do_not_share_an_idempotency_key(service: Service) -> None:
    path = f"/videos/{seed_video(service).video_id}/jobs"
    key = {"Idempotency-Key": "k"}
    assert service.call("POST", path, BODY, query="dry_run=true", headers=key).status == 200
    assert service.call("POST", path, BODY, headers=key).status == 409
    assert service.call("POST", path, BODY, query="dry_run=true", headers=key).status == 200


def test_a_job_says_what_it_was_quoted_and_may_cost(service: Service) -> None:
    video = seed_video(service)
    found = quote(service, video.video_id)
    answer = service.call("POST", f"/videos/{video.video_id}/jobs", {**BODY, "max_cost_usd": 1.5})
    cost = answer.json["job"]["cost"]
    assert (answer.status, cost["quote_usd"], cost["max_cost_usd"]) == (202, found["cost_usd"], 1.5)
    assert cost["cpu_seconds"] == {"quote": found["cpu_seconds"]}
    assert "actual_usd" not in cost


def test_a_receipt_has_what_its_workers_took(service: Service) -> None:
    video = seed_video(service)
    job_id = service.call("POST", f"/videos/{video.video_id}/jobs", BODY).json["job"]["job_id"]
    [job] = service.fakes.memory.jobs.values()
    usage = JobUsage(
        Usage(cpu=12.0, start=1.0, children=1, load={"a": ModelUsage(1.0, 1)}), Usage(cpu=2.0, start=1.5, children=1)
    )
    service.ports.jobs.save(replace(job, state=JobState.SUCCEEDED, usage=usage), None)
    cost = service.call("GET", f"/jobs/{job_id}").json["job"]["cost"]
    assert cost["cpu_seconds"]["actual"] == 14.0
    # Started and finished alone on two vCPUs, ten seconds together at 0.9 of them.
    workers = (2 * 2 + 10 / 0.9 + 2 * 2) * 4958e-9
    assert cost["parts"]["workers_usd"] == pytest.approx(workers, abs=2e-9)
    assert cost["actual_usd"] == pytest.approx(sum(cost["parts"].values()))


def test_a_job_that_was_cancelled_before_anything_began_has_a_receipt_of_nothing(service: Service) -> None:
    video = seed_video(service)
    job_id = service.call("POST", f"/videos/{video.video_id}/jobs", BODY).json["job"]["job_id"]
    cost = service.call("POST", f"/jobs/{job_id}/cancel").json["job"]["cost"]
    assert (cost["actual_usd"], cost["cpu_seconds"]["actual"]) == (0.0, 0.0)


def test_a_job_that_may_not_cost_so_much_is_a_problem_that_says_which_cap(service: Service) -> None:
    video = seed_video(service)
    answer = service.call("POST", f"/videos/{video.video_id}/jobs", {**BODY, "max_cost_usd": 0.000001})
    assert (answer.status, answer.json["code"]) == (413, "LIMIT_EXCEEDED")
    assert "max_cost_usd of $0.000001" in answer.json["detail"]
    service.call("PUT", "/budget", {"monthly_usd": 0})
    answer = service.call("POST", f"/videos/{video.video_id}/jobs", BODY)
    assert (answer.status, answer.json["code"]) == (413, "LIMIT_EXCEEDED")
    assert "the budget of $0 for 2026-03" in answer.json["detail"]
    assert "PUT /budget" in answer.json["hint"]


def test_a_budget_is_set_read_and_taken_back(service: Service) -> None:
    assert service.call("GET", "/budget").json["budget"]["cap_usd"] is None
    put = service.call("PUT", "/budget", {"monthly_usd": 12.5})
    assert (put.status, put.json["budget"]["cap_usd"], put.json["budget"]["left_usd"]) == (200, 12.5, 12.5)
    video = seed_video(service)
    service.call("POST", f"/videos/{video.video_id}/jobs", BODY)
    budget = service.call("GET", "/budget").json["budget"]
    assert budget["month"] == "2026-03"
    assert budget["reserved_usd"] == quote(service, video.video_id)["cost_usd"]
    assert budget["left_usd"] == pytest.approx(12.5 - budget["reserved_usd"])
    assert service.call("GET", "/budget", token=OTHER).json["budget"]["monthly_usd"] is None
    assert service.call("PUT", "/budget", {"monthly_usd": None}).json["budget"]["cap_usd"] is None


def test_the_cap_of_the_deployment_holds_for_who_set_none() -> None:
    service = Service()
    service.ports = replace(service.ports, limits=replace(service.ports.limits, monthly_nano_usd=1))
    video = seed_video(service)
    assert service.call("POST", f"/videos/{video.video_id}/jobs", BODY).status == 413
    budget = service.call("GET", "/budget").json["budget"]
    assert (budget["monthly_usd"], budget["cap_usd"]) == (None, 1e-9)


def test_only_a_token_with_the_scope_sets_a_budget(service: Service) -> None:
    service.fakes.tokens.claims_by_token["reader"] = Claims(ACME, "reader", frozenset({"reelscan/read"}))
    answer = service.call("PUT", "/budget", {"monthly_usd": 1}, token="reader")
    assert (answer.status, answer.json["code"]) == (403, "FORBIDDEN")
    assert service.call("GET", "/budget", token="reader").status == 200


@pytest.mark.parametrize("amount", [-1, "many", 1e9])
def test_an_amount_that_is_none_is_refused(service: Service, amount: object) -> None:
    assert service.call("PUT", "/budget", {"monthly_usd": amount}).status == 400


def test_a_video_that_was_not_probed_is_not_quoted(service: Service) -> None:
    created = service.call("POST", "/videos", {"filename": "a.mp4", "size_bytes": 10}).json["video"]["video_id"]
    answer = service.call("POST", f"/videos/{created}/jobs", BODY, query="dry_run=true")
    assert (answer.status, answer.json["code"]) == (409, "CONFLICT")


def test_another_tenant_s_video_is_not_quoted(service: Service) -> None:
    video = seed_video(service)
    answer = service.call("POST", f"/videos/{video.video_id}/jobs", BODY, query="dry_run=true", token=OTHER)
    assert answer.status == 404
