"""The function's handler: every invocation is a worker of its own, told in time to stop."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from chalicelib.contracts.invocations import Invocation, environment_of
from chalicelib.domain.lanes import FAST_DRAIN_SECONDS
from gpu_batch.lambda_handler import KILL_SECONDS, handle, run_in_fork

# The tests' own process has threads, which no handler's has.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

LONG = 600.0


@dataclass
class FakeContext:
    aws_request_id: str = "req-1"

    def get_remaining_time_in_millis(self) -> int:
        return int(LONG * 1000)


def exits(code: int) -> Callable[[], NoReturn]:
    return lambda: os._exit(code)


def sleep_long() -> NoReturn:
    time.sleep(LONG)
    raise AssertionError


def drain() -> NoReturn:
    """Ends as a worker that is told to stop and gives back what it holds."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    sleep_long()


@pytest.mark.parametrize("code", [0, 65, 75, 143])
def test_the_answer_is_the_exit_code_of_the_worker(code: int) -> None:
    assert run_in_fork({}, LONG, exits(code)) == code


def test_a_worker_that_breaks_takes_nothing_along() -> None:
    def break_down() -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    def fail() -> NoReturn:
        raise RuntimeError("told to fail")

    assert run_in_fork({}, LONG, break_down) == 128 + signal.SIGKILL
    assert run_in_fork({}, LONG, fail) == 1
    assert run_in_fork({}, LONG, exits(0)) == 0


def test_the_worker_finds_its_order_in_its_environment_and_nothing_of_it_stays(tmp_path: Path) -> None:
    def write() -> NoReturn:
        (tmp_path / "seen").write_text(json.dumps(dict(os.environ)))
        os._exit(0)

    invocation = Invocation("s3://bucket/order", "acme", "vid_1", "probe")
    assert run_in_fork(environment_of(invocation, "req-1"), LONG, write) == 0
    seen = json.loads((tmp_path / "seen").read_text())
    assert (seen["REELSCAN_WORK_ORDER"], seen["REELSCAN_WORKER"]) == ("s3://bucket/order", "lambda:req-1")
    assert seen.items() >= dict(os.environ).items()
    assert "REELSCAN_WORK_ORDER" not in os.environ


def test_a_minute_before_the_end_of_its_time_the_worker_is_told_to_stop() -> None:
    assert run_in_fork({}, FAST_DRAIN_SECONDS + 0.3, drain) == 143


def test_a_worker_that_does_not_stop_is_killed_before_the_function_times_out() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        # What ignores a signal here ignores it there.
        assert run_in_fork({}, KILL_SECONDS + 0.3, sleep_long) == 128 + signal.SIGKILL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_the_worker_started_ends_with_it(tmp_path: Path) -> None:
    def leave_one_behind() -> NoReturn:
        if os.fork() == 0:
            (tmp_path / "pid").write_text(str(os.getpid()))
            sleep_long()
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.01)
        os._exit(0)

    assert run_in_fork({}, LONG, leave_one_behind) == 0
    pid = int((tmp_path / "pid").read_text())
    assert not _is_running(pid)


def test_an_event_that_is_none_of_ours_starts_no_worker() -> None:
    with pytest.raises(KeyError):
        handle({"order": "s3://bucket/order"}, FakeContext())


def _is_running(pid: int) -> bool:
    """Whether it can still do anything; a zombie cannot."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        if state == "Z":
            return False
        time.sleep(0.01)
    return True
