"""What the worker's imports do to a process: nothing that a fork would lose, and nothing that anybody else hears of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Arrow is only for exports, and starts a thread.
IMPORTS = "import gpu_batch.main, gpu_batch.models.loader, gpu_batch.segment_step, os;"
SESSION = (
    "from gpu_batch.models.loader import load_folder; from infra.default_models import DEFAULT_MODELS;"
    "load_folder(DEFAULT_MODELS / 'nanodet-g');"
)


def said(code: str, home: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "OPENBLAS_"))}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home)}
    # Under the name of a test or of a build, onnxruntime keeps quiet by itself.
    for name in ("CI", "GITHUB_ACTIONS", "TF_BUILD", "PYTEST_CURRENT_TEST"):
        environment.pop(name, None)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout


def test_importing_the_worker_starts_no_thread(tmp_path: Path) -> None:
    assert said(f"{IMPORTS} print(len(os.listdir('/proc/self/task')))", tmp_path) == "1\n"


def test_a_worker_that_runs_a_model_tells_nobody(tmp_path: Path) -> None:
    assert said(f"{IMPORTS} {SESSION} print(len(os.listdir('/proc/self/task')))", tmp_path) == "1\n"
    assert list(tmp_path.iterdir()) == []
