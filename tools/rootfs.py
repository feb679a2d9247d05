"""Assemble the file system of a target of gpu_batch/Dockerfile without Docker: `python -m tools.rootfs cpu FOLDER`.

The Dockerfile is followed line by line, so that the two cannot drift: its pip lines install the same hashed files into
an empty environment, its COPY lines copy what .dockerignore lets through, its RUN line that compiles does so. What
needs a machine of its own is left out: the base image is this Python, no user is made, and nothing belongs to one.
"""

from __future__ import annotations

import argparse
import compileall
import os
import py_compile
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.dockerfile import Instruction, Stage, instructions_of, is_ignored, parse, read_ignore

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = ROOT / "gpu_batch" / "Dockerfile"
MB = 1_000_000


@dataclass
class Image:
    """What was assembled."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "root"
    entrypoint: list[str] = field(default_factory=list)
    venv: str = ""

    def path(self, name: str) -> Path:
        """Where an absolute path of the image lies here."""
        return self.root / name.lstrip("/")

    def run_environment(self, outside: dict[str, str]) -> dict[str, str]:
        """The environment of a process of the image, on this machine: its own, `outside`, and not this Python's."""
        path = f"{self.path(self.venv)}/bin:{outside.get('PATH', os.defpath)}"
        return {**self.environment, **outside, "PATH": path}

    def command(self, words: Sequence[str]) -> list[str]:
        """A command of the image, in its folder: only what was copied there and installed is found."""
        return ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(self.path(self.workdir)), *words]


def main(arguments: Sequence[str] | None = None) -> int:
    """Assemble anew, and print what it weighs."""
    parser = argparse.ArgumentParser(prog="python -m tools.rootfs", description=__doc__.partition("\n")[0])
    parser.add_argument("target")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    remove(options.folder)
    image = assemble(options.target, options.folder)
    for name, size_bytes in (("packages", size_of(image.path(image.venv))), ("code", size_of(image.path("/app")))):
        print(f"{options.target}: {name} {size_bytes / MB:.0f} MB")
    return 0


def assemble(target: str, folder: Path) -> Image:
    """Make the file system of a target in `folder`, which must not be there yet; nothing in it can be written after.

    Raises:
        ValueError: the Dockerfile does something that this does not know.
        subprocess.CalledProcessError: a package could not be installed.
    """
    stages = parse(DOCKERFILE.read_text(encoding="utf-8"))
    folder = folder.resolve()
    image = Image(folder)
    folder.mkdir(parents=True)
    (folder / "tmp").mkdir()
    for instruction in instructions_of(stages, target):
        _follow(image, instruction, stages)
    shutil.rmtree(folder / "tmp")
    _make_read_only(folder)
    return image


def remove(folder: Path) -> None:
    """Remove what was assembled there, if it was."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)


def size_of(folder: Path) -> int:
    """Bytes of the files in it; one with several names counts once."""
    files = {entry.stat().st_ino: entry.stat().st_size for entry in folder.rglob("*") if _is_own_file(entry)}
    return sum(files.values())


def _follow(image: Image, instruction: Instruction, stages: dict[str, Stage]) -> None:
    match instruction.name:
        case "ENV":
            image.environment |= dict(word.split("=", 1) for word in instruction.words)
            # It is made for this machine's own PATH when something runs.
            image.environment.pop("PATH", None)
        case "COPY":
            _copy(image, instruction.words, stages)
        case "RUN":
            for command in instruction.value.split("&&"):
                _run(image, command.split(), instruction.line)
        case "WORKDIR":
            image.workdir = instruction.value
        case "USER":
            image.user = instruction.value
        case "ENTRYPOINT":
            image.entrypoint = instruction.words
        case "VOLUME":
            pass  # whoever runs it decides what lies there


def _copy(image: Image, words: Sequence[str], stages: dict[str, Stage]) -> None:
    *sources, destination = words
    if sources[0].startswith("--from="):
        # All stages that are copied from hold files of the context only, at the path where they end up.
        stage = stages[sources[0].removeprefix("--from=")]
        if sources[1:] != [destination] or stage.base != "scratch":
            raise ValueError(f"COPY {' '.join(words)} must copy a folder of a stage from scratch to its own place")
        for instruction in stage.instructions:
            _copy(image, instruction.words, stages)
        return
    rules = read_ignore(DOCKERFILE.with_name("Dockerfile.dockerignore"))
    for source in sources:
        name = f"{destination}{Path(source).name}" if destination.endswith("/") else destination
        _copy_context(source, image.path(name), rules)


def _copy_context(source: str, target: Path, rules: Sequence[str]) -> None:
    paths = [ROOT / source] if (ROOT / source).is_file() else sorted((ROOT / source).rglob("*"))
    for path in paths:
        if path.is_dir() or is_ignored(path.relative_to(ROOT).as_posix(), rules):
            continue
        place = target if path == ROOT / source else target / path.relative_to(ROOT / source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    if not target.exists():
        raise ValueError(f"COPY {source}: nothing of it reaches the builder")


def _run(image: Image, words: Sequence[str], line: int) -> None:
    match list(words):
        case ["python", "-m", "venv", venv]:
            image.venv = venv
            subprocess.run([_uv(), "venv", "--quiet", "--python", sys.executable, image.path(venv)], check=True)
        case ["pip", "install", *options]:
            # uv knows pip's options, and is the installer of `make setup`.
            python = image.path(image.venv) / "bin" / "python"
            placed = [str(image.path(word)) if word.startswith("/tmp/") else word for word in options]  # noqa: S108
            subprocess.run(
                [_uv(), "pip", "install", "--quiet", "--python", python, *placed], check=True, cwd=image.root
            )
        case ["python", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", folder]:
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            compileall.compile_dir(image.path(folder), quiet=1, stripdir=str(image.root), invalidation_mode=mode)
        case ["useradd" | "mkdir" | "chown", *_]:
            # No user of this machine's is made, and what is one's own is the image's affair.
            pass
        case _:
            raise ValueError(f"line {line}: what does RUN {' '.join(words)} do? Teach tools/rootfs.py")


def _uv() -> Path:
    return Path(sys.executable).with_name("uv")


def _is_own_file(entry: Path) -> bool:
    return entry.is_file() and not entry.is_symlink()


def _make_read_only(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        # The installer links files of its cache, which are not ours to change; nobody writes through a folder's lock.
        if path.is_dir() and not path.is_symlink():
            path.chmod(stat.S_IRUSR | stat.S_IXUSR | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)


if __name__ == "__main__":
    sys.exit(main())
