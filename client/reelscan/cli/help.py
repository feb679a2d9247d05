"""Help pages, drawn without rich: to import it takes longer than all the rest of a page, and typer's own even more."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

NARROW, WIDE = 60, 100
INDENT, GAP = 3, 2
"""Spaces before a name, and between it and what it means."""
FIND, KEEP, SET_UP, OTHERS = "Find what is in a video", "What is there", "Set up", "Commands"
PANELS = (FIND, KEEP, SET_UP, OTHERS)
"""The headings over commands, in their order."""


class HelpfulCommand(TyperCommand):
    """A command with such a page."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Draw it."""
        formatter.write(_page(self, ctx))


class HelpfulGroup(TyperGroup):
    """A group of commands with such a page."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Draw it."""
        formatter.write(_page(self, ctx))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature of typer
        """In the order in which they are told of."""
        return list(self.commands)


def _page(command: Any, ctx: Any) -> str:
    style = typer.style if _has_colours() else _plain
    columns = int(os.environ.get("COLUMNS") or 0) or _terminal_columns()
    width = max(NARROW, min(columns, WIDE))
    usage = re.sub(r"[{}]", "", " ".join(command.collect_usage_pieces(ctx)))
    lines = ["", f" {style('Usage ', bold=True)} {style(ctx.command_path, fg='cyan', bold=True)} {usage}", ""]
    first, *more = (command.help or "").strip().split("\n\n")
    lines += _wrapped(first, width)
    for paragraph in more:
        lines += ["", *(style(line, dim=True) for line in _wrapped(paragraph, width))]
    sections = list(_sections(command, ctx))
    # Commands stand under each other, whatever heading they are under.
    column = max((len(name) for title, rows in sections if title in PANELS for name, _ in rows), default=0)
    for title, rows in sections:
        lines += ["", style(f" {title}", bold=True)]
        lines += _rows(rows, column if title in PANELS else 0, width, style)
    return "\n".join([*lines, "", ""])


def _wrapped(text: str, width: int) -> list[str]:
    """A paragraph, a space in from both edges."""
    return textwrap.wrap(
        " ".join(text.split()), width - 1, initial_indent=" ", subsequent_indent=" ", break_on_hyphens=False
    )


def _sections(command: Any, ctx: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    if arguments := _records(command, ctx, "argument"):
        yield "Arguments", arguments
    if isinstance(command, TyperGroup):
        yield from _commands(command, ctx)
    if options := _records(command, ctx, "option"):
        yield "Options", options


def _records(command: Any, ctx: Any, kind: str) -> list[tuple[str, str]]:
    found = [parameter for parameter in command.get_params(ctx) if parameter.param_type_name == kind]
    records = [record for parameter in found if (record := parameter.get_help_record(ctx))]
    # The type of an argument says nothing to a person, that of an option little.
    return [(re.sub(r" <[^>]+>", "" if kind == "argument" else " TEXT", name), text) for name, text in records]


def _commands(group: TyperGroup, ctx: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    rows_by_panel: dict[str, list[tuple[str, str]]] = {}
    for name in group.list_commands(ctx):
        command: Any = group.get_command(ctx, name)
        if not command.hidden:
            panel = command.rich_help_panel
            rows_by_panel.setdefault(panel if isinstance(panel, str) else OTHERS, []).append(
                (name, command.get_short_help_str(WIDE))
            )
    for panel in PANELS:
        if panel in rows_by_panel:
            yield panel, rows_by_panel[panel]


def _rows(rows: list[tuple[str, str]], column: int, width: int, style: Callable[..., str]) -> Iterator[str]:
    """Names in a column that is at least so wide, and beside it what they mean."""
    column = max(column, *(len(name) for name, _ in rows))
    indent = " " * (INDENT + column + GAP)
    for name, text in rows:
        first, *more = textwrap.wrap(text, width - len(indent), break_on_hyphens=False) or [""]
        yield f"{' ' * INDENT}{style(name, fg='cyan')}{' ' * (column - len(name) + GAP)}{first}".rstrip()
        yield from (indent + line for line in more)


def _plain(text: str, **_: object) -> str:
    return text


def _has_colours() -> bool:
    """Not in a file, not with NO_COLOR, not on a terminal that says it knows none."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in ("dumb", "unknown")


def _terminal_columns() -> int:
    try:
        return os.get_terminal_size().columns
    except OSError:
        return WIDE
