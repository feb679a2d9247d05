"""The Lambda package stays light: what it imports, what it never imports, and what that costs a cold start."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from bench.cold_start import APP, NAIVE, measure_all
from chalicelib.api.rest import INDEX

ROOT = Path(__file__).resolve().parent.parent.parent

# What the Lambda zip does not hold; importing any of it would end every function at its start.
ABSENT_ON_LAMBDA = ["av", "cv2", "gpu_batch", "httpx", "infra", "moto", "numpy", "onnx", "onnxruntime", "PIL"]

# Loaded when the first call to AWS is made, or never. (Powertools touches the bare `botocore` package, which is cheap.)
CLIENTS = ["aws_xray_sdk", "boto3", "botocore.client", "botocore.session"]
LOADED_BY_NEED = ["pydantic", "chalicelib.api.schemas", "chalicelib.services.ports", "chalicelib.wiring"]

IMPORT_APP = """
import importlib.abc, json, sys

absent = set(json.loads(sys.argv[1]))

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is not in the Lambda package", name=name)
        return None

sys.meta_path.insert(0, Absent())
import app
at_start = sorted(sys.modules)
import chalicelib.api.events, chalicelib.api.graphql.lambda_entry, chalicelib.api.openapi
print(json.dumps({"functions": sorted(app.app.handler_map), "at_start": at_start, "later": sorted(sys.modules)}))
"""


@cache
def import_app() -> dict[str, list[str]]:
    """What a fresh interpreter holds after `import app`, and then of all modules that its functions load.

    Everything that Lambda lacks is out of its reach.
    """
    # No setting of the service is given: importing must not read the environment.
    command = [sys.executable, "-c", IMPORT_APP, json.dumps(ABSENT_ON_LAMBDA)]
    environment = {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert ended.returncode == 0, ended.stderr
    answer: dict[str, list[str]] = json.loads(ended.stdout)
    return answer


def test_all_that_functions_load_is_there_without_the_worker_and_without_settings() -> None:
    views = {f"chalicelib.api.{module}" for module in json.loads(INDEX.read_text())}

    assert len(views) > 10
    assert views <= set(import_app()["later"])


def test_the_block_that_these_tests_rely_on_does_block() -> None:
    modules = {name.split(".")[0] for name in import_app()["later"]}

    assert modules & set(ABSENT_ON_LAMBDA) == set()


@pytest.mark.parametrize("name", [*CLIENTS, *LOADED_BY_NEED])
def test_a_cold_start_does_not_pay_for(name: str) -> None:
    assert name not in import_app()["at_start"]


@pytest.mark.parametrize("name", CLIENTS)
def test_no_module_makes_clients_when_it_is_loaded(name: str) -> None:
    assert name not in import_app()["later"]


def test_app_starts_in_half_the_time_of_the_usual_imports() -> None:
    taken = measure_all({"ours": APP, "naive": NAIVE}, rounds=3)

    assert min(taken["ours"]) <= 0.5 * min(taken["naive"])


def test_every_event_has_its_function() -> None:
    expected = {"on_object_created", "on_batch_state_change", "on_meta_stream", "reconcile"}

    assert expected <= set(import_app()["functions"])
