"""A running system for every module, a tenant of its own (so: no stored results) for every test, and videos."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.stack import LocalStack, StackOptions
from tests.flow.faulty_worker import Faults
from tests.flow.measures import Measure
from tests.flow.permissions import not_permitted, recorded
from tests.flow.records import Records
from tests.flow.tenant import Tenant
from tests.video.kept_corpus import CACHE, kept_corpus

_numbers = itertools.count(1)
_measures = pytest.StashKey[list[str]]()


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Measure:
    """Notes what a test measured, for docs/measures.md; the run says all of it at its end."""
    noted = request.config.stash.setdefault(_measures, [])
    return lambda text: noted.append(f"{request.node.name}: {text}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was measured."""
    for line in config.stash.get(_measures, []):
        terminalreporter.write_line(f"measured: {line}")


@pytest.fixture(scope="module", autouse=True)
def permissions() -> Iterator[None]:
    """No function does what its role on AWS may not."""
    with recorded() as uses:
        yield
    assert not_permitted(uses) == []


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The local stack as `make local` runs it on two cores; modules with other needs have their own."""
    with LocalStack(StackOptions(out=tmp_path_factory.mktemp("out"), slots=2, cores=2)) as stack:
        yield stack


@pytest.fixture
def tenant_name() -> str:
    return f"tenant-{next(_numbers)}"


@pytest.fixture
def tenant(stack: LocalStack, tenant_name: str) -> Tenant:
    return Tenant(stack.base_url, stack.token(tenant_name))


@pytest.fixture
def new_tenant(stack: LocalStack) -> Callable[[], Tenant]:
    """Makes further tenants: results that one has stored never answer another."""
    return lambda: Tenant(stack.base_url, stack.token(f"tenant-{next(_numbers)}"))


@pytest.fixture
def records(stack: LocalStack, tenant_name: str) -> Records:
    return Records(stack, tenant_name)


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    """What goes wrong with the workers of a stack that has faulty ones: nothing, as long as no test says so."""
    faults = Faults(tmp_path_factory.mktemp("faults"))
    faults.plan()
    return faults


@pytest.fixture(scope="session")
def bikes() -> Path:
    """The clip of the demo: 10 s, 640 × 272, 250 frames, six keyframes."""
    path = CACHE / "videos" / "bikes.mp4"
    if not path.exists():
        pytest.fail(f"{path} is missing: run `make setup`, which fetches it", pytrace=False)
    return path


@pytest.fixture(scope="session")
def corpus() -> dict[str, Path]:
    """Small odd videos."""
    return kept_corpus()
