"""What people, pipes and logs get to read."""

from __future__ import annotations

import io

import pytest

from tools.demo.terminal import Terminal

ESCAPE = "\x1b"


class FakeTerminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def write_everything(stream: io.StringIO, environment: dict[str, str]) -> str:
    terminal = Terminal(stream, environment)
    terminal.title("title")
    terminal.progress("Analyze", 1, 3, "1 of 3")
    terminal.progress("Analyze", 3, 3, "3 of 3")
    terminal.table(("label", "n"), [("person", "12")])
    terminal.failure("it failed", "the cause", "the hint")
    return stream.getvalue()


def test_a_pipe_gets_no_control_characters() -> None:
    written = write_everything(io.StringIO(), {})

    assert ESCAPE not in written
    assert "\r" not in written


def test_a_pipe_gets_one_line_per_step_of_progress() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream, {})

    for done in (0, 0, 1, 1, 2):
        terminal.progress("Analyze", done, 2, f"{done} of 2")

    assert stream.getvalue().splitlines() == ["Analyze   0 of 2", "Analyze   1 of 2", "Analyze   2 of 2"]


def test_a_terminal_gets_a_bar_that_is_redrawn_in_place() -> None:
    stream = FakeTerminal()
    terminal = Terminal(stream, {})

    terminal.progress("Analyze", 1, 2, "1 of 2")
    terminal.progress("Analyze", 2, 2, "2 of 2")

    assert "\n" not in stream.getvalue()
    assert stream.getvalue().count("\r") == 2


def test_the_bar_is_as_full_as_the_work_is_done() -> None:
    stream = FakeTerminal()

    Terminal(stream, {"NO_COLOR": "1"}).progress("Analyze", 1, 4, "1 of 4")

    assert (stream.getvalue().count("█"), stream.getvalue().count("░")) == (7, 21)


def test_a_line_after_a_bar_starts_on_its_own() -> None:
    stream = FakeTerminal()
    terminal = Terminal(stream, {"NO_COLOR": "1"})

    terminal.progress("Analyze", 1, 1, "done")
    terminal.line("next")

    assert stream.getvalue().endswith("done\nnext\n")


def test_no_color_leaves_colour_out() -> None:
    written = write_everything(FakeTerminal(), {"NO_COLOR": "1"})

    assert f"{ESCAPE}[3" not in written
    assert f"{ESCAPE}[1m" not in written


def test_a_terminal_without_abilities_is_treated_as_a_pipe() -> None:
    assert ESCAPE not in write_everything(FakeTerminal(), {"TERM": "dumb"})


@pytest.mark.parametrize("word", ["it failed", "cause: the cause", "hint:  the hint"])
def test_a_failure_says_what_why_and_what_to_do(word: str) -> None:
    assert word in write_everything(io.StringIO(), {})


def test_a_table_lines_its_columns_up() -> None:
    stream = io.StringIO()

    Terminal(stream, {}).table(("label", "detections"), [("person", "1,234"), ("car", "5")])

    heading, rule, first, second = stream.getvalue().splitlines()
    assert heading == "  label   detections"
    assert first == "  person       1,234"
    assert second == "  car              5"
    assert len(rule) == len(heading)
