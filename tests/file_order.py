"""In which order the files of tests are run: those that wait for a running system lie between those that only compute.

A file runs in one process, and every process takes the next file of the list. In the order of names all would run the
system at once: its workers fight for the cores at one moment, and at the next everybody waits.
"""

from __future__ import annotations

from collections.abc import Iterable

RUNNING_A_SYSTEM = ("tests/demo/", "tests/docs/", "tests/flow/", "tests/local/")


def spread(names: Iterable[str]) -> list[str]:
    """Each name once: the files of running systems evenly among the others, both kinds in their own order."""
    every = list(dict.fromkeys(names))
    systems = [name for name in every if name.startswith(RUNNING_A_SYSTEM)]
    others = [name for name in every if not name.startswith(RUNNING_A_SYSTEM)]
    places = [(place / len(kind), name) for kind in (systems, others) for place, name in enumerate(kind)]
    return [name for _, name in sorted(places, key=lambda entry: entry[0])]
