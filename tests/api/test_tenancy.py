"""Tenancy, for every route: what belongs to another tenant answers like what never was, and nothing of it moves."""

from __future__ import annotations

from copy import deepcopy

import pytest

from tests.api.routes import ROUTES, Route
from tests.api.seed import NEVER_JOB, NEVER_VIDEO, Seeded, seed_for, seed_job, seed_video
from tests.api.service import ACME, OTHER, Answer, Service

NEVER = Seeded(NEVER_VIDEO, NEVER_JOB)
TO_ONE_THING = [route for route in ROUTES if "{" in route.path and not route.is_public]


def ask(service: Service, route: Route, ids: Seeded, token: str) -> Answer:
    path = route.path.format(**ids.path_values)
    return service.call(route.method, path, route.body_for(ids.job_id), query=route.asked, token=token)


@pytest.mark.parametrize("route", TO_ONE_THING, ids=str)
def test_a_thing_of_another_tenant_answers_like_one_that_never_was(route: Route) -> None:
    service = Service()
    ids = seed_for(service, route)
    foreign = ask(service, route, ids, OTHER)
    never = ask(Service(), route, Seeded(NEVER_VIDEO, NEVER_JOB), OTHER)
    expected = never.body.replace(NEVER_VIDEO.encode(), ids.video_id.encode())
    for name in ("export_id", "rendition_id", "campaign_id", "run_id", "webhook_id"):
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
