"""The same work on several threads at once: what a limit costs while all cores have work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def count_at_once(threads: int, work: Callable[[], int]) -> int:
    """Do `work` once on each of `threads` threads; the sum of what they counted.

    Raises what the first of them raised, once all have ended.
    """
    with ThreadPoolExecutor(threads) as pool:
        return sum([future.result() for future in [pool.submit(work) for _ in range(threads)]])
