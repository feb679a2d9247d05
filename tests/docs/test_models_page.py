"""The section of docs/models.md about registering a model by REST, run as it stands against a local stack."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models import networks
from tools.run_demo import running_stack

ROOT = Path(__file__).resolve().parent.parent.parent
TIMEOUT_SECONDS = 240
pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS + 60)


def test_the_commands_register_a_model_and_name_it(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("the section is about curl, which is not installed")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "net.onnx").write_bytes(networks.yolox())
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    section = page.split("## Registering your own model by REST\n")[1].split("\n## ")[0]
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    with running_stack(tmp_path / "out"):
        ended = subprocess.run(
            ["sh", "-eu", "-c", commands],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    model = json.loads((tmp_path / "out" / "street-net.json").read_text())["model"]
    assert [(version["state"], version["labels"]) for version in model["versions"]] == [("READY", ["person", "dog"])]
    alias = json.loads(ended.stdout.splitlines()[-1])["alias"]
    assert (alias["alias"], alias["version"]) == ("prod", "1")
