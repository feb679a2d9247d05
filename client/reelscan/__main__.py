"""`python -m reelscan`, and the command `reelscan`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; say what is missing where its libraries are."""
    try:
        from reelscan.cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit(f'The command line needs {error.name}: pip install "reelscan[cli]"')
    app(prog_name="reelscan")


if __name__ == "__main__":
    main()
