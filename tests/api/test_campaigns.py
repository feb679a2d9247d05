"""Routes of campaigns, and their twins in GraphQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.api.graphql_client import ask, caller_of, data_of
from tests.api.seed import seed_campaign
from tests.api.service import OTHER, Answer, Service

DAILY = {"kind": "rate", "every": 1, "unit": "days", "starts_at": "2030-01-01T00:00:00Z"}


@pytest.fixture
def service() -> Service:
    return Service()


def allow(service: Service, max_open: int) -> None:
    service.ports = replace(service.ports, limits=replace(service.ports.limits, max_open_campaigns=max_open))


def start(service: Service, **more: Any) -> Answer:
    body = {"name": "again", "analyze": {"models": ["toy"]}, "when": DAILY}
    return service.call("POST", "/campaigns", body, **more)


def test_a_tenant_has_no_more_open_campaigns_than_it_may(service: Service) -> None:
    allow(service, 2)
    first, _ = start(service), start(service)
    refused = start(service)
    assert (refused.status, refused.json["code"]) == (413, "LIMIT_EXCEEDED")
    assert refused.json["detail"] == "a tenant may have 2 campaigns that are not over, and this one has them"
    assert start(service, token=OTHER).status == 201
    assert service.call("POST", f"/campaigns/{first.json['campaign']['campaign_id']}/cancel", {}).status == 200
    assert start(service).status == 201


def test_graphql_is_told_of_the_limit_too(service: Service) -> None:
    allow(service, 0)
    mutation = 'mutation { createCampaign(input: {name: "again", analyze: {models: ["toy"]}}) { campaign { name } } }'
    (error,) = ask(service, mutation)["errors"]
    assert error["errorType"] == "LIMIT_EXCEEDED"


def test_graphql_deletes_a_campaign_once_and_says_what_it_was(service: Service) -> None:
    campaign_id = seed_campaign(service).campaign_id
    mutation = f"""mutation {{ deleteCampaign(campaignId: "{campaign_id}", idempotencyKey: "k") {{
      campaignId name state }} }}"""
    deleted = data_of(service, mutation)["deleteCampaign"]
    assert deleted == {"campaignId": campaign_id, "name": "again", "state": "ACTIVE"}
    assert service.call("GET", f"/campaigns/{campaign_id}").status == 404
    assert data_of(service, mutation)["deleteCampaign"] == deleted


def test_graphql_deletes_no_campaign_of_somebody_else(service: Service) -> None:
    campaign_id = seed_campaign(service).campaign_id
    mutation = f'mutation {{ deleteCampaign(campaignId: "{campaign_id}") {{ name }} }}'
    (error,) = ask(service, mutation, caller=caller_of(OTHER))["errors"]
    assert error["errorType"] == "NOT_FOUND"
    assert service.call("GET", f"/campaigns/{campaign_id}").status == 200
