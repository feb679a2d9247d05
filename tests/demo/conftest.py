"""The fake service, running, for tests that do not care how it is started."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sdk.fake_service import FakeService, serving


@pytest.fixture
def fake() -> Iterator[FakeService]:
    with serving(FakeService()) as service:
        yield service
