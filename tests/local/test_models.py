"""Models of one's own beside those that ship with the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chalicelib.adapters import clients
from chalicelib.adapters.model_registry import DynamoModelRegistry
from chalicelib.adapters.table import Table
from chalicelib.contracts.object_keys import model_key
from chalicelib.domain.ids import TenantId
from chalicelib.wiring import forget_ports
from gpu_batch.compiler.model_folder import write_model_folder
from infra.local import bootstrap
from infra.local.__main__ import parse_arguments
from infra.local.stack import LocalStack
from tests.local.toys import ToyApp, running
from tests.models.makers import a_detector, a_manifest


def test_the_models_of_a_folder_are_registered_beside_the_default_ones(tmp_path: Path) -> None:
    detector = a_detector()
    manifest = a_manifest(detector.SerializeToString(deterministic=True), name="mine")
    write_model_folder(tmp_path / "mine", manifest, detector)
    with running(ToyApp(), models=tmp_path, register_models=bootstrap.register_start_models) as stack:
        registry = DynamoModelRegistry(Table(clients.dynamodb(), stack.environment["REELSCAN_META_TABLE"]))
        listed = registry.list(TenantId("a"), None, 100)
        assert [model.manifest.name for model in listed] == ["mine", "nanodet-g", "ssdlite-mobilenet-v2"]
        bucket = stack.environment["REELSCAN_BUCKET"]
        stored = clients.s3().get_object(Bucket=bucket, Key=model_key(manifest.sha256))["Body"].read()
    assert stored == detector.SerializeToString(deterministic=True)


def test_what_release_0_1_registered_is_there_after_the_next_start() -> None:
    manifest = a_manifest(b"old", name="old")
    item = {"pk": "public#models", "sk": "MODEL#old", "kind": "MODEL", "manifest": json.dumps(manifest.to_json())}

    def register(stack: LocalStack) -> None:
        forget_ports()
        Table(clients.dynamodb(), stack.environment["REELSCAN_META_TABLE"]).put(item)
        bootstrap.register_start_models(stack)

    with running(ToyApp(), register_models=register) as stack:
        table = Table(clients.dynamodb(), stack.environment["REELSCAN_META_TABLE"])
        found = DynamoModelRegistry(table).find(TenantId("a"), manifest.sha256)
        assert table.get("public#models", "MODEL#old") is None
    assert found is not None
    assert found.manifest == manifest


def test_a_folder_of_models_that_is_there_is_taken(tmp_path: Path) -> None:
    for name in ("manifest.json", "model.onnx"):
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / name).touch()
    assert parse_arguments(["--models", str(tmp_path)]).models == tmp_path


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (None, "must be a folder but there is no"),
        ([], "must be a folder of folders with a manifest.json"),
        (["mine/manifest.json"], "must hold a model.onnx beside its manifest.json"),
    ],
    ids=["no folder", "no model", "half a model"],
)
def test_a_folder_that_lacks_something_ends_with_2_and_says_what(
    files: list[str] | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "models"
    for name in files or []:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    if files == []:
        folder.mkdir()
    with pytest.raises(SystemExit) as ended:
        parse_arguments(["--models", str(folder)])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
