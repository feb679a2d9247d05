"""The names of a tenant's models: what each stands for, moving its aliases, and removing its versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from chalicelib.contracts import object_keys
from chalicelib.domain.errors import Conflict, NotFound
from chalicelib.domain.ids import TenantId
from chalicelib.domain.model_versions import (
    MOVES_KEPT,
    Alias,
    AliasMove,
    ModelVersion,
    RegisteredModel,
    is_model_name,
    is_version_word,
)
from chalicelib.services.ports import Ports, VersionConflict

logger = Logger(service="reelscan", child=True)

MOVE_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class NamedModel:
    """Everything that one name stands for, as far as one tenant can see."""

    name: str
    records: Sequence[ModelVersion]
    """Of the tenant's own versions, in every state, the newest first; empty for a public name."""
    public: Sequence[RegisteredModel]
    """The public versions, the newest first; empty for a name of the tenant's own."""
    aliases: Sequence[Alias]


def get_model(ports: Ports, tenant: TenantId, name: str) -> NamedModel:
    """What the name stands for.

    Raises:
        NotFound: nothing, for this tenant.
    """
    if is_model_name(name):
        records = ports.models.list_records(tenant, name)
        public = [model for model in ports.models.list_versions(tenant, name) if model.is_public]
        if records or public:
            return NamedModel(name, records, public, ports.models.list_aliases(tenant, name))
    raise NotFound(f"there is no model {name}")


def move_alias(
    ports: Ports, tenant: TenantId, name: str, alias: str, version: str, *, from_version: str | None, moved_by: str
) -> Alias:
    """Let the alias name this version from now on; with `from_version`, only if it names that one at this moment.

    Jobs that were started keep the model that they were started with. Repeating a move changes nothing.

    Raises:
        NotFound: there is no such model or version, or the word cannot be an alias.
        Conflict: the alias does not name `from_version`, or the word is a version.
    """
    if not is_version_word(alias):
        raise NotFound(
            f"there is no alias {alias} of model {name}: it must be letters, digits, dots, dashes, underscores"
        )
    get_model(ports, tenant, name)
    if ports.models.find_record(tenant, name, alias) or ports.models.find_version(tenant, name, alias):
        raise Conflict(
            f"{alias!r} is a version of model {name!r} and cannot be an alias too", hint="Choose another word"
        )
    if not is_version_word(version) or ports.models.find_version(tenant, name, version) is None:
        raise NotFound(f"there is no version {version} of model {name} that is READY")
    for _ in range(MOVE_ROUNDS):
        stored = ports.models.get_alias(tenant, name, alias)
        now_at = stored.version if stored else None
        if from_version is not None and now_at != from_version:
            raise Conflict(f"alias {alias!r} of model {name!r} must name {from_version} but names {now_at}")
        if stored is not None and now_at == version:
            return stored
        move = AliasMove(version, now_at, ports.clock.now(), moved_by)
        earlier = stored.moves if stored else ()
        moved = Alias(name, alias, (move, *earlier)[:MOVES_KEPT], stored.revision + 1 if stored else 1)
        try:
            ports.models.save_alias(tenant, moved)
        except VersionConflict:
            # Somebody moved it between our read and our write: what they wrote is what we move it from.
            continue
        logger.info("model alias moved", model=f"{name}@{alias}", version=version, from_version=now_at, by=moved_by)
        return moved
    raise VersionConflict(f"alias {alias!r} of model {name!r} is being moved by others")


def delete_model(ports: Ports, tenant: TenantId, name: str, version: str | None) -> None:
    """Remove a version of the tenant's own, or the name with all its versions and aliases.

    Results of its jobs stay readable; a retry of them says that the model was removed.

    Raises:
        NotFound: this tenant has no such model or version of its own.
        Conflict: an alias names that version.
    """
    records = ports.models.list_records(tenant, name) if is_model_name(name) else []
    doomed = [record for record in records if version in (None, record.version)]
    if not doomed:
        what = f"model {name}" if version is None else f"version {version} of model {name}"
        raise NotFound(f"there is no {what} of your own")
    aliases = ports.models.list_aliases(tenant, name)
    named_by = [alias.alias for alias in aliases if alias.version == version]
    if named_by:
        raise Conflict(
            f"version {version} of model {name} is named by {', '.join(named_by)}",
            hint="Move the alias to another version first, or delete the whole name",
        )
    for alias in aliases if version is None else ():
        ports.models.drop_alias(tenant, name, alias.alias)
    for record in doomed:
        ports.models.remove(record)
        ports.objects.delete_prefix(object_keys.model_prefix(tenant, record.model_id))
        logger.info("model deleted", model_id=record.model_id, model=f"{name}@{record.version}")
