"""Help pages on a terminal: colours, where somebody wants them, and no line that is wider than it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def page_on_a_terminal(*words: str, **environment: str) -> str:
    """What a terminal of 70 columns is sent."""
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    command = [sys.executable, "-m", "reelscan", *words, "--help"]
    with subprocess.Popen(command, stdout=theirs, env=plain | {"COLUMNS": "70"} | environment) as process:
        os.close(theirs)
        sent = b""
        # Linux ends a terminal that nobody writes to any more with an error.
        try:
            while part := os.read(ours, 65_536):
                sent += part
        except OSError:
            pass
        os.close(ours)
    assert process.returncode == 0
    return sent.decode().replace("\r\n", "\n")


def test_names_and_headings_are_coloured_and_the_words_are_the_same() -> None:
    page = page_on_a_terminal("results", TERM="xterm")
    assert "\x1b[36m" in page
    assert "\x1b[1m" in page
    assert ESCAPE.sub("", page) == page_on_a_terminal("results", TERM="xterm", NO_COLOR="1")


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}])
def test_nobody_gets_colours_who_wants_or_knows_none(environment: dict[str, str]) -> None:
    assert "\x1b" not in page_on_a_terminal(**environment)


@pytest.mark.parametrize("words", [(), ("run",), ("results",), ("models", "add")])
def test_no_line_is_wider_than_the_terminal(words: tuple[str, ...]) -> None:
    assert max(map(len, page_on_a_terminal(*words, NO_COLOR="1").split("\n"))) <= 70
