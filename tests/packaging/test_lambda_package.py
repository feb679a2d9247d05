"""The Lambda package stays light: what it imports, what it never imports, and what that costs a cold start."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

# What the Lambda zip does not hold; importing any of it would end every function at its start.
ABSENT_ON_LAMBDA = ["av", "cv2", "gpu_batch", "httpx", "infra", "moto", "numpy", "onnx", "onnxruntime", "PIL"]

# Loaded by the first event that needs them, or never. (Powertools touches the bare `botocore` package, which is cheap.)
NOT_AT_IMPORT = ["aws_xray_sdk", "boto3", "botocore.client", "botocore.session"]

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
print(json.dumps({"functions": sorted(app.app.handler_map), "modules": sorted(sys.modules)}))
"""


@cache
def import_app() -> dict[str, list[str]]:
    """What a fresh interpreter holds after `import app`, with everything that Lambda lacks out of its reach."""
    # No setting of the service is given: importing must not read the environment.
    environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", IMPORT_APP, json.dumps(ABSENT_ON_LAMBDA)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert ended.returncode == 0, ended.stderr
    answer: dict[str, list[str]] = json.loads(ended.stdout)
    return answer


def test_app_imports_without_the_worker_and_without_settings() -> None:
    assert "chalicelib.api.videos" in import_app()["modules"]


def test_the_block_that_these_tests_rely_on_does_block() -> None:
    modules = {name.split(".")[0] for name in import_app()["modules"]}

    assert modules & set(ABSENT_ON_LAMBDA) == set()


@pytest.mark.parametrize("name", NOT_AT_IMPORT)
def test_a_cold_start_does_not_pay_for(name: str) -> None:
    assert name not in import_app()["modules"]


def test_every_event_has_its_function() -> None:
    expected = {"on_object_created", "on_batch_state_change", "on_meta_stream", "reconcile"}

    assert expected <= set(import_app()["functions"])
