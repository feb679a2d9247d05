"""Routes of models, and their twins in GraphQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.errors import ErrorCode, Failure
from chalicelib.domain.model_versions import MAX_MODEL_BYTES, ModelState
from tests.api.graphql_client import data_of
from tests.api.routes import MANIFEST
from tests.api.seed import seed_model
from tests.api.service import ACME, OTHER, Service
from tests.api.test_graphql import as_graphql, everything

BODY: dict[str, Any] = {"filename": "net.onnx", "size_bytes": 100, "manifest": MANIFEST}


@pytest.fixture
def service() -> Service:
    return Service()


def test_a_model_is_announced_with_a_form_for_its_file(service: Service) -> None:
    answer = service.call("POST", "/models", BODY | {"sha256": "c" * 64})
    model, upload = answer.json["model"], answer.json["upload"]
    assert answer.status == 201
    assert (model["name"], model["version"], model["state"]) == ("mine", "2", "AWAITING_UPLOAD")
    assert (model["labels"], model["task"], model["adapter"]) == (["person", "dog"], "detection", "yolox")
    assert (model["is_public"], model["registered_by"]) == (False, f"user-of-{ACME}")
    assert (upload["kind"], upload["fields"]["key"].endswith("/source")) == ("post", True)


def test_asking_again_with_the_same_key_is_one_model(service: Service) -> None:
    answers = [service.call("POST", "/models", BODY, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert answers[0].json == answers[1].json


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "Mine"}, "manifest.name"),
        ({"name": "a#b"}, "manifest.name"),
        ({"name": "mine\n"}, "manifest.name"),
        ({"version": "1@2"}, "manifest.version"),
        ({"version": "1\n"}, "manifest.version"),
        ({"labels": ["a", "a"]}, "labels must be distinct"),
        ({"labels": [None]}, "not all of them null"),
        ({"labels": []}, "manifest.labels"),
        ({"task": "classification"}, "manifest.task: must be detection for the adapter yolox"),
        ({"adapter": "nobody"}, "manifest.adapter"),
        ({"score_floor": 0}, "manifest.score_floor"),
        ({"score_floor": "NaN"}, "manifest.score_floor"),
        ({"max_detections": 1001}, "manifest.max_detections"),
        ({"input": {"policy": "crop"}}, "manifest.input.policy"),
        ({"input": {"shapes": [{"width": 0}]}}, "manifest.input.shapes"),
        ({"input": {"std": [0, 1, 1]}}, "manifest.input.std"),
        ({"head": {"anchors": [[1, 2, 3]]}}, "manifest.head.anchors"),
        ({"weights": "mine"}, "manifest.weights"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused_with_its_field(
    service: Service, change: dict[str, Any], said: str
) -> None:
    answer = service.call("POST", "/models", BODY | {"manifest": MANIFEST | change})
    assert (answer.status, answer.json["code"]) == (400, "INVALID_REQUEST")
    assert said in answer.json["detail"]


@pytest.mark.parametrize(("size", "status"), [(0, 400), (MAX_MODEL_BYTES, 201), (MAX_MODEL_BYTES + 1, 413)])
def test_a_size_that_cannot_be_is_refused(service: Service, size: int, status: int) -> None:
    assert service.call("POST", "/models", BODY | {"size_bytes": size}).status == status


def test_the_same_version_again_is_a_conflict(service: Service) -> None:
    seed_model(service, version="2")
    answer = service.call("POST", "/models", BODY)
    assert (answer.status, answer.json["code"]) == (409, "CONFLICT")


def test_a_name_shows_its_versions_with_states_and_reasons(service: Service) -> None:
    seed_model(service)
    service.call("POST", "/models", BODY)
    record = service.ports.models.find_record(ACME, "mine", "2")
    assert record is not None
    failure = Failure(ErrorCode.MODEL_INVALID, "the model is refused for 2 reasons: …", "Export it again")
    service.ports.models.save(replace(record, state=ModelState.REJECTED, failure=failure, reasons=("one", "two")), None)
    model = service.call("GET", "/models/mine").json["model"]
    newest, oldest = model["versions"]
    assert (newest["state"], newest["reasons"], newest["error"]["code"]) == (
        "REJECTED",
        ["one", "two"],
        "MODEL_INVALID",
    )
    assert "sha256" not in newest
    assert (oldest["state"], len(oldest["sha256"]), "reasons" in oldest) == ("READY", 64, False)
    assert oldest["trial"] == {"inputs": [{"input": "64x64", "cpu_ms": 1.5}], "memory_mb": 20.0}


def test_a_public_name_is_shown_too(service: Service) -> None:
    (version,) = service.call("GET", "/models/toy").json["model"]["versions"]
    assert (version["is_public"], version["state"], version["sha256"]) == (True, "READY", "a" * 64)


def test_the_list_tells_own_models_from_public_ones(service: Service) -> None:
    seed_model(service)
    items = service.call("GET", "/models").json["items"]
    assert [(item["name"], item.get("state")) for item in items] == [("mine", "READY"), ("toy", None)]
    assert [item["name"] for item in service.call("GET", "/models", token=OTHER).json["items"]] == ["toy"]


def test_the_list_comes_in_pages(service: Service) -> None:
    for version in ("1", "2"):
        seed_model(service, version=version)
    names, query = [], {"limit": "1"}
    while True:
        page = service.call("GET", "/models", query=query).json
        names += [f"{item['name']}@{item['version']}" for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query = {"limit": "1", "cursor": page["next_cursor"]}
    assert names == ["mine@1", "mine@2", "toy@1"]


def test_an_alias_is_moved_and_shown_and_names_a_model_for_jobs(service: Service) -> None:
    for version in ("1", "2"):
        seed_model(service, version=version)
    answers = [service.call("PUT", "/models/mine/aliases/prod", {"version": version}) for version in ("1", "2")]
    assert [answer.status for answer in answers] == [200, 200]
    alias = answers[-1].json["alias"]
    assert (alias["alias"], alias["version"]) == ("prod", "2")
    assert [(move["version"], move.get("from_version")) for move in alias["moves"]] == [("2", "1"), ("1", None)]
    assert service.call("GET", "/models/mine").json["model"]["aliases"] == [alias]
    analyze = {"models": ["mine@prod"]}
    job = service.call("POST", "/videos", {"filename": "a.mp4", "size_bytes": 9, "analyze": analyze}).json["job"]
    assert [(model["name"], model["version"]) for model in job["models"]] == [("mine", "2")]
    late = service.call("PUT", "/models/mine/aliases/prod", {"version": "1", "from_version": "1"})
    assert (late.status, late.json["code"]) == (409, "CONFLICT")


def test_a_model_of_another_tenant_is_no_model_for_jobs(service: Service) -> None:
    seed_model(service)
    said = []
    for reference in ("mine", "nine"):
        body = {"filename": "a.mp4", "size_bytes": 9, "analyze": {"models": [reference]}}
        answer = service.call("POST", "/videos", body, token=OTHER)
        said.append((answer.status, answer.json["detail"].replace("nine", "mine")))
    assert said[0] == said[1] == (400, "there is no model 'mine'; there are: toy")


def test_a_version_and_a_name_are_deleted(service: Service) -> None:
    for version in ("1", "2"):
        seed_model(service, version=version)
    assert service.call("DELETE", "/models/mine", query={"version": "2"}).status == 204
    assert [one["version"] for one in service.call("GET", "/models/mine").json["model"]["versions"]] == ["1"]
    assert service.call("DELETE", "/models/mine").status == 204
    assert service.call("GET", "/models/mine").status == 404
    assert service.call("DELETE", "/models/toy").status == 404


# --- GraphQL ---------------------------------------------------------------------------------------------------------


def test_graphql_shows_what_rest_shows(service: Service) -> None:
    seed_model(service)
    service.call("PUT", "/models/mine/aliases/prod", {"version": "1"})
    told = data_of(service, f'{{ model(name: "mine") {{ {everything("NamedModel")} }} }}')["model"]
    assert told == as_graphql(service.call("GET", "/models/mine").json["model"], "NamedModel")
    listed = data_of(service, f"{{ models {{ items {{ {everything('Model')} }} nextCursor }} }}")["models"]
    assert listed["items"] == as_graphql(service.call("GET", "/models").json["items"], "Model")


def test_graphql_pages_models(service: Service) -> None:
    seed_model(service)
    first = data_of(service, "{ models(limit: 1) { items { name } nextCursor } }")["models"]
    query = "query($cursor: String) { models(limit: 1, cursor: $cursor) { items { name } } }"
    second = data_of(service, query, cursor=first["nextCursor"])["models"]
    assert [page["items"][0]["name"] for page in (first, second)] == ["mine", "toy"]


def test_graphql_registers_a_model_and_moves_an_alias(service: Service) -> None:
    create = """mutation($input: CreateModelInput!) {
      createModel(input: $input, idempotencyKey: "k") { model { name version state labels } upload { url } } }"""
    manifest = {
        "name": "mine",
        "task": "detection",
        "adapter": "yolov8",
        "labels": ["person", None, "dog"],
        "input": {"channelOrder": "bgr", "shapes": [{"width": 640}], "scale": 1.0},
        "head": {"activation": "none"},
        "scoreFloor": 0.2,
    }
    created = data_of(service, create, input={"sizeBytes": 100, "manifest": manifest})["createModel"]
    assert created["model"] == {
        "name": "mine",
        "version": "1",
        "state": "AWAITING_UPLOAD",
        "labels": ["person", "dog"],
    }
    assert created["upload"]["url"]
    record = service.ports.models.find_record(ACME, "mine", "1")
    assert record is not None
    assert record.recipe["shapes"] == [[640, None]]
    assert record.recipe["channel_order"] == "bgr"
    seed_model(service, name="other")
    move = """mutation { moveModelAlias(name: "other", alias: "prod", input: {version: "1"}) {
      alias version moves { version fromVersion movedBy } } }"""
    assert data_of(service, move)["moveModelAlias"] == {
        "alias": "prod",
        "version": "1",
        "moves": [{"version": "1", "fromVersion": None, "movedBy": f"user-of-{ACME}"}],
    }


def test_graphql_deletes_a_version_or_the_whole_model_and_says_what_it_was(service: Service) -> None:
    for version in ("1", "2", "3"):
        seed_model(service, version=version)
    mutation = (
        'mutation($version: String) { deleteModel(name: "mine", version: $version) { name versions { version } } }'
    )

    def delete(**variables: str) -> list[str]:
        return [one["version"] for one in data_of(service, mutation, **variables)["deleteModel"]["versions"]]

    assert delete(version="2") == ["3", "2", "1"]
    assert delete() == ["3", "1"]
    assert service.call("GET", "/models/mine").status == 404
