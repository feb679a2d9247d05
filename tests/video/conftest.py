"""The corpus of odd videos, made once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.video.corpus import make_corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_corpus(tmp_path_factory.mktemp("corpus"))
