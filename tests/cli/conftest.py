"""A fake service and a shell beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Shell
from tests.sdk.fake_service import FakeService, serving


@pytest.fixture
def fake() -> Iterator[FakeService]:
    with serving(FakeService()) as service:
        yield service


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    return Shell(monkeypatch, str(tmp_path))


@pytest.fixture
def ready(shell: Shell, fake: FakeService) -> Shell:
    shell.use(fake)
    return shell
