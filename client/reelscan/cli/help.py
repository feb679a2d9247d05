"""Help pages, drawn with a little of rich: typer's own pages take a fifth of a second to import."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from typer.core import TyperCommand, TyperGroup

NARROW, WIDE = 60, 100
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
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    out = io.StringIO()
    columns = int(os.environ.get("COLUMNS") or 0) or _terminal_columns()
    console = Console(
        file=out, width=max(NARROW, min(columns, WIDE)), force_terminal=sys.stdout.isatty(), highlight=False
    )
    usage = re.sub(r"[{}]", "", " ".join(command.collect_usage_pieces(ctx)))
    console.print()
    console.print(Text.assemble((" Usage  ", "bold"), (ctx.command_path, "bold cyan"), f" {usage}"))
    console.print()
    first, *more = (command.help or "").strip().split("\n\n")
    console.print(Padding(" ".join(first.split()), (0, 1)))
    for paragraph in more:
        console.print(Padding(Text(paragraph, style="dim"), (1, 1, 0, 1)))
    sections = list(_sections(command, ctx))
    # Commands stand under each other, whatever heading they are under.
    column = max((len(name) for title, rows in sections if title in PANELS for name, _ in rows), default=0)
    for title, rows in sections:
        console.print()
        console.print(Text(f" {title}", style="bold"))
        console.print(_rows(rows, column if title in PANELS else 0))
    console.print()
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))


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


def _rows(rows: list[tuple[str, str]], column: int) -> Any:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=column)
    table.add_column()
    for name, text in rows:
        table.add_row(Text(name, style="cyan"), Text(text))
    return Padding(table, (0, 0, 0, 3))


def _terminal_columns() -> int:
    try:
        return os.get_terminal_size().columns
    except OSError:
        return WIDE
