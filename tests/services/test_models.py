"""Registering models, naming them, and what that does to jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.contracts import object_keys
from chalicelib.contracts.model_recipe import ModelRecipe
from chalicelib.contracts.work_order import OrderKind, WorkOrder
from chalicelib.domain.errors import Conflict, ErrorCode, InvalidRequest, LimitExceeded, NotFound
from chalicelib.domain.ids import TenantId
from chalicelib.domain.model_versions import MAX_MODEL_BYTES, MOVES_KEPT, ModelState, ModelVersion
from chalicelib.domain.units import MAX_ATTEMPTS, UnitKind, UnitState
from chalicelib.services import models as listing
from chalicelib.services.dispatch import order_key, owner_of
from chalicelib.services.jobs import retry_job, start_job
from chalicelib.services.model_names import delete_model, get_model, move_alias
from chalicelib.services.model_uploads import NewModel, accept_model_upload, create_model
from chalicelib.services.models import list_models, resolve_model
from chalicelib.services.ports import ChildState, VersionConflict
from chalicelib.services.results import DetectionQuery, find_detections
from tests.fakes.make import LIMITS
from tests.fakes.makers import TENANT, make_manifest
from tests.services.failures import partial
from tests.services.test_faults import Faults, attempt
from tests.services.world import World, make_request

OTHER = TenantId("other")
FILE = b"the bytes of a network"
SHA256 = "d" * 64


def a_new_model(name: str = "mine", version: str = "1", **said: Any) -> NewModel:
    recipe = ModelRecipe(name, version, "yolox", ("person", None), **said.pop("recipe", {}))
    return NewModel(**{"recipe": recipe, "size_bytes": len(FILE), "filename": "net.onnx", **said})


def announced(world: World, *names: str, tenant: TenantId = TENANT, **said: Any) -> ModelVersion:
    version, ticket = create_model(world.ports, tenant, a_new_model(*names, **said), registered_by="somebody")
    assert ticket is not None
    return version


def uploaded(world: World, *names: str, **said: Any) -> ModelVersion:
    version = announced(world, *names, **said)
    world.fakes.objects.place(version.source.key, FILE)
    accept_model_upload(world.ports, version.source.bucket, version.source.key)
    return record_of(world, version)


def ready(world: World, *names: str, **said: Any) -> ModelVersion:
    """A version that a worker has admitted, later than all before."""
    version = uploaded(world, *names, **said)
    world.fakes.clock.advance(1)
    batch_job = world.last_batch_job()
    fence = world.claim(batch_job, 0, 0)
    assert fence is not None
    owner = owner_of(version)
    assert world.fakes.claims.end(owner, UnitKind.ADMIT, 0, fence, UnitState.DONE)
    batch_job.children[0] = ChildState.ENDED
    manifest = make_manifest(version.name, version=version.version)
    return world.fakes.models.admit(version, manifest, world.now())


def record_of(world: World, version: ModelVersion) -> ModelVersion:
    record = world.ports.models.get_record(version.tenant, version.model_id)
    assert record is not None
    return record


def moved(world: World, alias: str, version: str, *, name: str = "mine", by: str = "me", **said: Any) -> None:
    move_alias(world.ports, TENANT, name, alias, version, from_version=said.get("from_version"), moved_by=by)


# --- uploads ---------------------------------------------------------------------------------------------------------


def test_the_form_of_a_model_takes_exactly_its_bytes() -> None:
    world = World()
    _, ticket = create_model(world.ports, TENANT, a_new_model(), registered_by="somebody")
    assert ticket is not None
    assert ticket.form is not None
    assert [world.fakes.objects.post(ticket.form, body) for body in (FILE + b"x", FILE)] == [False, True]


def test_an_upload_starts_the_admission_by_the_recipe() -> None:
    world = World()
    version = uploaded(world, recipe={"score_floor": 0.2, "shapes": ((640, None),)})
    batch_job = world.last_batch_job()
    order = WorkOrder.from_bytes(world.ports.objects.get(order_key(batch_job.submission)))
    assert (version.state, order.kind, order.model_id) == (ModelState.UPLOADED, OrderKind.ADMIT, version.model_id)
    assert order.source.key == version.source.key == object_keys.model_source_key(TENANT, version.model_id)
    told = ModelRecipe.from_json(order.parameters or {})
    assert (told.labels, told.score_floor, told.shapes) == (("person", None), 0.2, ((640, None),))


def test_the_event_may_come_twice_and_late() -> None:
    world = World()
    version = uploaded(world)
    accept_model_upload(world.ports, version.source.bucket, version.source.key)
    assert len(world.fakes.batch.jobs) == 1
    done = world.fakes.models.admit(version, make_manifest("mine"), world.now())
    accept_model_upload(world.ports, version.source.bucket, version.source.key)
    assert record_of(world, version) == done


def test_an_upload_that_never_comes_ends() -> None:
    world = World()
    version = announced(world)
    world.tick(LIMITS.upload_seconds + 1)
    failure = record_of(world, version).failure
    assert failure is not None
    assert (record_of(world, version).state, failure.code) == (ModelState.REJECTED, ErrorCode.UPLOAD_EXPIRED)
    assert world.fakes.memory.due == {}


def test_an_upload_whose_event_was_lost_is_found() -> None:
    world = World()
    version = announced(world)
    world.fakes.objects.place(version.source.key, FILE)
    world.tick(600)
    assert record_of(world, version).state is ModelState.UPLOADED
    assert world.last_batch_job().submission.kind is OrderKind.ADMIT


def test_another_size_than_was_declared_is_rejected() -> None:
    world = World()
    version = announced(world)
    world.fakes.objects.place(version.source.key, FILE + b"x")
    accept_model_upload(world.ports, version.source.bucket, version.source.key)
    rejected = record_of(world, version)
    assert rejected.failure is not None
    assert rejected.failure.code is ErrorCode.SIZE_MISMATCH
    assert rejected.reasons == (rejected.failure.detail,)


def test_an_admission_whose_worker_dies_is_tried_again_and_then_given_up() -> None:
    world = World()
    version = uploaded(world)
    for _ in range(MAX_ATTEMPTS):
        batch_job = world.last_batch_job()
        assert world.claim(batch_job, 0, 0) is not None
        world.child_ended(batch_job, exit_code=137)
    rejected = record_of(world, version)
    assert rejected.failure is not None
    assert (rejected.state, rejected.failure.code) == (ModelState.REJECTED, ErrorCode.ATTEMPTS_EXHAUSTED)
    assert "register the model again" in rejected.failure.hint
    assert len(world.fakes.batch.jobs) == MAX_ATTEMPTS


def test_an_admission_whose_worker_vanished_is_found_by_its_lease() -> None:
    world = World()
    version = uploaded(world)
    assert world.claim(world.last_batch_job(), 0, 0) is not None
    world.fakes.batch.jobs.popitem()
    world.tick(LIMITS.lease_seconds + 60)
    admission = world.ports.units.get(owner_of(version), UnitKind.ADMIT)
    assert admission is not None
    assert (admission.state, admission.attempt) == (UnitState.OPEN, 1)
    assert len(world.fakes.batch.jobs) == 1


def test_a_model_that_is_too_large_gets_no_ticket() -> None:
    world = World()
    with pytest.raises(LimitExceeded, match="a model may have"):
        announced(world, size_bytes=MAX_MODEL_BYTES + 1)
    with pytest.raises(LimitExceeded, match="a manifest may have"):
        announced(world, recipe={"source": "x" * 300_000})


# --- versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [announced, uploaded, ready])
def test_a_version_that_is_there_is_a_conflict(make: Any) -> None:
    world = World()
    make(world)
    with pytest.raises(Conflict, match="version '1' of model 'mine' is there"):
        announced(world, sha256=SHA256)


def test_the_same_file_again_is_the_version_that_is_there() -> None:
    world = World()
    version = ready(world, sha256=SHA256)
    again, ticket = create_model(world.ports, TENANT, a_new_model(sha256=SHA256), registered_by="another")
    assert (again, ticket) == (version, None)
    for other in (a_new_model(sha256="e" * 64), a_new_model(sha256=SHA256, recipe={"nms_iou": 0.3})):
        with pytest.raises(Conflict):
            create_model(world.ports, TENANT, other, registered_by="another")


def test_a_fresh_form_can_be_had_for_a_version_that_waits() -> None:
    world = World()
    version = announced(world)
    again, ticket = create_model(world.ports, TENANT, a_new_model(), registered_by="another")
    assert again == version
    assert ticket is not None
    assert ticket.form is not None
    assert world.fakes.objects.post(ticket.form, FILE)
    for other in (a_new_model(recipe={"nms_iou": 0.3}), a_new_model(size_bytes=7)):
        with pytest.raises(Conflict, match="it is AWAITING_UPLOAD"):
            create_model(world.ports, TENANT, other, registered_by="another")


def test_the_place_of_a_rejected_version_is_free_and_its_file_is_gone() -> None:
    world = World()
    first = announced(world)
    world.fakes.objects.place(first.source.key, b"")
    accept_model_upload(world.ports, first.source.bucket, first.source.key)
    second = announced(world)
    assert [record.model_id for record in get_model(world.ports, TENANT, "mine").records] == [second.model_id]
    assert first.source.key not in world.fakes.objects.keys()  # noqa: SIM118  a method of the fake


def test_a_public_name_is_not_to_be_had() -> None:
    with pytest.raises(Conflict, match="'toy' is one that every tenant may use"):
        announced(World(), "toy", "9")


# --- references ------------------------------------------------------------------------------------------------------


def version_of(world: World, reference: str, tenant: TenantId = TENANT) -> str:
    return resolve_model(world.ports, tenant, reference).version


def test_a_plain_name_is_its_newest_version_until_latest_is_set() -> None:
    world = World()
    for version in ("1", "2", "10"):
        ready(world, "mine", version)
    announced(world, "mine", "11")
    assert version_of(world, "mine") == "10"
    moved(world, "latest", "2")
    assert version_of(world, "mine") == version_of(world, "mine@latest") == "2"


def test_a_version_and_an_alias_are_named_after_an_at() -> None:
    world = World()
    for version in ("1", "2"):
        ready(world, "mine", version)
    moved(world, "prod", "1")
    assert [version_of(world, f"mine@{word}") for word in ("1", "2", "prod")] == ["1", "2", "1"]
    assert version_of(world, "toy@1") == "1"


@pytest.mark.parametrize(
    "reference", ["mine", "mine@1", "mine@prod", "mine@", "@1", "", "Mine", "toy@2", "toy@", "a#b", "mine@1@1", "\0"]
)
def test_what_a_tenant_cannot_see_is_as_what_never_was(reference: str) -> None:
    world, empty = World(), World()
    ready(world)
    moved(world, "prod", "1")
    said = []
    for each in (world, empty):
        with pytest.raises(InvalidRequest) as refused:
            resolve_model(each.ports, OTHER, reference)
        said.append(refused.value.failure)
    assert said[0] == said[1]
    assert said[0].detail == f"there is no model {reference!r}; there are: toy"


def test_a_version_that_is_not_ready_is_no_model_yet() -> None:
    world = World()
    uploaded(world)
    with pytest.raises(InvalidRequest, match="there is no model 'mine@1'"):
        version_of(world, "mine@1")


def test_two_versions_of_a_name_are_two_jobs() -> None:
    world = World()
    for version in ("1", "2"):
        ready(world, "mine", version)
    with pytest.raises(InvalidRequest, match="'mine' comes twice"):
        start_job(world.ports, world.uploaded(), make_request(models=("mine@1", "mine@2")))


def test_a_job_has_what_its_reference_named_when_it_was_started() -> None:
    world = World()
    for version in ("1", "2"):
        ready(world, "mine", version)
    moved(world, "prod", "1")
    job = start_job(world.ports, world.uploaded(), make_request(models=("mine@prod",)))
    moved(world, "prod", "2")
    assert [(ref.name, ref.version) for ref in world.job(job).models] == [("mine", "1")]
    world.run_worker(world.last_batch_job())
    world.changed(world.ports.videos.get(TENANT, job.video_id))  # type: ignore[arg-type]
    order = WorkOrder.from_bytes(world.ports.objects.get(order_key(world.last_batch_job().submission)))
    (record,) = [one for one in get_model(world.ports, TENANT, "mine").records if one.version == "1"]
    assert [model.key for model in order.models] == [object_keys.own_model_key(TENANT, record.model_id)]


# --- lists -----------------------------------------------------------------------------------------------------------


def test_lists_have_own_and_public_models_and_no_others() -> None:
    world = World()
    ready(world)
    ready(world, "zebra", tenant=OTHER)
    for tenant, names in ((TENANT, ["mine", "toy"]), (OTHER, ["toy", "zebra"])):
        found, last = list_models(world.ports, tenant, None, 10)
        assert ([model.manifest.name for model in found], last) == (names, None)


def test_pages_go_on_where_the_last_one_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    for version in ("1", "2", "3"):
        ready(world, "mine", version)
    # One model has a label too many for it.
    monkeypatch.setattr(listing, "MAX_PAGE_CHARACTERS", 40)
    sizes, after, versions = [], None, []
    while True:
        found, after = list_models(world.ports, TENANT, after, 3)
        sizes.append(len(found))
        versions += [(model.manifest.name, model.manifest.version) for model in found]
        if after is None:
            break
    assert versions == [("mine", "1"), ("mine", "2"), ("mine", "3"), ("toy", "1")]
    assert max(sizes) <= 2


# --- aliases ---------------------------------------------------------------------------------------------------------


def test_an_alias_tells_who_moved_it_when_and_from_where() -> None:
    world = World()
    for version in ("1", "2"):
        ready(world, "mine", version)
    moved(world, "prod", "1", by="ann")
    world.fakes.clock.advance(60)
    moved(world, "prod", "2", by="bob")
    moved(world, "prod", "2", by="eve")
    (alias,) = get_model(world.ports, TENANT, "mine").aliases
    assert [(move.version, move.from_version, move.moved_by) for move in alias.moves] == [
        ("2", "1", "bob"),
        ("1", None, "ann"),
    ]
    assert (alias.moves[0].moved_at - alias.moves[1].moved_at).total_seconds() == 60


def test_only_so_many_moves_are_kept() -> None:
    world = World()
    for version in ("1", "2"):
        ready(world, "mine", version)
    for number in range(MOVES_KEPT + 5):
        moved(world, "prod", "12"[number % 2])
    (alias,) = get_model(world.ports, TENANT, "mine").aliases
    assert (len(alias.moves), alias.revision) == (MOVES_KEPT, MOVES_KEPT + 5)


def test_a_move_from_another_version_than_was_expected_is_a_conflict() -> None:
    world = World()
    for version in ("1", "2"):
        ready(world, "mine", version)
    with pytest.raises(Conflict, match="must name 1 but names None"):
        moved(world, "prod", "2", from_version="1")
    moved(world, "prod", "1")
    moved(world, "prod", "2", from_version="1")
    with pytest.raises(Conflict, match="must name 1 but names 2"):
        moved(world, "prod", "1", from_version="1")


def test_a_move_that_another_one_overtakes_tells_what_it_was_moved_from() -> None:
    world = World()
    for version in ("1", "2", "3"):
        ready(world, "mine", version)
    moved(world, "prod", "1")
    models = world.ports.models
    save = models.save_alias
    overtaken: list[Any] = []

    def save_late(tenant: TenantId, alias: Any) -> None:
        if not overtaken:
            overtaken.append(alias)
            moved(replace_ports(world, save), "prod", "2", by="first")
        save(tenant, alias)

    moved(replace_ports(world, save_late), "prod", "3", by="second")
    (alias,) = get_model(world.ports, TENANT, "mine").aliases
    assert [(move.version, move.from_version) for move in alias.moves] == [("3", "2"), ("2", "1"), ("1", None)]


def replace_ports(world: World, save: Any) -> World:
    """The same world, with another way to save aliases."""

    class Models:
        def __getattr__(self, name: str) -> Any:
            return save if name == "save_alias" else getattr(world.fakes.ports.models, name)

    other = object.__new__(World)
    other.__dict__.update(world.__dict__)
    models: Any = Models()
    other.ports = replace(world.ports, models=models)
    return other


def test_a_move_that_is_always_overtaken_gives_up() -> None:
    world = World()
    ready(world)

    def refuse(*_: object) -> None:
        raise VersionConflict("moved")

    with pytest.raises(Conflict, match="is being moved by others"):
        moved(replace_ports(world, refuse), "prod", "1")


@pytest.mark.parametrize(("name", "alias", "version"), [("no", "a", "1"), ("mine", "a", "2"), ("mine", "a b", "1")])
def test_what_is_not_there_cannot_be_named(name: str, alias: str, version: str) -> None:
    world = World()
    ready(world)
    announced(world, "mine", "2")
    with pytest.raises(NotFound):
        moved(world, alias, version, name=name)


def test_a_word_is_a_version_or_an_alias_and_not_both() -> None:
    world = World()
    ready(world)
    announced(world, "mine", "2")
    for taken in ("1", "2"):
        with pytest.raises(Conflict, match="is a version"):
            moved(world, taken, "1")
    moved(world, "3", "1")
    with pytest.raises(Conflict, match="is an alias"):
        announced(world, "mine", "3")


def test_a_public_model_has_aliases_of_each_tenant() -> None:
    world = World()
    moved(world, "mine", "1", name="toy")
    assert version_of(world, "toy@mine") == "1"
    with pytest.raises(InvalidRequest):
        version_of(world, "toy@mine", OTHER)


# --- deletion --------------------------------------------------------------------------------------------------------


def test_a_deleted_version_is_gone_with_its_files() -> None:
    world = World()
    for version in ("1", "2"):
        ready(world, "mine", version)
    delete_model(world.ports, TENANT, "mine", "2")
    assert version_of(world, "mine") == "1"
    assert [record.version for record in get_model(world.ports, TENANT, "mine").records] == ["1"]
    assert len([key for key in world.fakes.objects.keys() if key.endswith("/source")]) == 1  # noqa: SIM118


def test_a_version_that_an_alias_names_stays() -> None:
    world = World()
    ready(world)
    moved(world, "prod", "1")
    with pytest.raises(Conflict, match="is named by prod"):
        delete_model(world.ports, TENANT, "mine", "1")


def test_a_deleted_name_is_gone_with_its_aliases_and_can_be_used_again() -> None:
    world = World()
    ready(world)
    moved(world, "prod", "1")
    delete_model(world.ports, TENANT, "mine", None)
    with pytest.raises(NotFound):
        get_model(world.ports, TENANT, "mine")
    ready(world)
    with pytest.raises(InvalidRequest):
        version_of(world, "mine@prod")


@pytest.mark.parametrize(("name", "version"), [("toy", None), ("toy", "1"), ("mine", "2"), ("no", None), ("", None)])
def test_only_what_is_ones_own_can_be_deleted(name: str, version: str | None) -> None:
    world = World()
    ready(world)
    with pytest.raises(NotFound, match="of your own"):
        delete_model(world.ports, TENANT, name, version)
    with pytest.raises(NotFound):
        delete_model(world.ports, OTHER, "mine", None)
    assert version_of(world, "mine") == "1"


def test_results_of_a_deleted_model_stay_and_a_retry_says_that_it_was_removed() -> None:
    world = World()
    manifest = ready(world, "toy.mine").manifest
    assert manifest is not None
    job = partial(world, failed=[1], cells=4, models=("toy.mine",))
    delete_model(world.ports, TENANT, "toy.mine", None)
    found, _ = find_detections(world.ports, world.job(job), DetectionQuery(), limit=10, cursor=None)
    assert list(found) == []
    with pytest.raises(Conflict, match=r"model toy\.mine 1 .* was removed"):
        retry_job(world.ports, world.job(job))


# --- faults ----------------------------------------------------------------------------------------------------------


def upload_with(faults: Faults) -> tuple[World, ModelVersion]:
    """The upload is told of once; what fails is told of by nobody."""
    world = World()
    version = announced(world)
    world.fakes.objects.place(version.source.key, FILE)
    world.ports = faults.wrap(world.fakes.ports)
    attempt(lambda: accept_model_upload(world.ports, version.source.bucket, version.source.key))
    faults.is_armed = False
    return world, version


def calls_of_an_upload() -> int:
    faults = Faults()
    upload_with(faults)
    return faults.calls


@pytest.mark.parametrize("is_done_first", [True, False])
@pytest.mark.parametrize("fails_at", range(calls_of_an_upload()))
def test_whatever_fails_an_upload_comes_to_one_admission(fails_at: int, is_done_first: bool) -> None:
    world, version = upload_with(Faults(fails_at, is_done_first=is_done_first))
    for _ in range(10):
        world.tick()
    assert record_of(world, version).state is ModelState.UPLOADED
    owner = owner_of(version)
    orders = [batch_job for batch_job, _ in world.waiting() if batch_job.submission.owner == owner]
    # Sent twice at most, when the answer of the first was lost; only one of two workers gets the claim.
    assert 1 <= len(orders) <= 2
    claims = [world.claim(batch_job, 0, 0) for batch_job in orders]
    assert len([fence for fence in claims if fence]) == 1
    admission = world.ports.units.get(owner, UnitKind.ADMIT)
    assert admission is not None
    assert admission.attempt == 1
