"""The worker's image: what it holds is enough, and what it must not be.

There is no Docker here, so nothing is built: these tests read the Dockerfile and import what it copies.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gpu_batch.models.engines import ENGINES_NAME, NVINFER
from infra.wiring import IMAGE_ENVIRONMENT

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKERFILE = (ROOT / "gpu_batch" / "Dockerfile").read_text(encoding="utf-8")

# Installed for development, and not by requirements/worker.txt.
ABSENT_FROM_IMAGE = ["aws_lambda_powertools", "chalice", "httpx", "jwt", "moto", "PIL", "pydantic", "pytest"]

IMPORT_WORKER = """
import importlib, importlib.abc, pkgutil, sys

absent = set(sys.argv[1].split(","))

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)
        return None

sys.meta_path.insert(0, Absent())
import gpu_batch
names = [module.name for module in pkgutil.walk_packages(gpu_batch.__path__, "gpu_batch.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""


def targets() -> dict[str, str]:
    """The text of each build stage, by name."""
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    return {stage.splitlines()[0].split(" AS ")[1]: stage for stage in stages}


@pytest.mark.parametrize(("name", "value"), IMAGE_ENVIRONMENT.items())
def test_a_worker_without_the_image_has_the_environment_of_the_image(name: str, value: str) -> None:
    assert re.search(rf"^(ENV|   ) {name}={re.escape(value)} \\$", targets()["base"], flags=re.MULTILINE)


def test_the_worker_imports_with_what_the_image_copies_and_installs(tmp_path: Path) -> None:
    copied = re.findall(r"^COPY (\S+) /app/(\S+)$", targets()["code"], flags=re.MULTILINE)
    for source, destination in copied:
        target = tmp_path / destination
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__", "*.onnx"))
        else:
            shutil.copy(ROOT / source, target)
    command = [sys.executable, "-c", IMPORT_WORKER, ",".join(ABSENT_FROM_IMAGE)]

    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 10


IMAGES = ["cpu", "gpu", "gpu-tensorrt"]


def stages_of(target: str) -> str:
    """The text of a target after that of the stages it starts from."""
    stage = targets().get(target.split(maxsplit=1)[0])
    return stages_of(stage.split(maxsplit=1)[0]) + stage if stage else ""


def test_images_are_those_that_the_documentation_builds() -> None:
    commands = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8") + DOCKERFILE
    assert set(re.findall(r"docker build -f gpu_batch/Dockerfile --target (\S+)", commands)) == set(IMAGES)
    assert [name for name, stage in targets().items() if "ENTRYPOINT" in stage] == IMAGES


@pytest.mark.parametrize("target", IMAGES)
def test_an_image_runs_the_worker_and_not_as_root(target: str) -> None:
    stage = targets()[target]

    assert 'ENTRYPOINT ["python", "-m", "gpu_batch"]' in stage
    assert stage.index("USER worker") < stage.index("ENTRYPOINT")


@pytest.mark.parametrize("target", IMAGES)
def test_an_image_installs_only_what_is_hashed(target: str) -> None:
    installs = re.findall(r"pip install (.*)", stages_of(target))

    assert installs
    assert [install for install in installs if "--require-hashes" not in install] == []


@pytest.mark.parametrize("target", IMAGES)
def test_what_an_image_copies_reaches_the_builder(target: str) -> None:
    ignore = (ROOT / "gpu_batch" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    copied = re.findall(r"^COPY ((?:requirements/\S+ )+)", stages_of(target), flags=re.MULTILINE)

    assert copied
    for source in " ".join(copied).split():
        assert f"!{source}" in ignore
        assert (ROOT / source).is_file()


def test_code_comes_after_every_package() -> None:
    for target in IMAGES:
        stages = stages_of(target)
        assert stages.rindex("pip install") < stages.index("COPY --from=code")


def test_the_tensorrt_image_adds_the_tensorrt_that_onnxruntime_asks_for() -> None:
    # Source: the libraries that libonnxruntime_providers_tensorrt.so of onnxruntime-gpu 1.31.1 needs.
    assert pins(ROOT / "requirements" / "worker-gpu.txt")["onnxruntime-gpu"].startswith("1.31.")
    assert NVINFER == "libnvinfer.so.10"
    added = pins(ROOT / "requirements" / "worker-tensorrt.txt")
    assert list(added) == ["tensorrt-cu13-libs"]
    assert added["tensorrt-cu13-libs"].startswith("10.")


def test_the_tensorrt_image_finds_its_libraries_and_engines() -> None:
    stages = stages_of("gpu-tensorrt")
    paths = re.findall(r"LD_LIBRARY_PATH=(\S+)", stages)

    assert paths[-1].endswith("/site-packages/tensorrt_libs:$LD_LIBRARY_PATH")
    assert "nvidia/cu13/lib" in paths[0]
    assert f"{ENGINES_NAME}=/engines" in stages
    assert ENGINES_NAME not in stages_of("gpu")


# No function has a GPU.
ONLY_FOR_LAMBDA = {"awslambdaric", "simplejson", "snapshot-restore-py"}


def test_the_gpu_image_swaps_the_runtime_and_keeps_the_rest() -> None:
    cpu, gpu = (pins(ROOT / "requirements" / name) for name in ("worker.txt", "worker-gpu.txt"))

    assert "onnxruntime" not in gpu
    assert gpu["onnxruntime-gpu"] == cpu["onnxruntime"]
    swapped = {"onnxruntime", *ONLY_FOR_LAMBDA}
    assert swapped <= cpu.keys()
    assert {name: version for name, version in cpu.items() if name not in swapped}.items() <= gpu.items()


def pins(path: Path) -> dict[str, str]:
    """Version by name, as installed on Python 3.12 and later."""
    lines = re.findall(r"^([a-z0-9-]+)==(\S+)(.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: version for name, version, marker in lines if "python_full_version < '3.12'" not in marker}
