"""From the ticket of a model to its admission: what `services/uploads.py` is for videos.

A worker of the cpu lane admits it or refuses it (`gpu_batch/admit_step.py`), and writes how that ended.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from aws_lambda_powertools import Logger

from chalicelib.contracts import object_keys
from chalicelib.contracts.model_recipe import ModelRecipe
from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.errors import Conflict, Failure, LimitExceeded
from chalicelib.domain.ids import ModelId, SubmissionId, TenantId
from chalicelib.domain.model_versions import MAX_MODEL_BYTES, ModelState, ModelVersion
from chalicelib.domain.units import Unit, UnitKind, UnitState
from chalicelib.domain.videos import Source
from chalicelib.services.advance import due_after
from chalicelib.services.dispatch import owner_of, record_submission, send
from chalicelib.services.lanes import choose_admission_lane
from chalicelib.services.ports import Ports, VersionConflict
from chalicelib.services.pricing import price_admission
from chalicelib.services.tickets import UploadTicket, make_ticket, next_check, open_post, settle_upload

logger = Logger(service="reelscan", child=True)

CONTENT_TYPE = "application/octet-stream"
MAX_RECIPE_CHARACTERS = 200_000
"""As JSON, labels and anchors included. Source: a DynamoDB item has 400 KB, and a manifest lies in it beside this."""
ADMISSION = SubmissionId("admit")


@dataclass(frozen=True, slots=True)
class NewModel:
    """What a client says of a model that it is about to upload."""

    recipe: ModelRecipe
    size_bytes: int
    filename: str = ""
    sha256: str = ""
    """Hex; empty when not known."""


def create_model(
    ports: Ports, tenant: TenantId, new: NewModel, *, registered_by: str
) -> tuple[ModelVersion, UploadTicket | None]:
    """Record a version of a model that awaits its file, and say how to send it.

    The same version of the same file with the same recipe is the version that is there: with a fresh ticket while it
    awaits its file, and without one when it is READY. The place of a version that was rejected is free again.

    Raises:
        LimitExceeded: the file is larger, or the recipe longer, than this deployment takes.
        Conflict: that version of that name, or an alias of that word, is there; or the name is one of everybody's.
    """
    recipe = new.recipe
    _check_limits(new)
    if any(model.is_public for model in ports.models.list_versions(tenant, recipe.name)):
        raise Conflict(f"model {recipe.name!r} is one that every tenant may use", hint="Choose another name")
    if ports.models.get_alias(tenant, recipe.name, recipe.version):
        raise Conflict(
            f"{recipe.version!r} is an alias of model {recipe.name!r} and cannot be a version too",
            hint="Choose another version",
        )
    stored = ports.models.find_record(tenant, recipe.name, recipe.version)
    if stored is not None and stored.state is not ModelState.REJECTED:
        if not _is_same(stored, new):
            raise _taken(recipe, stored.state)
        return stored, _ticket_of(ports, stored) if stored.state is ModelState.AWAITING_UPLOAD else None
    if stored is not None:
        ports.objects.delete_prefix(object_keys.model_prefix(tenant, stored.model_id))
    version = _make_version(ports, tenant, new, registered_by)
    due_at = next_check(ports, version.upload)
    if not ports.models.add(version, due_at, instead_of=stored.model_id if stored else None):
        raise _taken(recipe, ModelState.AWAITING_UPLOAD)
    logger.info("model created", model_id=version.model_id, model=f"{recipe.name}@{recipe.version}")
    return version, _ticket_of(ports, version)


def accept_model_upload(ports: Ports, bucket: str, key: str) -> None:
    """An object was created: if a model awaits it, pin it and go on; anything else is none of our business.

    Safe to repeat, and safe when the event is late: a file that was accepted already stays as it is.
    """
    names = object_keys.parse_model_source_key(key)
    if bucket != ports.bucket or names is None:
        return
    version = ports.models.get_record(TenantId(names[0]), ModelId(names[1]))
    if version is None:
        logger.info("object without a model", key=key)
        return
    if version.state is ModelState.AWAITING_UPLOAD:
        check_model_upload(ports, version)
    advance_model(ports, version.tenant, version.model_id)


def check_model_upload(ports: Ports, version: ModelVersion) -> None:
    """Look for the file of a model that awaits it: accept or reject it, or end a wait that lasted too long."""
    try:
        settle_upload(
            ports,
            version.upload,
            version.source,
            sha256=version.sha256,
            accept=lambda source: _accept(ports, version, source),
            reject=lambda failure: _reject(ports, version, failure),
        )
    except VersionConflict:
        # Another event got there first; what it decided stands.
        logger.info("upload was settled by another event", model_id=version.model_id)


def advance_model(ports: Ports, tenant: TenantId, model_id: ModelId) -> None:
    """Send the admission of an uploaded model, unless it is under way; reject one that no worker could end."""
    version = ports.models.get_record(tenant, model_id)
    if version is None or version.state is not ModelState.UPLOADED:
        return
    owner = owner_of(version)
    admission = ports.units.get(owner, UnitKind.ADMIT)
    if admission is not None and admission.state is UnitState.FAILED and admission.failure:
        try:
            _reject(ports, version, admission.failure)
        except VersionConflict:
            logger.info("model was settled by another event", model_id=model_id)
        return
    lane = choose_admission_lane(ports, version)
    unit = Unit(UnitKind.ADMIT, 0, UnitState.OPEN, submission=ADMISSION, lane=lane)
    if ports.units.open_step(owner, unit):
        price = price_admission(ports, owner.tenant, lane)
        send(ports, record_submission(ports, owner, OrderKind.ADMIT, ADMISSION, ((0,),), lane, price=price))


def _check_limits(new: NewModel) -> None:
    if new.size_bytes > MAX_MODEL_BYTES:
        raise LimitExceeded(f"a model may have {MAX_MODEL_BYTES} bytes but {new.size_bytes} were declared")
    characters = len(json.dumps(new.recipe.to_json()))
    if characters > MAX_RECIPE_CHARACTERS:
        raise LimitExceeded(
            f"a manifest may have {MAX_RECIPE_CHARACTERS} characters but has {characters}",
            hint="Leave out labels that are not needed, or put the anchors into the network",
        )


def _is_same(stored: ModelVersion, new: NewModel) -> bool:
    """Whether the same is asked for; of bytes that have come, only their digest tells."""
    is_awaited = stored.state is ModelState.AWAITING_UPLOAD
    is_same_file = stored.sha256 == new.sha256 and stored.source.size_bytes == new.size_bytes
    is_known = is_awaited or (stored.state is ModelState.READY and bool(new.sha256))
    return is_known and is_same_file and dict(stored.recipe) == new.recipe.to_json()


def _ticket_of(ports: Ports, version: ModelVersion) -> UploadTicket:
    return make_ticket(ports, version.upload, version.source, content_type=CONTENT_TYPE, sha256=version.sha256)


def _taken(recipe: ModelRecipe, state: ModelState) -> Conflict:
    hint = "A version never changes: give this file another one"
    if state is not ModelState.READY:
        hint = "Wait until it is READY or REJECTED, or delete it"
    return Conflict(f"version {recipe.version!r} of model {recipe.name!r} is there: it is {state}", hint=hint)


def _make_version(ports: Ports, tenant: TenantId, new: NewModel, registered_by: str) -> ModelVersion:
    model_id = ModelId(ports.ids.make("mdl"))
    return ModelVersion(
        tenant=tenant,
        model_id=model_id,
        name=new.recipe.name,
        version=new.recipe.version,
        state=ModelState.AWAITING_UPLOAD,
        created_at=ports.clock.now(),
        filename=new.filename,
        recipe=new.recipe.to_json(),
        upload=open_post(ports),
        source=Source(ports.bucket, object_keys.model_source_key(tenant, model_id), new.size_bytes),
        sha256=new.sha256,
        registered_by=registered_by,
    )


def _accept(ports: Ports, version: ModelVersion, source: Source) -> None:
    ports.models.save(replace(version, state=ModelState.UPLOADED, source=source), due_after(ports))
    logger.info("model upload accepted", model_id=version.model_id, size_bytes=source.size_bytes)


def _reject(ports: Ports, version: ModelVersion, failure: Failure) -> None:
    rejected = replace(version, state=ModelState.REJECTED, failure=failure, reasons=(failure.detail,))
    ports.models.save(rejected, None)
    logger.info("model rejected", model_id=version.model_id, code=failure.code, detail=failure.detail)
