"""The Dockerfile follows the rules of usual linters, and its reader reads it as Docker does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.dockerfile import Instruction, Stage, base_of, instructions_of, is_ignored, parse, read_ignore
from tools.rootfs import DOCKERFILE

STAGES = parse(DOCKERFILE.read_text(encoding="utf-8"))
IMAGES = ["cpu", "gpu", "gpu-tensorrt"]
IGNORED = read_ignore(DOCKERFILE.with_name("Dockerfile.dockerignore"))


@pytest.mark.parametrize("target", IMAGES)
def test_every_image_starts_from_a_base_of_one_version(target: str) -> None:
    # As hadolint's DL3006 and DL3007, and stricter: down to the patch level of Python and the release of Debian.
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", base_of(STAGES, target))


def test_wheels_are_looked_for_where_the_python_of_the_base_has_them() -> None:
    [minor] = {re.findall(r"python:(3\.\d+)", base_of(STAGES, target))[0] for target in IMAGES}
    paths = [one.value for target in IMAGES for one in instructions_of(STAGES, target) if one.name == "ENV"]
    assert {found for path in paths for found in re.findall(r"/lib/python([\d.]+)/", path)} == {minor}


@pytest.mark.parametrize("target", IMAGES)
def test_the_last_user_is_not_root_and_comes_before_the_entry_point(target: str) -> None:
    # DL3002.
    names = [one.name for one in instructions_of(STAGES, target)]
    users = [one.value for one in instructions_of(STAGES, target) if one.name == "USER"]
    assert (users, names[-2:]) == (["worker"], ["USER", "ENTRYPOINT"])


@pytest.mark.parametrize("target", IMAGES)
def test_the_folder_for_temporary_files_is_a_volume_and_nothing_is_copied_there_after_it(target: str) -> None:
    # ECS gives what it mounts there the rights of the image's folder only then; a builder may drop what comes later.
    instructions = instructions_of(STAGES, target)
    [volume] = [one for one in instructions if one.name == "VOLUME"]
    assert volume.value == "/tmp"
    assert not any("/tmp" in one.value for one in instructions[instructions.index(volume) + 1 :])


@pytest.mark.parametrize("target", IMAGES)
def test_there_is_one_entry_point_and_it_is_an_array(target: str) -> None:
    # DL3025 and DL4004: a shell in between would keep SIGTERM from the worker.
    [entry_point] = [one for one in instructions_of(STAGES, target) if one.name == "ENTRYPOINT"]
    assert entry_point.value.startswith("[")


@pytest.mark.parametrize("target", IMAGES)
def test_folders_are_absolute_and_many_files_go_into_a_folder(target: str) -> None:
    # DL3000 and DL3021.
    for one in instructions_of(STAGES, target):
        if one.name == "WORKDIR":
            assert one.value.startswith("/")
        if one.name == "COPY":
            *sources, destination = [word for word in one.words if not word.startswith("--")]
            assert destination.startswith("/")
            assert len(sources) == 1 or destination.endswith("/")


@pytest.mark.parametrize("target", IMAGES)
def test_nothing_is_installed_that_is_not_pinned_and_hashed_and_no_cache_stays(target: str) -> None:
    # DL3008, DL3013 and DL3042; and no package of Debian at all.
    instructions = instructions_of(STAGES, target)
    commands = [command.strip() for one in instructions if one.name == "RUN" for command in one.value.split("&&")]
    assert not any(re.match(r"(apt|apt-get|apk|curl|wget|sudo|cd)\b", command) for command in commands)
    assert all("--require-hashes" in command for command in commands if command.startswith("pip install"))
    assert any(one.name == "ENV" and "PIP_NO_CACHE_DIR=1" in one.value for one in instructions)


@pytest.mark.parametrize("target", IMAGES)
def test_no_variable_is_a_secret(target: str) -> None:
    for one in instructions_of(STAGES, target):
        assert one.name != "ENV" or not re.search(r"(?i)(secret|token|password|key)\w*=", one.value)


def test_what_the_worker_imports_reaches_the_builder_and_nothing_else_does() -> None:
    wanted = [
        "gpu_batch/main.py",
        "gpu_batch/compiler/__init__.py",
        "chalicelib/domain/lanes.py",
        "requirements/worker.txt",
    ]
    unwanted = [".git/config", ".venv/bin/python", "requirements/dev.txt", "app.py", "gpu_batch/__pycache__/main.pyc"]
    assert [is_ignored(path, IGNORED) for path in [*wanted, *unwanted]] == [False] * 4 + [True] * 5


EXAMPLE = """# syntax
ARG VERSION=3.13.9
FROM python:${VERSION}-slim AS base
ENV A=1 \\
    # in between
    B=2

FROM base AS one
RUN pip install x && \\
    pip install y
ENTRYPOINT ["python", "-m", "worker"]
"""


def test_lines_are_joined_comments_left_out_and_versions_put_in() -> None:
    stages = parse(EXAMPLE)
    assert stages["base"] == Stage("base", "python:3.13.9-slim", (Instruction("ENV", "A=1 B=2", 4),))
    assert [one.value for one in instructions_of(stages, "one")] == [
        "A=1 B=2",
        "pip install x && pip install y",
        '["python", "-m", "worker"]',
    ]
    assert stages["one"].instructions[-1].words == ["python", "-m", "worker"]


@pytest.mark.parametrize("text", ["FROM base\n", "FROM base AS one\nADD x /x\n", "RUN early\n"])
def test_what_the_reader_does_not_know_it_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="line"):
        parse(text)


@pytest.mark.parametrize(
    ("path", "rules", "ignored"),
    [
        ("a/b", ["*"], True),
        ("a/b", ["*", "!a"], False),
        ("a/b", ["*", "!a", "a/b"], True),
        ("a/x/c.pyc", ["**/x"], True),
        ("a/b/c", ["a/*/d", "a/c"], False),
        (str(Path("a")), [], False),
    ],
)
def test_the_last_rule_of_the_ignore_file_decides(path: str, rules: list[str], ignored: bool) -> None:
    assert is_ignored(path, rules) is ignored
