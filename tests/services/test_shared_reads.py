"""Reads that several callers share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event

import pytest

from chalicelib.services import shared_reads
from chalicelib.services.shared_reads import SharedReads
from tests.fakes.makers import NOW


class Reader:
    """Counts how often it is read; answers 1, 2, 3, …"""

    def __init__(self) -> None:
        self.reads = 0

    def __call__(self) -> int:
        self.reads += 1
        return self.reads


def test_who_asks_within_the_time_shares_a_read() -> None:
    shared, read = SharedReads(1.0), Reader()
    answers = [shared.get("job", NOW + timedelta(seconds=age), read) for age in (0, 0.5, 0.999)]
    assert answers == [1, 1, 1]


@pytest.mark.parametrize("age", [1.0, 3600.0, -5.0])
def test_an_answer_is_not_kept_longer_and_not_when_the_clock_was_put_back(age: float) -> None:
    shared, read = SharedReads(1.0), Reader()
    shared.get("job", NOW, read)
    assert shared.get("job", NOW + timedelta(seconds=age), read) == 2


def test_zero_seconds_keep_nothing() -> None:
    shared, read = SharedReads(0), Reader()
    assert [shared.get("job", NOW, read) for _ in range(3)] == [1, 2, 3]


def test_each_key_has_its_own_answer() -> None:
    shared, read = SharedReads(1.0), Reader()
    assert [shared.get(key, NOW, read) for key in ("a", "b", "a")] == [1, 2, 1]


def test_what_was_forgotten_is_read_anew() -> None:
    shared, read = SharedReads(1.0), Reader()
    shared.get("job", NOW, read)
    shared.forget("job")
    shared.forget("never seen")
    assert shared.get("job", NOW, read) == 2


def test_an_error_is_raised_and_not_kept() -> None:
    shared = SharedReads(1.0)

    def fail() -> int:
        raise LookupError("gone")

    with pytest.raises(LookupError):
        shared.get("job", NOW, fail)
    assert shared.get("job", NOW, lambda: 7) == 7


def test_no_more_is_kept_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "MAX_KEPT", 2)
    shared, read = SharedReads(1.0), Reader()
    for key in ("a", "b", "a", "c"):
        shared.get(key, NOW, read)
    # "b" was asked for longest ago; "a" is still there.
    assert [shared.get(key, NOW, read) for key in ("a", "b")] == [1, 4]


def test_threads_that_ask_at_once_share_a_read() -> None:
    shared, started, reads = SharedReads(1.0), Event(), []
    together = Barrier(8)

    def slow() -> int:
        reads.append(1)
        started.wait(10)
        return len(reads)

    def ask() -> int:
        together.wait(10)
        return shared.get("job", NOW, slow)

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask) for _ in range(8)]
        started.set()
        assert [answer.result() for answer in asked] == [1] * 8
