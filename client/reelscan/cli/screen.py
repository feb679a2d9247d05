"""What a command says: tables and bars for people, JSON or bare ids for programs; and how it ends when it fails."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, is_dataclass
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from reelscan.cli import exit_codes

if TYPE_CHECKING:
    from rich.console import Console

P = ParamSpec("P")

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.", rich_help_panel="Output")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Answer with ids alone, and show no progress.")]

PIPE_COLUMNS = 200
"""Where there is no terminal, tables are as wide as they need to be."""


class Screen:
    """Where a command writes. What it answers goes to the output, everything else to the error output."""

    def __init__(self, *, is_json: bool, is_quiet: bool) -> None:
        self.is_json = is_json
        self.is_quiet = is_quiet
        self.out = make_console(stderr=False)
        self.notes = make_console(stderr=True)

    @property
    def has_progress(self) -> bool:
        """Whether somebody wants to see how far things are."""
        return not self.is_json and not self.is_quiet

    def answer(self, value: Any, shown: Callable[[], Any], ids: Iterable[str] = ()) -> None:
        """The answer: as JSON, as ids, or as `shown` makes it for people."""
        if self.is_json:
            print(json.dumps(plain(value), indent=1, ensure_ascii=False))
        elif self.is_quiet:
            for one in ids:
                print(one)
        else:
            self.out.print(shown())

    def note(self, text: str) -> None:
        """Something beside the answer."""
        if self.has_progress:
            self.notes.print(text, soft_wrap=True)


def make_console(*, stderr: bool) -> Console:
    """A console; colours stay away when `NO_COLOR` is set or nobody looks."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else PIPE_COLUMNS
    return Console(stderr=stderr, width=width, highlight=False)


def plain(value: Any) -> Any:
    """Records as what JSON can say."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


def command(function: Callable[P, None]) -> Callable[P, None]:
    """A command that ends with a message and an exit code where the SDK raises."""

    @wraps(function)
    def guarded(*arguments: P.args, **options: P.kwargs) -> None:
        from reelscan.errors import ReelscanError

        try:
            function(*arguments, **options)
        except ReelscanError as error:
            fail(error, is_json=bool(options.get("as_json")))
        except BrokenPipeError:
            # Whoever read the output has seen enough; Python must not try to flush it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            what = ReelscanError(
                f"{error.filename}: {error.strerror}" if error.filename else str(error), "Check the path"
            )
            fail(what, is_json=bool(options.get("as_json")), exit_code=exit_codes.FILE_PROBLEM)
        except KeyboardInterrupt:
            make_console(stderr=True).print(
                "[yellow]Interrupted.[/] What runs in the service goes on; an upload goes on when you start it again."
            )
            raise typer.Exit(exit_codes.INTERRUPTED) from None

    return guarded


def fail(error: Any, *, is_json: bool, exit_code: int | None = None) -> None:
    """Say what did not work, why, and what to do; then end."""
    from rich.markup import escape

    if is_json:
        fields = {name: getattr(error, name, "") for name in ("code", "title", "detail", "hint")}
        print(json.dumps({"error": fields}, indent=1, ensure_ascii=False))
    console = make_console(stderr=True)
    code, title = getattr(error, "code", ""), getattr(error, "title", "")
    console.print(f"[bold red]✗ {escape(title or 'That did not work')}[/]" + (f"  [dim]{code}[/]" if code else ""))
    console.print(f"  [dim]cause[/]  {escape(error.detail)}")
    if error.hint:
        console.print(f"  [dim]hint[/]   {escape(error.hint)}")
    raise typer.Exit(exit_codes.exit_code_of(error) if exit_code is None else exit_code)
