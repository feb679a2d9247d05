"""Reads gpu_batch/Dockerfile: stages, and the instructions of a target in order, as far as this project writes them.

What this does not know it refuses, so that nothing of an image is left out unseen.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

KNOWN = frozenset({"COPY", "ENTRYPOINT", "ENV", "RUN", "USER", "VOLUME", "WORKDIR"})


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its lines joined."""

    name: str
    value: str
    line: int

    @property
    def words(self) -> list[str]:
        """Its arguments: of an array in JSON, or of a line of shell."""
        return json.loads(self.value) if self.value.startswith("[") else shlex.split(self.value)


@dataclass(frozen=True, slots=True)
class Stage:
    """What lies between two FROMs."""

    name: str
    base: str
    """An image, or the name of an earlier stage."""
    instructions: tuple[Instruction, ...]


def parse(text: str) -> dict[str, Stage]:
    """The stages by name, in order.

    Raises:
        ValueError: an instruction that is not known, or a stage without a name.
    """
    stages: dict[str, Stage] = {}
    arguments: dict[str, str] = {}
    for instruction in _instructions(text):
        if instruction.name == "ARG" and not stages:
            name, _, value = instruction.value.partition("=")
            arguments[name] = value
        elif instruction.name == "FROM":
            words = instruction.value.split()
            if len(words) != 3 or words[1].upper() != "AS":
                raise ValueError(f"line {instruction.line}: must be FROM image AS name but got {instruction.value!r}")
            base = re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], words[0])
            stages[words[2]] = Stage(words[2], base, ())
        elif instruction.name in KNOWN and stages:
            last = next(reversed(stages.values()))
            stages[last.name] = Stage(last.name, last.base, (*last.instructions, instruction))
        else:
            raise ValueError(f"line {instruction.line}: {instruction.name} is not known here")
    return stages


def instructions_of(stages: Mapping[str, Stage], target: str) -> list[Instruction]:
    """What makes a target, from its base image on."""
    stage = stages[target]
    before = instructions_of(stages, stage.base) if stage.base in stages else []
    return [*before, *stage.instructions]


def base_of(stages: Mapping[str, Stage], target: str) -> str:
    """The image that a target starts from."""
    base = stages[target].base
    return base_of(stages, base) if base in stages else base


def is_ignored(path: str, rules: Sequence[str]) -> bool:
    """Whether a path of the build context does not reach the builder: the last rule that matches decides.

    Source: https://docs.docker.com/build/concepts/context/#dockerignore-files
    """
    ignored = False
    parts = PurePosixPath(path).parts
    prefixes = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    for rule in rules:
        pattern = rule.removeprefix("!")
        if any(_rule_matches(pattern, prefix) for prefix in prefixes):
            ignored = not rule.startswith("!")
    return ignored


def read_ignore(path: Path) -> list[str]:
    """The rules of a .dockerignore."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _rule_matches(pattern: str, path: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatchcase(path.rpartition("/")[2], pattern[3:])
    # An asterisk does not cross a slash.
    return pattern.count("/") == path.count("/") and fnmatchcase(path, pattern)


def _instructions(text: str) -> list[Instruction]:
    found: list[Instruction] = []
    pending, started = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (not pending and not line.strip()):
            continue
        started = started if pending else number
        pending += line.strip()
        if pending.endswith("\\"):
            pending = pending[:-1].rstrip() + " "
            continue
        name, _, value = pending.partition(" ")
        found.append(Instruction(name.upper(), value.strip(), started))
        pending = ""
    return found
