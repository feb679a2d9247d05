"""The port to the registry of models; part of `services/ports.py`.

A tenant sees its own models and the public ones, its own first; never another tenant's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from chalicelib.domain.ids import ModelId, TenantId
from chalicelib.domain.model_versions import Alias, ModelVersion, RegisteredModel
from chalicelib.domain.models import Manifest


class ModelRegistry(Protocol):
    """MODEL, VERSION, DIGEST and ALIAS items."""

    # --- what jobs can use ---

    def get(self, tenant: TenantId, sha256: str) -> Manifest | None:
        """What the digest of a canonical file means, also after that model was removed: its results stay readable."""
        ...

    def find(self, tenant: TenantId, sha256: str) -> RegisteredModel | None:
        """The model with that digest, if it can still be used."""
        ...

    def find_version(self, tenant: TenantId, name: str, version: str) -> RegisteredModel | None:
        """A version that can be used, the tenant's own or a public one."""
        ...

    def list_versions(self, tenant: TenantId, name: str) -> Sequence[RegisteredModel]:
        """All versions of a name that can be used, the newest first; public ones only if the tenant has none."""
        ...

    def list(self, tenant: TenantId, after: str | None, limit: int) -> Sequence[RegisteredModel]:
        """What can be used, by `place_of`, from the one after a place on; own and public models together."""
        ...

    # --- aliases ---

    def get_alias(self, tenant: TenantId, name: str, alias: str) -> Alias | None:
        """The tenant's alias as it stands."""
        ...

    def list_aliases(self, tenant: TenantId, name: str) -> Sequence[Alias]:
        """The tenant's aliases of a name, by alias."""
        ...

    def save_alias(self, tenant: TenantId, alias: Alias) -> None:
        """Replace the revision before that of `alias`; revision 1 is that of a new one.

        Raises:
            VersionConflict: somebody moved it since.
        """
        ...

    def drop_alias(self, tenant: TenantId, name: str, alias: str) -> None:
        """Forget an alias, if it is there."""
        ...

    # --- records of own versions ---

    def add(self, version: ModelVersion, due_at: datetime, *, instead_of: ModelId | None = None) -> bool:
        """Record a new version and take its place in the name, or that of a version that was rejected.

        False when another one has the place.
        """
        ...

    def get_record(self, tenant: TenantId, model_id: ModelId) -> ModelVersion | None:
        """The record as it stands."""
        ...

    def find_record(self, tenant: TenantId, name: str, version: str) -> ModelVersion | None:
        """The record that has that place in the name."""
        ...

    def list_records(self, tenant: TenantId, name: str) -> Sequence[ModelVersion]:
        """The records of every version of a name, the newest first."""
        ...

    def save(self, version: ModelVersion, due_at: datetime | None) -> ModelVersion:
        """Replace the revision that `version` was read as; the answer carries the next one.

        Raises:
            VersionConflict: somebody wrote since.
        """
        ...

    def remove(self, version: ModelVersion) -> None:
        """Forget a version, its admission and its submissions; its digest still tells what it was."""
        ...


def place_of(model: RegisteredModel) -> str:
    """Where a model stands in the list: by name, version, and the tenant's own before the public one."""
    return f"{model.manifest.name}#{model.manifest.version}#{int(model.is_public)}"
