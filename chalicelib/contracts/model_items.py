"""Items of the registry of models and the domain's objects, both ways.

A record (MODEL) has all of one version of a tenant's own model. VERSION and DIGEST are how a READY one is found; both
hold the manifest as JSON text, so that a job is started with one read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.contracts import object_keys, table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.items import (
    due_attributes,
    failure_from_map,
    failure_to_map,
    source_from_map,
    source_to_map,
    time_from_text,
    time_to_text,
    upload_from_map,
    upload_to_map,
)
from chalicelib.domain.ids import ModelId, TenantId
from chalicelib.domain.model_versions import Alias, AliasMove, ModelState, ModelVersion, RegisteredModel, Trial
from chalicelib.domain.models import Manifest, manifest_from_json


def version_to_item(version: ModelVersion, due_at: datetime | None) -> Item:
    """MODEL."""
    pk = table_keys.partition(version.tenant, version.model_id)
    return {
        "pk": pk,
        "sk": table_keys.MODEL,
        "kind": "MODEL",
        "version": version.revision,
        "state": version.state,
        "name": version.name,
        "model_version": version.version,
        "created_at": time_to_text(version.created_at),
        "filename": version.filename,
        "recipe": json.dumps(version.recipe, separators=(",", ":")),
        "upload": upload_to_map(version.upload),
        "source": source_to_map(version.source),
        "sha256": version.sha256,
        "registered_by": version.registered_by,
        "failure": failure_to_map(version.failure),
        "reasons": list(version.reasons),
        **(ready_attributes(version.manifest, version.ready_at) if version.manifest and version.ready_at else {}),
        **({"trial": trial_to_map(version.trial)} if version.trial else {}),
        **due_attributes(pk, due_at),
    }


def version_from_item(item: Item) -> ModelVersion:
    """The version of a MODEL item."""
    tenant, model_id = table_keys.parse_partition(item["pk"])
    return ModelVersion(
        tenant=TenantId(tenant),
        model_id=ModelId(model_id),
        name=item["name"],
        version=item["model_version"],
        state=ModelState(item["state"]),
        created_at=time_from_text(item["created_at"]),
        filename=item["filename"],
        recipe=json.loads(item["recipe"]),
        upload=upload_from_map(item["upload"]),
        source=source_from_map(item["source"]),
        sha256=item["sha256"],
        registered_by=item["registered_by"],
        manifest=manifest_of(item),
        ready_at=time_from_text(item["ready_at"]) if item.get("ready_at") else None,
        trial=trial_from_map(item["trial"]) if item.get("trial") else None,
        failure=failure_from_map(item.get("failure")),
        reasons=tuple(item.get("reasons", ())),
        revision=item["version"],
    )


def place_to_item(tenant: str, name: str, version: str, model_id: str) -> Item:
    """VERSION of an own model that is not READY yet."""
    return {
        "pk": table_keys.own_models(tenant),
        "sk": table_keys.model_version(name, version),
        "kind": "MODEL_VERSION",
        "model_id": model_id,
    }


def digest_to_item(pk: str, manifest: Manifest, ready_at: datetime, model_id: str = "") -> Item:
    """DIGEST; without a `model_id` of a public model."""
    return {
        "pk": pk,
        "sk": table_keys.model_digest(manifest.sha256),
        "kind": "MODEL_DIGEST",
        **ready_attributes(manifest, ready_at),
        **({"model_id": model_id} if model_id else {}),
    }


def public_place_to_item(manifest: Manifest, ready_at: datetime) -> Item:
    """VERSION of a public model."""
    return {
        "pk": table_keys.PUBLIC_MODELS,
        "sk": table_keys.model_version(manifest.name, manifest.version),
        "kind": "MODEL_VERSION",
        **ready_attributes(manifest, ready_at),
    }


def ready_attributes(manifest: Manifest, ready_at: datetime) -> Item:
    """What an item gets when its version becomes READY."""
    return {
        "manifest": json.dumps(manifest.to_json(), separators=(",", ":")),
        "ready_at": time_to_text(ready_at),
    }


def manifest_of(item: Item) -> Manifest | None:
    """The manifest of a MODEL, VERSION or DIGEST item; None before it is READY."""
    return manifest_from_json(json.loads(item["manifest"])) if item.get("manifest") else None


def registered_from_item(item: Item) -> RegisteredModel | None:
    """The model of a VERSION or DIGEST item, if it can be used."""
    manifest = manifest_of(item)
    if manifest is None or item.get("removed_at"):
        return None
    is_public = item["pk"] == table_keys.PUBLIC_MODELS
    tenant, _ = table_keys.parse_partition(item["pk"])
    model_id = None if is_public else ModelId(item["model_id"])
    key = object_keys.own_model_key(tenant, model_id) if model_id else object_keys.model_key(manifest.sha256)
    return RegisteredModel(manifest, key, time_from_text(item["ready_at"]), is_public, model_id)


def alias_to_item(tenant: str, alias: Alias) -> Item:
    """ALIAS."""
    return {
        "pk": table_keys.own_models(tenant),
        "sk": table_keys.model_alias(alias.name, alias.alias),
        "kind": "MODEL_ALIAS",
        "version": alias.revision,
        "moves": [
            {
                "version": move.version,
                "from_version": move.from_version,
                "moved_at": time_to_text(move.moved_at),
                "moved_by": move.moved_by,
            }
            for move in alias.moves
        ],
    }


def alias_from_item(item: Item) -> Alias:
    """The alias of an ALIAS item."""
    _, name, alias = item["sk"].split("#", 2)
    moves = tuple(
        AliasMove(move["version"], move.get("from_version"), time_from_text(move["moved_at"]), move["moved_by"])
        for move in item["moves"]
    )
    return Alias(name, alias, moves, item["version"])


def trial_to_map(trial: Trial) -> Item:
    """Trial as an attribute."""
    return {"cpu_ms_by_input": dict(trial.cpu_ms_by_input), "memory_mb": trial.memory_mb}


def trial_from_map(form: Mapping[str, Any]) -> Trial:
    """Trial from an attribute."""
    cpu_ms = {size: float(milliseconds) for size, milliseconds in form["cpu_ms_by_input"].items()}
    return Trial(cpu_ms, float(form["memory_mb"]))
