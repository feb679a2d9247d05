"""Tenancy, for every route: what belongs to another tenant answers like what never was, and nothing of it moves."""

from __future__ import annotations

from copy import deepcopy

import pytest

from chalicelib.domain.campaigns import CampaignState
from chalicelib.domain.jobs import JobState
from tests.api.routes import ROUTES, Route
from tests.api.seed import (
    Seeded,
    seed_campaign,
    seed_export,
    seed_job,
    seed_model,
    seed_pipeline,
    seed_upload_in_parts,
    seed_versions,
    seed_video,
    seed_webhook,
)
from tests.api.service import ACME, OTHER, Answer, Service

NEVER_VIDEO = "vid_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
NEVER_JOB = "job_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
NEVER = Seeded(NEVER_VIDEO, NEVER_JOB)
TO_ONE_THING = [route for route in ROUTES if "{" in route.path]


def ask(service: Service, route: Route, ids: Seeded, token: str) -> Answer:
    path = route.path.format(**ids.path_values)
    return service.call(route.method, path, route.body_for(ids.job_id), query=route.asked, token=token)


def seed_for(service: Service, route: Route) -> Seeded:
    """A thing of the tenant `acme` that the route could act on."""
    if "/upload" in route.path:
        return Seeded(seed_upload_in_parts(service), NEVER_JOB)
    if "export_id" in route.path:
        return seed_export(service)
    if "/models/" in route.path:
        seed_model(service, name="people")
        return Seeded(NEVER_VIDEO, NEVER_JOB)
    if "{alias}" in route.path:
        return seed_versions(service)
    if "/campaigns" in route.path:
        is_paused = route.path.endswith("/resume")
        return seed_campaign(service, state=CampaignState.PAUSED if is_paused else CampaignState.ACTIVE)
    if "/webhooks" in route.path:
        return seed_webhook(service)
    if "/pipelines" in route.path:
        seed_pipeline(service)
        return Seeded(NEVER_VIDEO, NEVER_JOB)
    state = {"cancel": JobState.RUNNING, "retry": JobState.PARTIAL}.get(route.path.rpartition("/")[2])
    return seed_job(service, state=state or JobState.SUCCEEDED, failed=(1,) if state is JobState.PARTIAL else ())


@pytest.mark.parametrize("route", TO_ONE_THING, ids=str)
def test_a_thing_of_another_tenant_answers_like_one_that_never_was(route: Route) -> None:
    service = Service()
    ids = seed_for(service, route)
    foreign = ask(service, route, ids, OTHER)
    never = ask(Service(), route, Seeded(NEVER_VIDEO, NEVER_JOB), OTHER)
    expected = never.body.replace(NEVER_VIDEO.encode(), ids.video_id.encode())
    for name in ("export_id", "campaign_id", "run_id", "webhook_id"):
        expected = expected.replace(getattr(NEVER, name).encode(), getattr(ids, name).encode())
    assert foreign.status == 404
    assert foreign.body == expected.replace(NEVER_JOB.encode(), ids.job_id.encode())
    assert (foreign.status, foreign.headers) == (never.status, never.headers)


@pytest.mark.parametrize("route", TO_ONE_THING, ids=str)
def test_a_request_of_another_tenant_moves_nothing(route: Route) -> None:
    service = Service()
    ids = seed_for(service, route)
    before = deepcopy(service.fakes.models), service.fakes.objects.keys()
    ask(service, route, ids, OTHER)
    # The whole of the memory of all stores is in that of the registry.
    assert service.fakes.models.memory is service.fakes.memory
    assert (service.fakes.models, service.fakes.objects.keys()) == before


@pytest.mark.parametrize(
    "route", [route for route in TO_ONE_THING if not route.path.endswith("/upload/complete")], ids=str
)
def test_the_owner_is_answered(route: Route) -> None:
    # Or the tests above would pass for a route that answers nobody.
    service = Service()
    assert ask(service, route, seed_for(service, route), ACME).status == route.status


@pytest.mark.parametrize("route", TO_ONE_THING, ids=str)
@pytest.mark.parametrize(
    "name", ["x", "vid_", "..", "vid_%2E%2E", "vid_7zzzzzzzzzzzzzzzzzzzzzzzzz", "%00", "a%0Ab", "%23"]
)
def test_a_name_that_is_no_id_is_not_found(route: Route, name: str) -> None:
    service = Service()
    path = route.path.format(**dict.fromkeys(Seeded("", "").path_values, name))
    assert service.call(route.method, path, route.body_for(name), query=route.asked).status in (403, 404)


def test_lists_hold_nothing_of_another_tenant() -> None:
    service = Service()
    seed_video(service)
    assert service.call("GET", "/videos", token=OTHER).json == {"items": [], "next_cursor": None}


def test_the_same_bytes_of_two_tenants_have_results_of_their_own() -> None:
    service = Service()
    seed_job(service)
    video = seed_video(service, OTHER)
    job_id = service.call("POST", f"/videos/{video.video_id}/jobs", {"models": ["toy"]}, token=OTHER).json["job"][
        "job_id"
    ]
    assert service.call("GET", f"/jobs/{job_id}/detections", token=OTHER).json["items"] == []
