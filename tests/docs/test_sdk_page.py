"""The Python of docs/sdk.md, run from top to bottom beside a local stack; and that it shows every public name."""

from __future__ import annotations

import ast
import inspect
import io
import re
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import reelscan
from infra.local.stack import LocalStack, StackOptions
from reelscan.worlds import operation
from tests.models import networks

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "sdk.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
CODE = "\n".join(BLOCKS)
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What the page prints."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copy(ROOT / ".cache" / "videos" / "bikes.mp4", folder)
    (folder / "net.onnx").write_bytes(networks.yolox())
    out, line = io.StringIO(), 0
    with pytest.MonkeyPatch.context() as environment, LocalStack(StackOptions(out=folder / "out", slots=2)) as stack:
        environment.chdir(folder)
        environment.setenv("REELSCAN_URL", stack.base_url)
        environment.setenv("REELSCAN_TOKEN", stack.describe()["token"])
        environment.setenv("XDG_STATE_HOME", str(folder / "state"))
        names: dict[str, object] = {}
        for block in BLOCKS:
            line = PAGE[: PAGE.index(block)].count("\n")
            with redirect_stdout(out):
                exec(compile("\n" * line + block, "docs/sdk.md", "exec"), names)
        yield out.getvalue()


def test_the_page_runs_and_finds_people(said: str) -> None:
    assert "SUCCEEDED" in said
    assert re.search(r"^\d+\.\d+ 0\.\d+ \(\d", said, flags=re.MULTILINE), "a person, with time, score and box"
    assert "READY None" in said, "the model is taken"
    assert "NOT_FOUND 404" in said
    assert "the header 'webhook-timestamp' is missing\n400" in said


@pytest.mark.parametrize("name", reelscan.__all__)
def test_every_public_name_is_used_on_the_page(name: str) -> None:
    assert re.search(rf"\b{name}\b", CODE)


@pytest.mark.parametrize("name", reelscan.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(reelscan, name))


@pytest.mark.parametrize(
    ("part", "method"),
    [
        (part, method)
        for part in sorted(reelscan.Client.__mro__[1].__annotations__)
        for method, value in sorted(vars(type(getattr(reelscan.Client("http://a"), part))).items())
        if not method.startswith("_") and (inspect.isfunction(value) or isinstance(value, operation))
    ],
)
def test_every_method_is_used_on_the_page(part: str, method: str) -> None:
    assert re.search(rf"client\.{part}\.{method}\b", CODE)


def test_the_public_names_are_those_that_type_checkers_see() -> None:
    tree = ast.parse(Path(reelscan.__file__).read_text(encoding="utf-8"))
    (seen,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported = [alias.name for node in seen.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(imported) == reelscan.__all__ == sorted(reelscan.__all__)
    with pytest.raises(AttributeError):
        _ = reelscan.nothing_of_the_kind
