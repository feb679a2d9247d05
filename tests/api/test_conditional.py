"""Polling: an ETag for every answer to GET, and nothing sent again that the client has."""

from __future__ import annotations

import pytest

from chalicelib.domain.jobs import JobState
from tests.api.routes import ROUTES, Route
from tests.api.seed import (
    seed_campaign,
    seed_export,
    seed_job,
    seed_model,
    seed_pipeline,
    seed_rendition,
    seed_upload_in_parts,
    seed_webhook,
)
from tests.api.service import ACME, Service

GETS = [route for route in ROUTES if route.method == "GET"]


@pytest.fixture(scope="module")
def service() -> Service:
    return Service()


def path_of(service: Service, route: Route) -> str:
    if "/upload" in route.path:
        return route.path.format(video_id=seed_upload_in_parts(service))
    if "/campaigns" in route.path:
        return route.path.format(**seed_campaign(service).path_values)
    if "/webhooks" in route.path:
        return route.path.format(**seed_webhook(service).path_values)
    if "/pipelines" in route.path:
        seed_pipeline(service)
    if "/models/" in route.path:
        seed_model(service, name="people")
    if "rendition_id" in route.path:
        return route.path.format(**seed_rendition(service).path_values)
    seeded = seed_export(service) if "export_id" in route.path else seed_job(service)
    return route.path.format(**seeded.path_values)


@pytest.mark.parametrize("route", GETS, ids=str)
def test_what_the_client_has_is_not_sent_again(service: Service, route: Route) -> None:
    path = path_of(service, route)
    first = service.call("GET", path, query=route.asked)
    again = service.call("GET", path, query=route.asked, headers={"If-None-Match": first.headers["etag"]})
    assert (first.status, again.status, again.body) == (200, 304, b"")
    assert again.headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize("form", ['"other", {etag}', "W/{etag}", '{etag} , "other"'])
def test_one_of_several_etags_is_enough(service: Service, form: str) -> None:
    etag = service.call("GET", "/models").headers["etag"]
    assert service.call("GET", "/models", headers={"If-None-Match": form.format(etag=etag)}).status == 304


def test_what_has_changed_is_sent() -> None:
    service = Service()
    seeded = seed_job(service, state=JobState.RUNNING)
    path = f"/jobs/{seeded.job_id}"
    etag = service.call("GET", path).headers["etag"]
    service.call("POST", f"{path}/cancel", {})
    again = service.call("GET", path, headers={"If-None-Match": etag})
    assert (again.status, again.json["job"]["state"]) == (200, "CANCELLED")


def test_an_unchanged_job_that_runs_still_says_when_to_ask_again(service: Service) -> None:
    path = f"/jobs/{seed_job(service, ACME, JobState.RUNNING).job_id}"
    etag = service.call("GET", path).headers["etag"]
    again = service.call("GET", path, headers={"If-None-Match": etag})
    assert (again.status, again.headers["retry-after"]) == (304, "1")


def test_a_problem_has_no_etag(service: Service) -> None:
    assert "etag" not in service.call("GET", "/jobs/none").headers


def test_answers_are_checked_before_they_are_used_again(service: Service) -> None:
    assert service.call("GET", "/models").headers["cache-control"] == "no-cache"
