"""Where the benchmarks keep what they make, and what they are given."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"
CLIPS = CACHE / "clips"
MODELS = CACHE / "models"
CORPUS = CACHE / "corpus"
PEERS_PYTHON = CACHE / "venv" / "bin" / "python"
"""The environment of requirements/bench.txt."""
ULTRALYTICS_PYTHON = CACHE / "venv-ultralytics" / "bin" / "python"
"""The environment of requirements/bench-ultralytics.txt; optional."""
RESULTS = ROOT / "out" / "bench.json"
DEFAULT_MODELS = ROOT / "gpu_batch" / "default_models"
