"""The walk-through in docs/quickstart.md, run as it stands against a local stack."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.run_demo import running_stack

ROOT = Path(__file__).resolve().parent.parent.parent

# Far above the 20 s that it takes, for a machine that has other things to do.
TIMEOUT_SECONDS = 240
pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS + 60)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which every command of the page was run, in order, in one shell that stops at the first failure."""
    if shutil.which("curl") is None:
        pytest.skip("the walk-through is about curl, which is not installed")
    folder = tmp_path_factory.mktemp("checkout")
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / ".cache").symlink_to(ROOT / ".cache")
    page = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    commands = "\n".join(re.findall(r"^```sh\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL))
    with running_stack(folder / "out"):
        ended = subprocess.run(
            ["sh", "-eu", "-c", commands],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


def test_the_job_of_the_walk_through_succeeds(walk: Path) -> None:
    job = json.loads((walk / "out" / "job.json").read_text())["job"]

    assert job["state"] == "SUCCEEDED"


def test_the_query_finds_people_in_the_window_that_it_names(walk: Path) -> None:
    items = json.loads((walk / "out" / "people.json").read_text())["items"]

    assert items
    assert [item for item in items if item["label"] != "person" or not 3 <= item["time_seconds"] < 5] == []


def test_the_refusal_at_the_end_is_a_problem_with_a_hint(walk: Path) -> None:
    problem = json.loads((walk / "out" / "problem.json").read_text())

    assert (problem["code"], bool(problem["hint"])) == ("NOT_FOUND", True)
