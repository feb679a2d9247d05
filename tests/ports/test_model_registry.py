"""The contract of the port `ModelRegistry`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.contracts import object_keys
from chalicelib.domain.ids import ModelId, SubmissionId, TenantId
from chalicelib.domain.model_versions import Alias, AliasMove, ModelState, ModelVersion, RegisteredModel
from chalicelib.domain.models import Manifest
from chalicelib.domain.units import Unit, UnitKind, UnitState
from chalicelib.domain.videos import Source, Upload, UploadKind
from chalicelib.services.dispatch import owner_of
from chalicelib.services.model_ports import place_of
from chalicelib.services.ports import Due, Ports, VersionConflict
from tests.fakes.makers import A_FAILURE, NOW, make_manifest
from tests.ports.deployments import Deployment

DUE = NOW + timedelta(hours=1)
STRANGER = TenantId("stranger")


def a_version(ports: Ports, tenant: TenantId, name: str = "mine", version: str = "1", **changes: Any) -> ModelVersion:
    """One that awaits its file."""
    fields: dict[str, Any] = {
        "tenant": tenant,
        "model_id": ModelId(ports.ids.make("mdl")),
        "name": name,
        "version": version,
        "state": ModelState.AWAITING_UPLOAD,
        "created_at": NOW,
        "filename": "net.onnx",
        "recipe": {"adapter": "yolox", "labels": ["person", None]},
        "upload": Upload(UploadKind.POST, NOW + timedelta(hours=1)),
        "source": Source("bucket", "key", 100),
        "sha256": "c" * 64,
        "registered_by": "somebody",
    }
    return ModelVersion(**{**fields, **changes})


def added(ports: Ports, tenant: TenantId, name: str = "mine", version: str = "1") -> ModelVersion:
    made = a_version(ports, tenant, name, version)
    assert ports.models.add(made, DUE)
    return made


def admitted(
    deployment: Deployment, tenant: TenantId, name: str = "mine", version: str = "1", ready_at: datetime = NOW
) -> tuple[ModelVersion, Manifest]:
    """One that a worker has admitted."""
    manifest = make_manifest(name, version=version)
    made = added(deployment.ports, tenant, name, version)
    uploaded = deployment.ports.models.save(replace(made, state=ModelState.UPLOADED), DUE)
    deployment.outside.admit(uploaded, manifest, ready_at)
    return uploaded, manifest


@pytest.fixture
def public(deployment: Deployment, tenant: TenantId) -> Manifest:
    """A public model that no other test has."""
    manifest = make_manifest(f"m-{tenant.lower().replace('_', '-')}", score_floor=0.05)
    deployment.outside.register(manifest)
    return manifest


# --- public models ---------------------------------------------------------------------------------------------------


def test_a_public_model_is_there_for_every_tenant(deployment: Deployment, tenant: TenantId, public: Manifest) -> None:
    models = deployment.ports.models
    for somebody in (tenant, STRANGER):
        found = models.find(somebody, public.sha256)
        assert found is not None
        assert (found.manifest, found.is_public, found.key) == (public, True, object_keys.model_key(public.sha256))
        assert models.get(somebody, public.sha256) == public
        assert models.find_version(somebody, public.name, "1") == found
        assert list(models.list_versions(somebody, public.name)) == [found]
        assert found in models.list(somebody, None, 1000)


def test_registering_again_changes_nothing(deployment: Deployment, tenant: TenantId, public: Manifest) -> None:
    before = deployment.ports.models.find(tenant, public.sha256)
    deployment.outside.register(public)
    assert deployment.ports.models.find(tenant, public.sha256) == before


def test_a_version_with_other_bytes_leaves_the_former_to_whoever_has_its_digest(
    deployment: Deployment, tenant: TenantId, public: Manifest
) -> None:
    newer = replace(public, sha256=make_manifest(public.name, version="other").sha256)
    deployment.outside.register(newer)
    models = deployment.ports.models
    named = models.find_version(tenant, public.name, "1")
    former = models.find(tenant, public.sha256)
    assert named is not None
    assert former is not None
    assert (named.manifest, former.manifest) == (newer, public)


def test_what_was_never_registered_is_none(ports: Ports, tenant: TenantId) -> None:
    models = ports.models
    assert (models.get(tenant, "0" * 64), models.find(tenant, "0" * 64)) == (None, None)
    assert models.find_version(tenant, "no-such", "1") is None
    assert (list(models.list_versions(tenant, "no-such")), list(models.list_records(tenant, "no-such"))) == ([], [])
    assert models.get_record(tenant, ModelId("mdl_1")) is None
    assert models.find_record(tenant, "no-such", "1") is None


# --- own models ------------------------------------------------------------------------------------------------------


def test_a_record_is_read_as_it_was_added(ports: Ports, tenant: TenantId) -> None:
    made = added(ports, tenant)
    assert ports.models.get_record(tenant, made.model_id) == made
    assert ports.models.find_record(tenant, "mine", "1") == made
    assert list(ports.models.list_records(tenant, "mine")) == [made]


def test_a_version_that_awaits_its_file_cannot_be_used(ports: Ports, tenant: TenantId) -> None:
    added(ports, tenant)
    assert ports.models.find_version(tenant, "mine", "1") is None
    assert [model for model in ports.models.list(tenant, None, 1000) if not model.is_public] == []


def test_a_place_is_taken_once(ports: Ports, tenant: TenantId) -> None:
    first = added(ports, tenant)
    assert not ports.models.add(a_version(ports, tenant), DUE)
    assert list(ports.models.list_records(tenant, "mine")) == [first]


def test_two_tenants_have_the_same_name(ports: Ports, tenant: TenantId) -> None:
    other = TenantId(ports.ids.make("ten"))
    assert {added(ports, somebody).tenant for somebody in (tenant, other)} == {tenant, other}


def test_a_place_is_handed_on_by_name_of_who_has_it(ports: Ports, tenant: TenantId) -> None:
    first, second = added(ports, tenant), a_version(ports, tenant)
    assert not ports.models.add(second, DUE, instead_of=ModelId("mdl_other"))
    assert ports.models.add(second, DUE, instead_of=first.model_id)
    assert list(ports.models.list_records(tenant, "mine")) == [second]
    assert ports.models.get_record(tenant, first.model_id) is None


def test_only_the_revision_that_was_read_can_be_replaced(ports: Ports, tenant: TenantId) -> None:
    made = added(ports, tenant)
    rejected = replace(made, state=ModelState.REJECTED, failure=A_FAILURE, reasons=("one", "two"))
    saved = ports.models.save(rejected, None)
    assert saved == replace(rejected, revision=2) == ports.models.get_record(tenant, made.model_id)
    with pytest.raises(VersionConflict):
        ports.models.save(made, None)


def test_an_admitted_version_is_found_by_digest_and_by_name(deployment: Deployment, tenant: TenantId) -> None:
    version, manifest = admitted(deployment, tenant)
    models = deployment.ports.models
    found = models.find(tenant, manifest.sha256)
    assert found is not None
    assert (found.manifest, found.model_id, found.is_public) == (manifest, version.model_id, False)
    assert found.key == object_keys.own_model_key(tenant, version.model_id)
    assert models.find_version(tenant, "mine", "1") == found
    assert [model for model in models.list(tenant, None, 1000) if not model.is_public] == [found]
    record = models.get_record(tenant, version.model_id)
    assert record is not None
    assert (record.state, record.manifest, record.ready_at) == (ModelState.READY, manifest, NOW)
    assert record.trial is not None


def test_an_own_model_is_nothing_to_another_tenant(deployment: Deployment, tenant: TenantId) -> None:
    version, manifest = admitted(deployment, tenant)
    models = deployment.ports.models
    assert (models.get(STRANGER, manifest.sha256), models.find(STRANGER, manifest.sha256)) == (None, None)
    assert models.find_version(STRANGER, "mine", "1") is None
    assert (list(models.list_versions(STRANGER, "mine")), list(models.list_records(STRANGER, "mine"))) == ([], [])
    assert models.get_record(STRANGER, version.model_id) is None
    assert manifest.sha256 not in {model.manifest.sha256 for model in models.list(STRANGER, None, 1000)}


def test_versions_come_the_newest_first(deployment: Deployment, tenant: TenantId) -> None:
    for number, version in enumerate(["b", "a", "10"]):
        admitted(deployment, tenant, version=version, ready_at=NOW + timedelta(seconds=number))
    admitted(deployment, tenant, name="mine.too")
    listed = deployment.ports.models.list_versions(tenant, "mine")
    assert [model.manifest.version for model in listed] == ["10", "a", "b"]


def test_records_come_the_newest_first(ports: Ports, tenant: TenantId) -> None:
    made = [added(ports, tenant, version=version) for version in ("b", "a")]
    assert list(ports.models.list_records(tenant, "mine")) == made[::-1]


def test_pages_of_models_hold_each_once_and_pass_over_what_is_not_ready(
    deployment: Deployment, tenant: TenantId
) -> None:
    models = deployment.ports.models
    for name in ("zebra", "ant"):
        for version in ("1", "2"):
            admitted(deployment, tenant, name, version)
    added(deployment.ports, tenant, "ant", "3")
    deployment.outside.register(make_manifest("bee"))
    whole = models.list(tenant, None, 1000)
    assert [place_of(model) for model in whole] == sorted(place_of(model) for model in whole)
    assert {"ant#1#0", "ant#2#0", "bee#1#1", "zebra#1#0", "zebra#2#0"} <= {place_of(model) for model in whole}
    paged: list[RegisteredModel] = []
    after = None
    while page := models.list(tenant, after, 2):
        paged += page
        after = place_of(page[-1])
    assert paged == list(whole)


def test_a_removed_version_is_gone_but_its_digest_still_tells_what_it_was(
    deployment: Deployment, tenant: TenantId
) -> None:
    version, manifest = admitted(deployment, tenant)
    models = deployment.ports.models
    record = models.get_record(tenant, version.model_id)
    assert record is not None
    deployment.ports.units.open_step(owner_of(record), Unit(UnitKind.ADMIT, 0, UnitState.OPEN))
    models.remove(record)
    assert models.find(tenant, manifest.sha256) is None
    assert models.find_version(tenant, "mine", "1") is None
    assert (list(models.list_records(tenant, "mine")), list(models.list_versions(tenant, "mine"))) == ([], [])
    assert deployment.ports.units.get(owner_of(record), UnitKind.ADMIT) is None
    assert models.get(tenant, manifest.sha256) == manifest


def test_removing_one_that_awaits_its_file_frees_its_place(ports: Ports, tenant: TenantId) -> None:
    ports.models.remove(added(ports, tenant))
    assert ports.models.add(a_version(ports, tenant), DUE)


def test_the_same_bytes_can_be_registered_again_after_a_removal(deployment: Deployment, tenant: TenantId) -> None:
    version, manifest = admitted(deployment, tenant)
    record = deployment.ports.models.get_record(tenant, version.model_id)
    assert record is not None
    deployment.ports.models.remove(record)
    again, _ = admitted(deployment, tenant)
    found = deployment.ports.models.find(tenant, manifest.sha256)
    assert found is not None
    assert found.model_id == again.model_id


def test_a_version_that_waits_is_due_until_it_has_ended(ports: Ports, tenant: TenantId) -> None:
    made = added(ports, tenant)
    due = Due(owner_of(made))
    assert due in ports.due.list_due(DUE, 1000)
    ports.due.postpone(due, DUE + timedelta(hours=1))
    assert due not in ports.due.list_due(DUE, 1000)
    ports.models.save(replace(made, state=ModelState.REJECTED), None)
    assert due not in ports.due.list_due(DUE + timedelta(days=1), 1000)


def test_an_admission_is_opened_once_and_found_as_such(ports: Ports, tenant: TenantId) -> None:
    owner = owner_of(added(ports, tenant))
    unit = Unit(UnitKind.ADMIT, 0, UnitState.OPEN, submission=SubmissionId("admit"))
    assert [ports.units.open_step(owner, unit) for _ in range(2)] == [True, False]
    assert ports.units.get(owner, UnitKind.ADMIT) == unit


# --- aliases ---------------------------------------------------------------------------------------------------------


def an_alias(alias: str = "prod", *versions: str, revision: int = 1) -> Alias:
    moves = [AliasMove(version, None, NOW, "somebody") for version in versions or ("1",)]
    return Alias("mine", alias, tuple(moves), revision)


def test_an_alias_is_read_as_it_was_saved(ports: Ports, tenant: TenantId) -> None:
    first = an_alias()
    ports.models.save_alias(tenant, first)
    second = Alias("mine", "prod", (AliasMove("2", "1", NOW, "another"), *first.moves), 2)
    ports.models.save_alias(tenant, second)
    assert ports.models.get_alias(tenant, "mine", "prod") == second
    assert ports.models.get_alias(STRANGER, "mine", "prod") is None


@pytest.mark.parametrize("revision", [1, 3])
def test_an_alias_that_was_moved_since_is_not_moved(ports: Ports, tenant: TenantId, revision: int) -> None:
    ports.models.save_alias(tenant, an_alias())
    with pytest.raises(VersionConflict):
        ports.models.save_alias(tenant, an_alias("prod", "9", revision=revision))
    assert ports.models.get_alias(tenant, "mine", "prod") == an_alias()


def test_aliases_of_a_name_are_listed_and_dropped(ports: Ports, tenant: TenantId) -> None:
    for alias in ("prod", "canary"):
        ports.models.save_alias(tenant, an_alias(alias))
    ports.models.drop_alias(tenant, "mine", "canary")
    ports.models.drop_alias(tenant, "mine", "canary")
    assert list(ports.models.list_aliases(tenant, "mine")) == [an_alias()]
    assert list(ports.models.list_aliases(tenant, "other")) == []
