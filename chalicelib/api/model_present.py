"""Models as the API shows them."""

from __future__ import annotations

from typing import Any

from chalicelib.api import model_schemas, schemas
from chalicelib.api.present import error_out, upload_out
from chalicelib.contracts.items import time_to_text
from chalicelib.contracts.model_recipe import ModelRecipe
from chalicelib.domain.model_versions import Alias, ModelState, ModelVersion, RegisteredModel, Trial
from chalicelib.services.model_names import NamedModel
from chalicelib.services.tickets import UploadTicket


def model_out(model: RegisteredModel) -> schemas.ModelOut:
    """A model that jobs can name."""
    manifest = model.manifest
    return schemas.ModelOut(
        name=manifest.name,
        version=manifest.version,
        sha256=manifest.sha256,
        task=manifest.task,
        labels=list(manifest.labels),
        licence=manifest.licence,
        score_floor=manifest.score_floor,
        score_default=manifest.score_default,
        **_known(state=None if model.is_public else ModelState.READY),
    )


def version_out(version: ModelVersion) -> model_schemas.ModelVersionOut:
    """A version of the caller's own."""
    recipe, manifest = ModelRecipe.from_json(version.recipe), version.manifest
    return model_schemas.ModelVersionOut(
        name=version.name,
        version=version.version,
        state=version.state,
        task=recipe.task,
        adapter=recipe.adapter,
        labels=[label for label in recipe.labels if label is not None],
        licence=recipe.licence,
        source=recipe.source,
        is_public=False,
        created_at=time_to_text(version.created_at),
        size_bytes=version.source.size_bytes,
        **_known(
            ready_at=time_to_text(version.ready_at) if version.ready_at else None,
            filename=version.filename or None,
            registered_by=version.registered_by or None,
            sha256=manifest.sha256 if manifest else None,
            score_floor=manifest.score_floor if manifest else None,
            score_default=manifest.score_default if manifest else None,
            trial=_trial(version.trial) if version.trial else None,
            error=error_out(version.failure),
            reasons=list(version.reasons) or None,
        ),
    )


def named_model_out(named: NamedModel) -> model_schemas.NamedModelOut:
    """A name with all that it stands for."""
    public = map(_public_version, named.public)
    return model_schemas.NamedModelOut(
        name=named.name,
        versions=[*map(version_out, named.records), *public],
        aliases=[alias_out(alias) for alias in named.aliases],
    )


def alias_out(alias: Alias) -> model_schemas.AliasOut:
    """An alias with its moves."""
    moves = [
        model_schemas.AliasMoveOut(
            version=move.version,
            moved_at=time_to_text(move.moved_at),
            moved_by=move.moved_by,
            **_known(from_version=move.from_version),
        )
        for move in alias.moves
    ]
    return model_schemas.AliasOut(alias=alias.alias, version=alias.version, moves=moves)


def created_out(version: ModelVersion, ticket: UploadTicket | None) -> model_schemas.ModelCreatedOut:
    """A version that was asked for."""
    upload = upload_out(ticket) if ticket else None
    return model_schemas.ModelCreatedOut(model=version_out(version), **_known(upload=upload))


def _public_version(model: RegisteredModel) -> model_schemas.ModelVersionOut:
    manifest = model.manifest
    return model_schemas.ModelVersionOut(
        name=manifest.name,
        version=manifest.version,
        state=ModelState.READY,
        task=manifest.task,
        adapter=manifest.adapter,
        labels=list(manifest.labels),
        licence=manifest.licence,
        source=manifest.source,
        is_public=True,
        ready_at=time_to_text(model.ready_at),
        sha256=manifest.sha256,
        score_floor=manifest.score_floor,
        score_default=manifest.score_default,
    )


def _trial(trial: Trial) -> model_schemas.TrialOut:
    inputs = [
        model_schemas.InputCostOut(input=size, cpu_ms=round(milliseconds, 3))
        for size, milliseconds in sorted(trial.cpu_ms_by_input.items())
    ]
    return model_schemas.TrialOut(inputs=inputs, memory_mb=round(trial.memory_mb, 1))


def _known(**fields: Any) -> dict[str, Any]:
    """The fields that have a value; the others are left out of the answer."""
    return {name: value for name, value in fields.items() if value is not None}
