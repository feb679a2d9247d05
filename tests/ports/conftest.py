from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib import wiring
from chalicelib.domain.ids import TenantId
from chalicelib.services.ports import Ports
from infra.local.stack import LocalStack
from tests.fakes.make import make_fakes
from tests.local.toys import ToyApp, python, running
from tests.ports.deployments import Deployment, EveryReplyLost, FakeOutside, aws_deployment


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """One stack for a whole module: each test uses keys of its own."""
    with running(ToyApp(), worker_command=python("import time; time.sleep(600)")) as stack:
        wiring.forget_ports()
        yield stack
    wiring.forget_ports()


@pytest.fixture(params=["in memory", "on AWS", "on AWS when replies are lost"])
def deployment(request: pytest.FixtureRequest) -> Deployment:
    """Every suite runs on each of these."""
    if request.param == "in memory":
        fakes = make_fakes()
        return Deployment(fakes.ports, FakeOutside(fakes))
    request.getfixturevalue("stack")
    return aws_deployment(EveryReplyLost) if "lost" in request.param else aws_deployment()


@pytest.fixture
def ports(deployment: Deployment) -> Ports:
    return deployment.ports


@pytest.fixture
def tenant(ports: Ports) -> TenantId:
    """A tenant that no other test has: what it stores is alone in its partitions."""
    return TenantId(ports.ids.make("ten"))
