"""Commands beside a fake service: what they answer, what they note, and how they end."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from reelscan.cli.app import app
from tests.sdk.fake_service import TOKEN, FakeService


class Ended(NamedTuple):
    """How a command has ended."""

    exit_code: int
    out: str
    notes: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """Runs commands, in a home of their own."""

    def __init__(self, environment: pytest.MonkeyPatch, home: str) -> None:
        for name in ("REELSCAN_URL", "REELSCAN_TOKEN", "NO_COLOR", "FORCE_COLOR"):
            environment.delenv(name, raising=False)
        environment.setenv("XDG_CONFIG_HOME", f"{home}/config")
        environment.setenv("XDG_STATE_HOME", f"{home}/state")
        environment.setenv("COLUMNS", "120")
        environment.chdir(home)
        self.environment = environment

    def use(self, fake: FakeService) -> None:
        """Let commands speak to this service."""
        self.environment.setenv("REELSCAN_URL", fake.base_url)
        self.environment.setenv("REELSCAN_TOKEN", TOKEN)

    def run(self, *words: str, typed: str | None = None) -> Ended:
        """Run `reelscan` with these words."""
        result = CliRunner().invoke(app, list(words), input=typed, prog_name="reelscan")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)
