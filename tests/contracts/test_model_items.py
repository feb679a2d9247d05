"""Items of the registry of models: every object comes back as it was, and what was written is read on."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contracts import model_items, object_keys, table_keys
from chalicelib.contracts.attribute_values import Item, item_from_wire, item_to_wire
from chalicelib.contracts.model_recipe import ModelRecipe
from chalicelib.domain.errors import ErrorCode, Failure
from chalicelib.domain.ids import ModelId, TenantId
from chalicelib.domain.model_versions import Alias, AliasMove, ModelState, ModelVersion, Trial
from chalicelib.domain.videos import Source, Upload, UploadKind
from tests.fakes.makers import make_manifest

GOLDEN = json.loads((Path(__file__).parent / "golden" / "model_items.json").read_text())
"""The items below in wire form: a table that exists is not rewritten."""
MOMENT = datetime(2026, 11, 3, 12, 30, 0, 250_000, tzinfo=UTC)
MODEL_ID = ModelId("mdl_01JD8GQ0M5X2R7T4V9W3Y6Z1AB")
RECIPE = ModelRecipe("mine", "1", "ssd", ("person", None), shapes=((640, None),), anchors=((0.5, 0.5, 1.0, 1.0),))


def a_version(**changes: Any) -> ModelVersion:
    fields: dict[str, Any] = {
        "tenant": TenantId("acme"),
        "model_id": MODEL_ID,
        "name": "mine",
        "version": "1",
        "state": ModelState.READY,
        "created_at": MOMENT,
        "filename": "net.onnx",
        "recipe": RECIPE.to_json(),
        "upload": Upload(UploadKind.POST, MOMENT + timedelta(hours=1)),
        "source": Source("bucket", "key", 100, "etag", "v1", "ab" * 32),
        "sha256": "c" * 64,
        "registered_by": "user-1",
        "manifest": make_manifest("mine"),
        "ready_at": MOMENT + timedelta(minutes=1),
        "trial": Trial({"640x384": 21.5, "384x640": 22.0}, 80.25),
        "revision": 4,
    }
    return ModelVersion(**{**fields, **changes})


def an_alias() -> Alias:
    moves = (AliasMove("2", "1", MOMENT, "bob"), AliasMove("1", None, MOMENT - timedelta(days=1), "ann"))
    return Alias("mine", "prod", moves, 2)


def through_the_table(item: Item) -> Item:
    return item_from_wire(json.loads(json.dumps(item_to_wire(item))))


REFUSED = a_version(
    state=ModelState.REJECTED,
    manifest=None,
    ready_at=None,
    trial=None,
    failure=Failure(ErrorCode.MODEL_INVALID, "the model is refused for 2 reasons", "Export it again"),
    reasons=("one", "two"),
)


@pytest.mark.parametrize("version", [a_version(), REFUSED], ids=["ready", "refused"])
def test_a_version_survives_the_table(version: ModelVersion) -> None:
    assert model_items.version_from_item(through_the_table(model_items.version_to_item(version, MOMENT))) == version


def test_an_alias_survives_the_table() -> None:
    assert model_items.alias_from_item(through_the_table(model_items.alias_to_item("acme", an_alias()))) == an_alias()


def test_a_recipe_survives_json() -> None:
    assert ModelRecipe.from_json(json.loads(json.dumps(RECIPE.to_json()))) == RECIPE
    plain = ModelRecipe("mine", "1", "yolox", ("person",))
    assert plain.to_json() == {"name": "mine", "version": "1", "adapter": "yolox", "labels": ["person"]}


def golden_items() -> dict[str, Item]:
    version = a_version()
    assert version.manifest is not None
    return {
        "version": model_items.version_to_item(version, MOMENT),
        "alias": model_items.alias_to_item("acme", an_alias()),
        "digest": model_items.digest_to_item("acme#models", version.manifest, MOMENT, MODEL_ID),
        "place": model_items.place_to_item("acme", "mine", "1", MODEL_ID),
        "public": model_items.public_place_to_item(version.manifest, MOMENT),
    }


@pytest.mark.parametrize("kind", ["version", "alias", "digest", "place", "public"])
def test_items_are_written_as_they_always_were(kind: str) -> None:
    assert json.loads(json.dumps(item_to_wire(golden_items()[kind]))) == GOLDEN[kind]


def test_items_that_exist_are_read() -> None:
    read = {kind: item_from_wire(item) for kind, item in GOLDEN.items()}
    assert model_items.version_from_item(read["version"]) == a_version()
    assert model_items.alias_from_item(read["alias"]) == an_alias()
    own, public = model_items.registered_from_item(read["digest"]), model_items.registered_from_item(read["public"])
    assert own is not None
    assert public is not None
    assert (own.key, own.is_public, own.model_id) == (object_keys.own_model_key("acme", MODEL_ID), False, MODEL_ID)
    assert (public.key, public.is_public) == (object_keys.model_key(public.manifest.sha256), True)
    assert model_items.registered_from_item(read["place"]) is None


def test_what_was_removed_cannot_be_used_but_tells_what_it_was() -> None:
    item = golden_items()["digest"] | {"removed_at": 1.5}
    assert model_items.registered_from_item(item) is None
    assert model_items.manifest_of(item) == make_manifest("mine")


def test_a_due_version_lies_in_the_due_index() -> None:
    item = model_items.version_to_item(a_version(), MOMENT)
    assert (item["due_shard"], item["due_at"]) == (table_keys.due_shard(item["pk"]), MOMENT.timestamp())
    assert "due_at" not in model_items.version_to_item(replace(a_version()), None)


@pytest.mark.parametrize(
    "key",
    [
        "tenants/acme/models/mdl_1/source/more",
        "tenants/acme/models/mdl_1/model.onnx",
        "tenants/a/b/models/mdl_1/source",
        "tenants/acme/videos/vid_1/source",
        "tenants/acme/models/mdl_1/source\n",
        "models/" + "a" * 64 + ".onnx",
    ],
)
def test_a_key_that_is_no_upload_of_a_model_names_nothing(key: str) -> None:
    assert object_keys.parse_model_source_key(key) is None
    assert object_keys.parse_source_key(object_keys.model_source_key("acme", MODEL_ID)) is None


def test_an_upload_of_a_model_says_whose_it_is() -> None:
    assert object_keys.parse_model_source_key(object_keys.model_source_key("acme", MODEL_ID)) == ("acme", MODEL_ID)
