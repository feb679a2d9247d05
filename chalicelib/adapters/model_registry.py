"""The registry of models in DynamoDB; `contracts/model_items.py` has the items."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from chalicelib.adapters.table import ConditionFailed, Table
from chalicelib.adapters.video_store import put_version
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item, item_to_wire
from chalicelib.contracts.model_items import (
    alias_from_item,
    alias_to_item,
    digest_to_item,
    manifest_of,
    place_to_item,
    public_place_to_item,
    registered_from_item,
    version_from_item,
    version_to_item,
)
from chalicelib.domain.ids import ModelId, TenantId
from chalicelib.domain.model_versions import Alias, ModelVersion, RegisteredModel
from chalicelib.domain.models import Manifest, manifest_from_json
from chalicelib.services.model_ports import place_of


class DynamoModelRegistry:
    """The port `ModelRegistry`, and what an operator does."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    # --- what jobs can use -------------------------------------------------------------------------------------------

    def get(self, tenant: TenantId, sha256: str) -> Manifest | None:
        # What a digest means never changes, and whoever asks has a job that was made with it: it is there for long.
        item = self._own_or_public(tenant, table_keys.model_digest(sha256), is_consistent=False)
        return manifest_of(item) if item else None

    def find(self, tenant: TenantId, sha256: str) -> RegisteredModel | None:
        item = self._own_or_public(tenant, table_keys.model_digest(sha256))
        return registered_from_item(item) if item else None

    def find_version(self, tenant: TenantId, name: str, version: str) -> RegisteredModel | None:
        item = self._own_or_public(tenant, table_keys.model_version(name, version))
        return registered_from_item(item) if item else None

    def list_versions(self, tenant: TenantId, name: str) -> Sequence[RegisteredModel]:
        for pk in _partitions(tenant):
            items = self._meta.query(pk, table_keys.model_version(name))
            if models := [model for item in items if (model := registered_from_item(item))]:
                return sorted(models, key=lambda model: (model.ready_at, model.manifest.version), reverse=True)
        return []

    def list(self, tenant: TenantId, after: str | None, limit: int) -> Sequence[RegisteredModel]:
        found = [model for pk in _partitions(tenant) for model in self._list_from(pk, after, limit)]
        return sorted(found, key=place_of)[:limit]

    # --- aliases -----------------------------------------------------------------------------------------------------

    def get_alias(self, tenant: TenantId, name: str, alias: str) -> Alias | None:
        item = self._meta.get(table_keys.own_models(tenant), table_keys.model_alias(name, alias))
        return alias_from_item(item) if item else None

    def list_aliases(self, tenant: TenantId, name: str) -> Sequence[Alias]:
        items = self._meta.query(table_keys.own_models(tenant), table_keys.model_alias(name))
        return [alias_from_item(item) for item in items]

    def save_alias(self, tenant: TenantId, alias: Alias) -> None:
        put_version(self._meta, alias_to_item(tenant, alias), seen=alias.revision - 1)

    def drop_alias(self, tenant: TenantId, name: str, alias: str) -> None:
        self._meta.delete(table_keys.own_models(tenant), table_keys.model_alias(name, alias))

    # --- records of own versions -------------------------------------------------------------------------------------

    def add(self, version: ModelVersion, due_at: datetime, *, instead_of: ModelId | None = None) -> bool:
        place = place_to_item(version.tenant, version.name, version.version, version.model_id)
        # Nobody has the place, or whoever had it was rejected; or it is ours, and the answer was lost on the way.
        free = "model_id = :other" if instead_of else "attribute_not_exists(pk)"
        values = {":mine": version.model_id} | ({":other": instead_of} if instead_of else {})
        take = _if(self._meta.put_entry(place), f"{free} OR model_id = :mine", values)
        # Its id was made for it: nobody else writes it.
        try:
            self._meta.transact([take, self._meta.put_entry(version_to_item(version, due_at))])
        except ConditionFailed:
            return False
        if instead_of:
            self._forget(version.tenant, instead_of)
        return True

    def get_record(self, tenant: TenantId, model_id: ModelId) -> ModelVersion | None:
        item = self._meta.get(table_keys.partition(tenant, model_id), table_keys.MODEL)
        return version_from_item(item) if item else None

    def find_record(self, tenant: TenantId, name: str, version: str) -> ModelVersion | None:
        place = self._meta.get(table_keys.own_models(tenant), table_keys.model_version(name, version))
        return self.get_record(tenant, ModelId(place["model_id"])) if place else None

    def list_records(self, tenant: TenantId, name: str) -> Sequence[ModelVersion]:
        places = self._meta.query(table_keys.own_models(tenant), table_keys.model_version(name))
        keys = [(table_keys.partition(tenant, place["model_id"]), table_keys.MODEL) for place in places]
        records = map(version_from_item, self._meta.get_many(keys, is_consistent=True))
        return sorted(records, key=lambda record: record.model_id, reverse=True)

    def save(self, version: ModelVersion, due_at: datetime | None) -> ModelVersion:
        item = version_to_item(version, due_at) | {"version": version.revision + 1}
        put_version(self._meta, item, seen=version.revision)
        return version_from_item(item)

    def remove(self, version: ModelVersion) -> None:
        pk = table_keys.own_models(version.tenant)
        mine = {":mine": version.model_id}
        entries = [
            self._meta.delete_entry(
                {"pk": table_keys.partition(version.tenant, version.model_id), "sk": table_keys.MODEL}
            ),
            # A place that somebody else has taken meanwhile stays theirs.
            _if(
                self._meta.delete_entry({"pk": pk, "sk": table_keys.model_version(version.name, version.version)}),
                "attribute_not_exists(pk) OR model_id = :mine",
                mine,
            ),
        ]
        if version.manifest is not None:
            update = {
                "TableName": self._meta.name,
                "Key": item_to_wire({"pk": pk, "sk": table_keys.model_digest(version.manifest.sha256)}),
                "UpdateExpression": "SET removed_at = :now",
            }
            now = {":now": datetime.now(UTC).timestamp()}
            entries.append(_if({"Update": update}, "model_id = :mine", mine | now))
        with suppress(ConditionFailed):
            self._meta.transact(entries)
        self._forget(version.tenant, version.model_id)

    # --- what an operator does ---------------------------------------------------------------------------------------

    def put(self, manifest: Manifest) -> None:
        """Register a public model; its file must be in the bucket already. Doing it again changes nothing.

        A version of that name with other bytes is replaced; jobs that use the former go on by its digest.
        """
        now = datetime.now(UTC)
        stored = self._meta.get(table_keys.PUBLIC_MODELS, table_keys.model_version(manifest.name, manifest.version))
        if stored is not None and manifest_of(stored) == manifest:
            return
        self._meta.put(digest_to_item(table_keys.PUBLIC_MODELS, manifest, now))
        self._meta.put(public_place_to_item(manifest, now))

    def adopt_old_items(self) -> None:
        """Register again what release 0.1 registered, in the form that is read now."""
        for item in list(self._meta.query(table_keys.PUBLIC_MODELS, table_keys.OLD_MODEL_PREFIX)):
            self.put(manifest_from_json(json.loads(item["manifest"])))
            self._meta.delete(item["pk"], item["sk"])

    # -----------------------------------------------------------------------------------------------------------------

    def _own_or_public(self, tenant: TenantId, sk: str, *, is_consistent: bool = True) -> Item | None:
        """The item of the tenant's own model, if it can be used; else the public one; else what is left of the own."""
        keys = [(pk, sk) for pk in _partitions(tenant)]
        items = sorted(
            self._meta.get_many(keys, is_consistent=is_consistent), key=lambda item: keys.index((item["pk"], sk))
        )
        return next((item for item in items if registered_from_item(item)), items[0] if items else None)

    def _list_from(self, pk: str, after: str | None, limit: int) -> Iterator[RegisteredModel]:
        prefix = table_keys.model_version("")[:-1]
        start = prefix + after.rpartition("#")[0] if after else None
        found = 0
        # Own models that are not READY are passed over, and must not shorten the page: a short page is the last.
        for item in self._meta.query(pk, prefix, from_=start):
            model = registered_from_item(item)
            if model is None or (after is not None and place_of(model) <= after):
                continue
            yield model
            found += 1
            if found == limit:
                return

    def _forget(self, tenant: TenantId, model_id: ModelId) -> None:
        pk = table_keys.partition(tenant, model_id)
        self._meta.write_many(deletes=[(pk, item["sk"]) for item in self._meta.query(pk)])


def _if(entry: dict[str, Any], condition: str, values: Item) -> dict[str, Any]:
    """An entry of a transaction that depends on a condition."""
    ((_, write),) = entry.items()
    write |= {"ConditionExpression": condition, "ExpressionAttributeValues": item_to_wire(values)}
    return entry


def _partitions(tenant: TenantId) -> tuple[str, str]:
    """Where a tenant's models are looked for, in this order."""
    return table_keys.own_models(tenant), table_keys.PUBLIC_MODELS
