"""The same work on several threads at once: what a limit costs while all cores have work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def count_at_once(threads: int, work: Callable[[], int]) -> int:
    """Do `work` once on each of `threads` threads; the sum of what they counted."""
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(lambda _: work(), range(threads)))
