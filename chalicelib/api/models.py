"""Routes of models: those that jobs can name, and registering, naming and removing one's own."""

from __future__ import annotations

from chalicelib.api import model_schemas, schemas
from chalicelib.api.model_present import alias_out, created_out, model_out, named_model_out
from chalicelib.api.pages import cursor_after, listed_after
from chalicelib.api.typed import Call, Routes
from chalicelib.contracts.model_recipe import TASK_BY_ADAPTER, ModelRecipe
from chalicelib.domain.errors import InvalidRequest
from chalicelib.services import model_names, model_uploads, models

routes = Routes()

DEFAULT_FILENAME = "model.onnx"


@routes.get("/models", summary="List models", problems=(400, 401))
def list_models(call: Call, query: schemas.PageQuery) -> model_schemas.ModelsPage:
    """Every model that a job can name, with its labels: the caller's own, which have a `state`, and everybody's.

    A job names one as `name`, `name@version` or `name@alias`; a plain name is its alias `latest`, else its newest
    version.
    """
    after = listed_after(call, "models", query.cursor)
    found, last = models.list_models(call.ports, call.claims.tenant, after, query.limit)
    return model_schemas.ModelsPage(
        items=[model_out(model) for model in found], next_cursor=cursor_after(call, "models", last)
    )


@routes.post("/models", summary="Announce a model and get an upload ticket", status=201, problems=(400, 401, 409, 413))
def create_model(call: Call, body: model_schemas.ModelIn) -> model_schemas.ModelCreatedOut:
    """Send the ONNX file by the form of the ticket; a worker then compiles it to canonical form and tries it.

    The version ends as READY, or as REJECTED with every reason at once: `GET /models/{name}` says which.

    The same version with other bytes is a conflict, unless it was rejected. Asking again for the same one gives a fresh
    form while the file is awaited.
    """
    new = model_uploads.NewModel(
        _recipe(body.manifest), body.size_bytes, body.filename or DEFAULT_FILENAME, body.sha256 or ""
    )
    created = model_uploads.create_model(call.ports, call.claims.tenant, new, registered_by=call.claims.subject)
    return created_out(*created)


@routes.get("/models/{name}", summary="Read a model", problems=(401, 404))
def get_model(call: Call, name: str) -> model_schemas.NamedModelEnvelope:
    """All its versions, in every state, with the reasons of those that were refused; and its aliases."""
    named = model_names.get_model(call.ports, call.claims.tenant, name)
    return model_schemas.NamedModelEnvelope(model=named_model_out(named))


@routes.put("/models/{name}/aliases/{alias}", summary="Move an alias of a model", problems=(400, 401, 404, 409))
def move_alias(call: Call, name: str, alias: str, body: model_schemas.AliasIn) -> model_schemas.AliasEnvelope:
    """From now on `name@alias` is this version, for whoever starts a job; jobs that are there keep theirs.

    With `from_version` it is moved only if it names that version at this moment.
    """
    moved = model_names.move_alias(
        call.ports,
        call.claims.tenant,
        name,
        alias,
        body.version,
        from_version=body.from_version,
        moved_by=call.claims.subject,
    )
    return model_schemas.AliasEnvelope(alias=alias_out(moved))


@routes.delete("/models/{name}", summary="Delete a model", status=204, problems=(400, 401, 404, 409))
def delete_model(call: Call, name: str, query: model_schemas.ModelVersionQuery) -> None:
    """One version of the caller's own, or the name with all its versions and aliases. Results of its jobs stay."""
    model_names.delete_model(call.ports, call.claims.tenant, name, query.version)


def _recipe(form: model_schemas.ModelManifestIn) -> ModelRecipe:
    """What a client said, as the worker reads it.

    Raises:
        InvalidRequest: the task is not that of the adapter.
    """
    task = TASK_BY_ADAPTER[form.adapter]
    if form.task != task:
        raise InvalidRequest(f"manifest.task: must be {task} for the adapter {form.adapter} but is {form.task}")
    size, head = form.input, form.head
    return ModelRecipe(
        name=form.name,
        version=form.version,
        adapter=form.adapter,
        labels=tuple(form.labels),
        policy=size.policy,
        shapes=tuple((shape.width, shape.height) for shape in size.shapes or ()),
        multiple=size.multiple,
        channel_order=size.channel_order,
        scale=size.scale,
        mean=_frozen(size.mean),
        std=_frozen(size.std),
        activation=head.activation,
        score_floor=form.score_floor,
        score_default=form.score_default,
        nms_iou=form.nms_iou,
        max_detections=form.max_detections,
        clip_frames=form.clip_frames,
        outputs=tuple(head.outputs or ()),
        decoded=head.decoded,
        strides=None if head.strides is None else tuple(head.strides),
        cell_centre=head.cell_centre,
        box_form=head.box_form,
        anchors=None if head.anchors is None else tuple(tuple(anchor) for anchor in head.anchors),
        variances=_frozen(head.variances),
        licence=form.licence,
        source=form.source,
    )


def _frozen(numbers: list[float] | None) -> tuple[float, ...] | None:
    return None if numbers is None else tuple(numbers)
