"""Templates of the stages; tests that read one are run by `make test-infra` alone, which synthesises them."""

from __future__ import annotations

import pytest

from tests.infra.templates import Template, template_of


@pytest.fixture
def template(request: pytest.FixtureRequest) -> Template:
    """Of the stage that the test names, else of dev."""
    return template_of(getattr(request, "param", "dev"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark those that need a template."""
    for item in items:
        if "template" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.infra)
