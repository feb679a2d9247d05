"""The registry of models in memory; `register` and `admit` do what operator and worker do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from chalicelib.contracts import object_keys
from chalicelib.domain.ids import ModelId, TenantId
from chalicelib.domain.model_versions import Alias, ModelState, ModelVersion, RegisteredModel, Trial
from chalicelib.domain.models import Manifest
from chalicelib.services.model_ports import place_of
from chalicelib.services.ports import Owner, VersionConflict
from tests.fakes.memory import Memory

PUBLIC = TenantId("public")
Place = tuple[TenantId, str, str]
"""Tenant, name and version."""


@dataclass
class FakeModelRegistry:
    """The port `ModelRegistry`."""

    memory: Memory = field(default_factory=Memory)
    usable: dict[Place, RegisteredModel] = field(default_factory=dict)
    digests: dict[tuple[TenantId, str], RegisteredModel] = field(default_factory=dict)
    places: dict[Place, ModelId] = field(default_factory=dict)
    aliases: dict[tuple[TenantId, str, str], Alias] = field(default_factory=dict)

    def register(self, manifest: Manifest) -> None:
        """A public model; a version of that name with other bytes is replaced."""
        place = (PUBLIC, manifest.name, manifest.version)
        if place in self.usable and self.usable[place].manifest == manifest:
            return
        model = RegisteredModel(manifest, object_keys.model_key(manifest.sha256), datetime.now(UTC), is_public=True)
        self.usable[place] = self.digests[PUBLIC, manifest.sha256] = model

    def unregister(self, manifest: Manifest) -> None:
        """An operator takes a public model out of the table."""
        self.usable.pop((PUBLIC, manifest.name, manifest.version), None)
        self.digests.pop((PUBLIC, manifest.sha256), None)

    def admit(self, version: ModelVersion, manifest: Manifest, ready_at: datetime) -> ModelVersion:
        """What the end of an admission writes."""
        ready = replace(
            version,
            state=ModelState.READY,
            manifest=manifest,
            ready_at=ready_at,
            trial=Trial({"64x64": 1.5}, 20.0),
            revision=version.revision + 1,
        )
        key = object_keys.own_model_key(version.tenant, version.model_id)
        model = RegisteredModel(manifest, key, ready_at, is_public=False, model_id=version.model_id)
        self.memory.models[_owner(version)] = ready
        self.memory.set_due(_owner(version), None)
        self.usable[version.tenant, version.name, version.version] = model
        self.digests[version.tenant, manifest.sha256] = model
        return ready

    def get(self, tenant: TenantId, sha256: str) -> Manifest | None:
        own, public = self.digests.get((tenant, sha256)), self.digests.get((PUBLIC, sha256))
        found = own if own and self._is_usable(own, tenant) else public or own
        return found.manifest if found else None

    def find(self, tenant: TenantId, sha256: str) -> RegisteredModel | None:
        own = self.digests.get((tenant, sha256))
        return own if own and self._is_usable(own, tenant) else self.digests.get((PUBLIC, sha256))

    def find_version(self, tenant: TenantId, name: str, version: str) -> RegisteredModel | None:
        return self.usable.get((tenant, name, version)) or self.usable.get((PUBLIC, name, version))

    def list_versions(self, tenant: TenantId, name: str) -> Sequence[RegisteredModel]:
        for owner in (tenant, PUBLIC):
            models = [model for (of, named, _), model in self.usable.items() if (of, named) == (owner, name)]
            if models:
                return sorted(models, key=lambda model: (model.ready_at, model.manifest.version), reverse=True)
        return []

    def list(self, tenant: TenantId, after: str | None, limit: int) -> Sequence[RegisteredModel]:
        models = [model for (of, _, _), model in self.usable.items() if of in (tenant, PUBLIC)]
        return [model for model in sorted(models, key=place_of) if after is None or place_of(model) > after][:limit]

    def get_alias(self, tenant: TenantId, name: str, alias: str) -> Alias | None:
        return self.aliases.get((tenant, name, alias))

    def list_aliases(self, tenant: TenantId, name: str) -> Sequence[Alias]:
        found = [alias for (of, named, _), alias in self.aliases.items() if (of, named) == (tenant, name)]
        return sorted(found, key=lambda alias: alias.alias)

    def save_alias(self, tenant: TenantId, alias: Alias) -> None:
        stored = self.aliases.get((tenant, alias.name, alias.alias))
        if (stored.revision if stored else 0) != alias.revision - 1:
            raise VersionConflict(f"alias {alias.alias} was moved")
        self.aliases[tenant, alias.name, alias.alias] = alias

    def drop_alias(self, tenant: TenantId, name: str, alias: str) -> None:
        self.aliases.pop((tenant, name, alias), None)

    def add(self, version: ModelVersion, due_at: datetime, *, instead_of: ModelId | None = None) -> bool:
        place = (version.tenant, version.name, version.version)
        if self.places.get(place) != instead_of:
            return False
        if instead_of:
            self.memory.forget(Owner(version.tenant, instead_of))
        self.places[place] = version.model_id
        self.memory.models[_owner(version)] = version
        self.memory.set_due(_owner(version), due_at)
        return True

    def get_record(self, tenant: TenantId, model_id: ModelId) -> ModelVersion | None:
        return self.memory.models.get(Owner(tenant, model_id))

    def find_record(self, tenant: TenantId, name: str, version: str) -> ModelVersion | None:
        model_id = self.places.get((tenant, name, version))
        return self.get_record(tenant, model_id) if model_id else None

    def list_records(self, tenant: TenantId, name: str) -> Sequence[ModelVersion]:
        return sorted(self._records(tenant, name), key=lambda record: record.model_id, reverse=True)

    def save(self, version: ModelVersion, due_at: datetime | None) -> ModelVersion:
        stored = self.memory.models.get(_owner(version))
        if stored is None or stored.revision != version.revision:
            raise VersionConflict(f"model {version.model_id} was changed")
        saved = replace(version, revision=version.revision + 1)
        self.memory.models[_owner(version)] = saved
        self.memory.set_due(_owner(version), due_at)
        return saved

    def remove(self, version: ModelVersion) -> None:
        place = (version.tenant, version.name, version.version)
        if self.places.get(place) == version.model_id:
            del self.places[place]
            self.usable.pop(place, None)
        self.memory.forget(_owner(version))

    def _records(self, tenant: TenantId, name: str) -> Iterator[ModelVersion]:
        for (of, named, _), model_id in self.places.items():
            record = self.get_record(tenant, model_id)
            if (of, named) == (tenant, name) and record is not None:
                yield record

    def _is_usable(self, model: RegisteredModel, tenant: TenantId) -> bool:
        manifest = model.manifest
        return self.usable.get((tenant, manifest.name, manifest.version)) == model


def _owner(version: ModelVersion) -> Owner:
    return Owner(version.tenant, version.model_id)
