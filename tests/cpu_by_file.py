"""Which test files took how much CPU: the ten dearest are printed at the end of a run, so that none grows unseen.

Time on the clock would measure what else the machine does. What child processes took is counted where they were waited
for: workers of a local stack belong to the test that ended the stack.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator
from typing import Any

import pytest

DEAREST = 10
FROM_SECONDS = 1.0
"""What is cheaper than this is not worth a line: a run of one file stays as short as it was."""


class CpuByFile:
    """A plugin for pytest; with xdist, each of its processes measures and the first one adds up."""

    def __init__(self) -> None:
        self._seconds_by_file: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """One test, with the fixtures that are made for it and ended after it."""
        before = cpu_seconds()
        try:
            return (yield)
        finally:
            self._seconds_by_file[item.location[0]] += cpu_seconds() - before

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over, in a process that was started by another one for a part of the tests."""
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["cpu_by_file"] = dict(self._seconds_by_file)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over from such a process; one that crashed has nothing to say."""
        for name, spent in getattr(node, "workeroutput", {}).get("cpu_by_file", {}).items():
            self._seconds_by_file[name] += spent

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the dearest, dearest first."""
        by_cost = sorted(self._seconds_by_file.items(), key=lambda entry: -entry[1])
        dearest = [(name, spent) for name, spent in by_cost[:DEAREST] if spent >= FROM_SECONDS]
        if not dearest:
            return
        total = sum(self._seconds_by_file.values())
        terminalreporter.section(f"{total:.0f} CPU seconds, of which the dearest files took")
        for name, spent in dearest:
            terminalreporter.write_line(f"{spent:8.1f}  {name}")


def cpu_seconds() -> float:
    """Of this process, and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
