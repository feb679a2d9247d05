"""The layout that import-linter cannot hold, since it takes packages and not scripts."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

SERVICE_PACKAGES = ["bench", "chalicelib", "client", "gpu_batch", "infra"]

# Modules of the project that a client must not need: everything it knows, it knows by HTTP.
SERVER_PACKAGES = {"app", "chalicelib", "gpu_batch", "infra"}


def imported_modules(path: Path) -> set[str]:
    """Dotted names of what the file imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def python_files(package: str) -> list[Path]:
    """Every module of a package, in a fixed order."""
    return sorted((ROOT / package).rglob("*.py"))


def test_app_imports_only_chalice_and_the_api() -> None:
    # typing is there for the annotations of plain Lambda handlers; the patterns of events are data.
    allowed = re.compile(r"(chalice|chalicelib\.api|chalicelib\.contracts\.event_patterns|typing|__future__)(\.|$)")

    others = {name for name in imported_modules(ROOT / "app.py") if not allowed.match(name)}

    assert others == set()


def test_app_is_an_index_that_one_can_read_in_a_minute() -> None:
    lines = (ROOT / "app.py").read_text(encoding="utf-8").splitlines()

    assert len(lines) <= 150


def test_app_holds_no_logic() -> None:
    tree = ast.parse((ROOT / "app.py").read_text(encoding="utf-8"))

    branches = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.If | ast.For | ast.While | ast.Try)]

    assert branches == []


@pytest.mark.parametrize("path", python_files("client"), ids=lambda path: path.name)
def test_the_client_knows_the_service_by_http_alone(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported_modules(path)}

    assert roots & SERVER_PACKAGES == set()


@pytest.mark.parametrize("package", SERVICE_PACKAGES)
def test_every_module_says_what_it_is(package: str) -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files(package)
        if ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]

    assert silent == []


@pytest.mark.parametrize("package", SERVICE_PACKAGES)
def test_no_module_outgrows_a_sitting(package: str) -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in python_files(package)
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }

    assert long == {}


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "requirements.txt"], ids=lambda path: path.name
)
def test_every_requirement_is_pinned_and_hashed(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()

    requirements = [line for line in lines if line and not line.lstrip().startswith("#")]

    assert requirements
    assert [line for line in requirements if "==" not in line or "--hash=sha256:" not in line] == []


def test_the_lambda_package_carries_neither_boto3_nor_chalice_nor_the_tracer() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")

    names = set(re.findall(r"^([a-z0-9-]+)==", text, flags=re.MULTILINE))

    assert names & {"boto3", "botocore", "chalice", "aws-xray-sdk", "numpy", "av", "onnxruntime"} == set()


def test_what_is_tested_is_what_is_shipped() -> None:
    tested = pins(ROOT / "requirements" / "dev.txt")

    for name in ("requirements.txt", "requirements/worker.txt"):
        assert pins(ROOT / name) <= tested


def pins(path: Path) -> set[str]:
    """`name==version` of every requirement."""
    return set(re.findall(r"^([a-z0-9-]+==\S+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE))


def test_chalice_knows_the_app_by_the_name_of_the_project() -> None:
    config = json.loads((ROOT / ".chalice" / "config.json").read_text(encoding="utf-8"))

    assert config["app_name"] == "reelscan"
