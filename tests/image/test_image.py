"""The worker's image without Docker: its file system, assembled from the Dockerfile, runs against the local stack.

`make test-image` runs this: it installs the image's packages once more.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.stack import FastLaneMode, LocalStack, StackOptions
from infra.wiring import IMAGE_ENVIRONMENT, WIRING
from tests.flow.reference import plain_loop, without_tracks
from tests.flow.tenant import FAST_MODEL, Json, Tenant, canonical
from tools.rootfs import Image, assemble, remove

pytestmark = [pytest.mark.image, pytest.mark.timeout(300)]

BIKES = Path(__file__).parents[2] / ".cache" / "videos" / "bikes.mp4"
IMPORT_ALL = """
import importlib, json, pkgutil, sys
import gpu_batch, chalicelib
for package in (gpu_batch, chalicelib):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(json.dumps(sorted({m.__file__ for m in sys.modules.values() if getattr(m, "__file__", None)})))
"""


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    image = assemble("cpu", tmp_path_factory.mktemp("image") / "cpu")
    before = listing(image.root)
    yield image
    assert listing(image.root) == before, "something was written into the image"
    remove(image.root)


def listing(folder: Path) -> str:
    """Names, sizes and times of all files, as one digest."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        digest.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def environment_of(image: Image) -> dict[str, str]:
    return image.run_environment({"PATH": os.environ["PATH"]})


@pytest.fixture(scope="module")
def expected() -> bytes:
    """What a plain loop finds."""
    return canonical(plain_loop(BIKES, FAST_MODEL).items)


def analyze(stack: LocalStack) -> tuple[Tenant, Json]:
    """A job on the clip of the demo, once it has succeeded."""
    tenant = Tenant(stack.base_url, stack.token("image"))
    job_id = tenant.analyze(BIKES, model=FAST_MODEL)
    return tenant, tenant.succeed(job_id)


def items_of(tenant: Tenant, job: Json) -> bytes:
    return canonical(without_tracks(tenant.all_items(str(job["job_id"]))))


def logs_of(stack: LocalStack) -> str:
    return "\n".join(path.read_text() for path in stack.log_folder.glob("*.log"))


def test_all_that_the_worker_can_import_is_in_the_image(image: Image) -> None:
    command = image.command(["python", "-c", IMPORT_ALL])
    ended = subprocess.run(command, env=environment_of(image), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    files = [Path(name) for name in json.loads(ended.stdout)]
    standard = Path(sys.base_prefix)
    assert [path for path in files if image.root not in path.parents and standard not in path.parents] == []
    ours = {path for path in files if image.path("/app") in path.parents}
    assert image.path("/app/gpu_batch/lambda_handler.py") in ours
    # Of the service the worker shares the rules and the contracts, and the image has no more of it.
    assert {path.name for path in image.path("/app/chalicelib").iterdir()} - {"__pycache__"} == {
        "__init__.py",
        "contracts",
        "domain",
    }


def test_bytecode_of_all_that_is_ours_lies_in_the_image(image: Image) -> None:
    sources = set(image.path("/app").rglob("*.py"))
    compiled = {path.parent.parent / f"{path.name.partition('.')[0]}.py" for path in image.root.glob("app/**/*.pyc")}
    assert sources == compiled


def test_the_image_has_the_environment_that_a_worker_is_given_without_it(image: Image) -> None:
    assert image.environment.items() >= IMAGE_ENVIRONMENT.items()
    assert (image.user, image.workdir) == ("worker", "/app")


def test_batch_analyses_a_video_with_the_image(image: Image, tmp_path: Path, expected: bytes) -> None:
    options = StackOptions(
        out=tmp_path,
        slots=2,
        worker_command=image.command(image.entrypoint),
        worker_environment=environment_of(image),
        warm_modules=(),
    )
    with LocalStack(options) as stack:
        tenant, job = analyze(stack)
        assert items_of(tenant, job) == expected


def test_the_fast_lane_analyses_a_video_with_the_image_in_lambdas_runtime(
    image: Image, tmp_path: Path, expected: bytes
) -> None:
    options = StackOptions(
        out=tmp_path,
        slots=2,
        fast_lane=FastLaneMode.RUNTIME,
        function_command=image.command([*WIRING.fast.entry_point, *WIRING.fast.command]),
        worker_environment=environment_of(image),
        warm_modules=(),
    )
    with LocalStack(options) as stack:
        tenant, job = analyze(stack)
        assert items_of(tenant, job) == expected
        said = logs_of(stack)
        assert {segment["lane"] for segment in tenant.segments(str(job["job_id"]))} == {"fast"}
    # What is forked must have no threads but its own.
    assert ("worker ends" in said, "multi-threaded" in said) == (True, False)
