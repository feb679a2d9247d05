"""Where the tests of models find things."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
DEFAULT_MODELS = ROOT / "gpu_batch" / "default_models"
