"""Pipelines and versions of results in GraphQL: what REST says, for the same callers."""

from __future__ import annotations

import json

import pytest

from tests.api.graphql_client import ask, caller_of, data_of
from tests.api.seed import seed_job, seed_pipeline, seed_versions, seed_video
from tests.api.service import OTHER, Service
from tests.api.test_graphql import as_graphql, everything

PIPELINE = everything("Pipeline")
VERSION = everything("ResultVersion")


def test_a_pipeline_is_made_and_read_as_rest_has_it() -> None:
    service = Service()
    told = """{ name: "people", models: ["toy"], sampling: { kind: "per_second", n: 2 }, scoreMin: 0.5,
        labels: ["dog"], tracker: { lostSeconds: 3, confirmHits: 4 } }"""
    made = data_of(service, f"mutation {{ makePipeline(input: {told}) {{ {PIPELINE} }} }}")["makePipeline"]
    rest = service.call("GET", "/pipelines/people/versions/1").json["pipeline"]
    assert made == as_graphql(rest, "Pipeline")
    assert (made["tracker"]["lostSeconds"], made["sampling"]["n"], made["createdBy"]) == (3, 2, "user-of-acme")


def test_pipelines_and_their_versions_are_those_of_rest() -> None:
    service = Service()
    seed_pipeline(service)
    service.call("POST", "/pipelines", {"name": "people", "models": ["toy"], "score_min": 0.5})
    query = f"""{{
        pipelines {{ items {{ {PIPELINE} versions(limit: 1) {{ items {{ version }} nextCursor }} }} nextCursor }}
        newest: pipeline(name: "people") {{ version }}
        first: pipeline(name: "people", version: 1) {{ {PIPELINE} }} }}"""
    told = data_of(service, query)
    (item,) = told["pipelines"]["items"]
    versions = item.pop("versions")
    assert [item] == as_graphql(service.call("GET", "/pipelines").json["items"], "Pipeline")
    assert versions["items"] == [{"version": 2}]
    assert versions["nextCursor"] == service.call("GET", "/pipelines/people", query={"limit": 1}).json["next_cursor"]
    assert (told["newest"], told["first"]["version"]) == ({"version": 2}, 1)


@pytest.mark.parametrize("query", ['pipeline(name: "cars")', 'pipeline(name: "people", version: 2)'])
def test_a_pipeline_that_there_is_not_is_not_found(query: str) -> None:
    service = Service()
    seed_pipeline(service)
    (error,) = ask(service, f"{{ {query} {{ version }} }}")["errors"]
    assert error["errorType"] == "NOT_FOUND"


def test_a_job_of_a_pipeline_says_so() -> None:
    service = Service()
    seed_pipeline(service)
    query = f"""mutation {{
        startJob(videoId: "{seed_video(service).video_id}", input: {{ pipeline: "people", promote: false }}) {{
            pipeline {{ name version }} promote models {{ name }} }} }}"""
    told = data_of(service, query)["startJob"]
    assert told == {"pipeline": {"name": "people", "version": 1}, "promote": False, "models": [{"name": "toy"}]}


def test_the_results_of_a_version_are_read_through_its_job() -> None:
    service = Service()
    seeded = seed_versions(service)
    query = f"""{{ video(videoId: "{seeded.video_id}") {{
        latest: version {{ jobId detections(label: "dog", limit: 2) {{ items {{ pts }} nextCursor }} }}
        prod: version(alias: "prod", pipeline: "default") {{ jobId }}
        job: version(alias: "{seeded.job_id}") {{ state }} }} }}"""
    told = data_of(service, query)["video"]
    rest = service.call("GET", f"/jobs/{seeded.job_id}/detections", query={"label": "dog", "limit": 2}).json
    assert (told["latest"]["jobId"], told["prod"]["jobId"], told["job"]["state"]) == (seeded.job_id,) * 2 + (
        "SUCCEEDED",
    )
    assert told["latest"]["detections"]["items"] == [{"pts": item["pts"]} for item in rest["items"]]
    assert told["latest"]["detections"]["nextCursor"] == rest["next_cursor"]


def test_a_version_that_there_is_not_is_null_and_an_error_beside_the_rest() -> None:
    service = Service()
    seeded = seed_job(service)
    query = f"""{{ video(videoId: "{seeded.video_id}") {{
        version {{ jobId }} prod: version(alias: "prod") {{ jobId }} }} }}"""
    answer = ask(service, query)
    assert answer["data"]["video"] == {"version": {"jobId": seeded.job_id}, "prod": None}
    assert [error["errorType"] for error in answer["errors"]] == ["NOT_FOUND"]


def test_an_alias_is_promoted_rolled_back_and_listed_as_in_rest() -> None:
    service = Service()
    seeded = seed_versions(service)
    first = service.call("GET", f"/videos/{seeded.video_id}/jobs").json["items"][1]["job_id"]
    place = f'videoId: "{seeded.video_id}", alias: "prod"'
    back = f'mutation {{ rollBack({place}, input: {{ cause: "worse" }}) {{ {VERSION} }} }}'
    assert data_of(service, back)["rollBack"]["jobId"] == first
    forth = f'mutation {{ promote({place}, input: {{ jobId: "{seeded.job_id}", cause: "no" }}) {{ {VERSION} }} }}'
    assert data_of(service, forth)["promote"]["jobId"] == seeded.job_id
    listed = data_of(service, f'{{ video(videoId: "{seeded.video_id}") {{ versions {{ items {{ {VERSION} }} }} }} }}')
    rest = service.call("GET", f"/videos/{seeded.video_id}/versions").json["items"]
    assert listed["video"]["versions"]["items"] == as_graphql(rest, "ResultVersion")
    assert [move["kind"] for move in rest[1]["moves"]] == ["promoted", "promoted", "rolled_back", "promoted"]


@pytest.mark.parametrize(
    "query",
    [
        '{ pipeline(name: "people") { version } }',
        'mutation { promote(videoId: "%s", alias: "prod", input: { jobId: "%s", cause: "x" }) { jobId } }',
        'mutation { rollBack(videoId: "%s", alias: "prod", input: { cause: "x" }) { jobId } }',
    ],
)
def test_what_belongs_to_another_tenant_is_not_there(query: str) -> None:
    service = Service()
    seed_pipeline(service)
    seeded = seed_versions(service)
    names = (seeded.video_id, seeded.job_id)[: query.count("%s")]
    before = service.call("GET", f"/videos/{seeded.video_id}/versions").body
    assert "NOT_FOUND" in json.dumps(ask(service, query % names, caller=caller_of(OTHER)))
    assert service.call("GET", f"/videos/{seeded.video_id}/versions").body == before
