"""Runs one variant in this process and prints what it cost as one line: `python -m bench.variant ours.decode clip=…`.

The first part of the name is a module of this package: ours, limits or peers. Only that one is imported, so that the
peers can run in an environment that has nothing of the product.
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
import time
from collections.abc import Mapping, Sequence

from bench.clock import Clock, Variant, peak_rss_mib

MODULES = ("ours", "limits", "peers")
RESULT_PREFIX = "@bench "
"""Libraries print what they like; this line is ours."""


def main(arguments: Sequence[str]) -> None:
    """Run `arguments[0]` with the `key=value` pairs that follow."""
    module, _, name = arguments[0].partition(".")
    if module not in MODULES:
        raise SystemExit(f"a variant must be one of {', '.join(MODULES)}, a dot and a name, but got {arguments[0]}")
    started = time.perf_counter()
    variants: Mapping[str, Variant] = importlib.import_module(f"bench.{module}").VARIANTS
    import_seconds = time.perf_counter() - started
    # As the worker does at its start. Else the garbage collector walks over all that was imported whenever its turn
    # comes, and whether that falls between two points of the clock is chance.
    gc.freeze()
    values = dict(argument.split("=", 1) for argument in arguments[1:])
    clock = Clock()
    done = variants[name](clock, **values)
    result = {
        "units": done.units,
        "wall_seconds": clock.wall_seconds,
        "cpu_seconds": clock.cpu_seconds,
        "import_seconds": import_seconds,
        "rss_mib": peak_rss_mib(),
        "facts": dict(done.facts),
    }
    print(RESULT_PREFIX + json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
