"""The index of the command line: which commands there are, and under which heading."""

from __future__ import annotations

from typing import Annotated

import typer

from reelscan.cli import keeping, models, reading, sending, setting_up
from reelscan.cli.help import FIND, KEEP, SET_UP, HelpfulCommand, HelpfulGroup

app = typer.Typer(
    cls=HelpfulGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

app.command("run", cls=HelpfulCommand, rich_help_panel=FIND)(sending.run)
app.command("upload", cls=HelpfulCommand, rich_help_panel=FIND)(sending.upload)
app.command("watch", cls=HelpfulCommand, rich_help_panel=FIND)(sending.watch)
app.command("results", cls=reading.PlotCommand, rich_help_panel=FIND)(reading.results)
app.command("export", cls=HelpfulCommand, rich_help_panel=FIND)(reading.export)
app.command("open", cls=HelpfulCommand, rich_help_panel=FIND)(setting_up.open_viewer)
app.add_typer(keeping.videos, name="videos", rich_help_panel=KEEP)
app.add_typer(keeping.jobs, name="jobs", rich_help_panel=KEEP)
app.add_typer(models.models, name="models", rich_help_panel=KEEP)
app.command("login", cls=HelpfulCommand, rich_help_panel=SET_UP)(setting_up.login)
app.command("doctor", cls=HelpfulCommand, rich_help_panel=SET_UP)(setting_up.doctor)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from reelscan import __version__

        print(f"reelscan {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Video in, detections and tracks out."""
