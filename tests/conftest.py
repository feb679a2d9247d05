"""What all suites share."""

from __future__ import annotations

import pytest
from hypothesis import settings

# First of all: it tells onnxruntime to send nothing, and some tests import that before anything of the worker.
import gpu_batch  # noqa: F401
from tests.cpu_by_file import CpuByFile
from tests.file_order import spread

# The same examples at every run: a red build is a change's fault, not that of the dice. A time limit for one example
# would measure the machine. Half of the usual number finds what the whole finds here; laws that need more say so.
settings.register_profile("reelscan", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("reelscan")


def pytest_configure(config: pytest.Config) -> None:
    """Have the CPU of every file noted, and the dearest said."""
    config.pluginmanager.register(CpuByFile())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files into the order that keeps the cores busy."""
    place = {name: number for number, name in enumerate(spread(item.location[0] for item in items))}
    items.sort(key=lambda item: place[item.location[0]])
