"""The corpus of odd videos, for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.video.kept_corpus import kept_corpus


@pytest.fixture(scope="session")
def corpus() -> dict[str, Path]:
    return kept_corpus()
