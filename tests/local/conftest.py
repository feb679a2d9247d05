from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from infra.local.stack import LocalStack
from tests.local.toys import ToyApp, running


@pytest.fixture(scope="module")
def app() -> ToyApp:
    return ToyApp()


@pytest.fixture(scope="module")
def stack(app: ToyApp) -> Iterator[LocalStack]:
    """One stack for a whole module: each test uses keys of its own."""
    with running(app) as stack:
        yield stack


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads give way at every chance, so that a race that can be lost is lost."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
