"""A running system, what it found in a clip, and a browser to look at it with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.local.stack import LocalStack, StackOptions
from tests.browser.cdp import Chromium, Page
from tests.flow import conftest as flow
from tests.flow.tenant import Tenant
from tools.browser import find_axe, find_browser

MIB = 1 << 20
SETTINGS = {"REELSCAN_MULTIPART_THRESHOLD_BYTES": str(9 * MIB)}
FAST_MODEL, OTHER_MODEL = "ssdlite-mobilenet-v2", "nanodet-g"

_numbers = itertools.count(1)

# The clip and the odd videos of the flow tests.
bikes = flow.bikes
corpus = flow.corpus


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Opens the viewer as one tenant."""

    stack: LocalStack
    chromium: Chromium
    tenant_name: str

    @property
    def tenant(self) -> Tenant:
        return Tenant(self.stack.base_url, self.stack.token(self.tenant_name))

    def open(
        self, place: str = "", width: int = 1280, height: int = 860, scheme: str = "light", sampling: str = "every"
    ) -> Page:
        """A page at `place`, such as `#/videos/…`, signed in; `sampling` as analysis.js names it."""
        token = self.stack.token(self.tenant_name)
        page = self.chromium.open(f"{self.stack.base_url}/viewer/#token={token}", width, height, scheme)
        page.wait("window.reelscan?.app")
        chosen = {"model": FAST_MODEL, "sampling": sampling}
        page.run(f"localStorage.setItem('reelscan.analysis', JSON.stringify({chosen}))")
        if place:
            page.run(f"location.hash = {place!r}")
        return page


@dataclass(frozen=True, slots=True)
class Analysed:
    """The demo clip: every frame by one model, keyframes by the other."""

    video_id: str
    jobs: tuple[str, str]

    def place(self, job: int = 0, query: str = "") -> str:
        return f"#/videos/{self.video_id}?job={self.jobs[job]}{query}"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in SETTINGS.items():
            environment.setenv(name, value)
        with LocalStack(StackOptions(out=tmp_path_factory.mktemp("out"), slots=2)) as stack:
            yield stack


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    browser = find_browser()
    if browser is None:
        pytest.fail("There is no Chromium: run `make test-browser`, which fetches it", pytrace=False)
    with Chromium(browser) as chromium:
        yield chromium


@pytest.fixture(scope="session")
def axe() -> str:
    return find_axe().read_text()


@pytest.fixture
def viewer(stack: LocalStack, chromium: Chromium) -> Viewer:
    """As a tenant of its own, who has nothing yet."""
    return Viewer(stack, chromium, f"viewer-{next(_numbers)}")


@pytest.fixture(scope="session")
def shared(stack: LocalStack, chromium: Chromium) -> Viewer:
    """As the tenant who has `analysed`."""
    return Viewer(stack, chromium, "shared")


@pytest.fixture(scope="session")
def analysed(shared: Viewer, bikes: Path) -> Analysed:
    tenant = shared.tenant
    created = tenant.upload(bikes, analyze={"models": [FAST_MODEL], "sampling": {"kind": "every_frame"}})
    video_id, first = created["video"]["video_id"], created["job"]["job_id"]
    tenant.succeed(first)
    body = {"models": [OTHER_MODEL], "sampling": {"kind": "keyframes"}}
    second = tenant.post(f"/videos/{video_id}/jobs", body, expect=202)["job"]["job_id"]
    tenant.succeed(second)
    return Analysed(video_id, (first, second))
