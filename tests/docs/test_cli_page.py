"""The commands of docs/cli.md, run from top to bottom beside a local stack; and its table of exit codes."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from reelscan.cli import exit_codes
from tests.cli.terminal import Shell
from tests.models import networks
from tools.run_demo import running_stack

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
COMMANDS = [line[2:] for line in PAGE.splitlines() if line.startswith("$ ")]
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder, and what each command has said."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copy(ROOT / ".cache" / "videos" / "bikes.mp4", folder)
    (folder / "net.onnx").write_bytes(networks.yolox())
    said: dict[str, str] = {}
    variables: dict[str, str] = {}
    # The stack has a process of its own, as it writes to its output; the commands have none: each would take half a
    # second to import what it needs.
    with running_stack(folder / "out"), pytest.MonkeyPatch.context() as environment:
        shell = Shell(environment, str(folder))
        for command in COMMANDS:
            said[command] = run(shell, command, variables)
    return folder, said


def run(shell: Shell, command: str, variables: dict[str, str]) -> str:
    """What a line of the page answers; it ends well unless the line says `||` what happens then.

    Understands as much of a shell as the page uses: `NAME=$(…)`, `"$NAME"` and `… || echo "… $?"`.
    """
    command, _, otherwise = command.partition(" || ")
    if assigned := re.fullmatch(r"(\w+)=\$\((.*)\)", command):
        variables[assigned[1]] = run(shell, assigned[2], variables).strip()
        return variables[assigned[1]]
    words = shlex.split(re.sub(r"\$(\w+)", lambda name: variables[name[1]], command))
    assert words[0] == "reelscan"
    ended = shell.run(*words[1:])
    assert bool(ended.exit_code) == bool(otherwise), f"{command}: {ended}"
    return otherwise.replace("$?", str(ended.exit_code)) if otherwise else ended.out


def test_the_commands_find_people_and_write_files(ended: tuple[Path, dict[str, str]]) -> None:
    folder, said = ended
    assert "person" in said["reelscan run bikes.mp4 --model ssdlite-mobilenet-v2 --sampling 5/s"]
    assert "│" in said["reelscan results bikes --plot"]
    assert (folder / "timeline.png").read_bytes().startswith(b"\x89PNG")
    assert {row["label"] for row in coco_rows(folder / "people.coco.json")} == {"person"}
    assert "READY" in next(text for command, text in said.items() if "models add" in command)
    refused = next(text for command, text in said.items() if "nothing-of-that-name" in command)
    assert f"that ended with {exit_codes.BY_CODE['INVALID_REQUEST']}" in refused
    assert "/viewer/#/videos/vid_" in said["reelscan open bikes --no-browser"]


def test_no_answer_has_a_colour_where_nobody_sees_it(ended: tuple[Path, dict[str, str]]) -> None:
    assert [command for command, text in ended[1].items() if "\x1b" in text] == []


def test_the_token_is_kept_from_others(ended: tuple[Path, dict[str, str]]) -> None:
    assert (ended[0] / "config" / "reelscan" / "config.json").stat().st_mode & 0o077 == 0


def coco_rows(path: Path) -> list[dict[str, str]]:
    coco = json.loads(path.read_text())
    name_by_id = {category["id"]: category["name"] for category in coco["categories"]}
    return [{"label": name_by_id[row["category_id"]]} for row in coco["annotations"]]


def test_the_table_has_every_exit_code() -> None:
    cells = [line.split("|")[1:5] for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]
    pairs = [(left, text) for row in cells for left, text in (row[:2], row[2:]) if left.strip()]
    shown = {int(number): text.strip(" `") for number, text in pairs}
    assert {shown[number]: number for number in exit_codes.BY_CODE.values()} == exit_codes.BY_CODE
    others = {0, exit_codes.OTHER, 2, exit_codes.FILE_PROBLEM, exit_codes.INTERRUPTED, *exit_codes.BY_ERROR.values()}
    assert set(shown) == others | set(exit_codes.BY_CODE.values())
