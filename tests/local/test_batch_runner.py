"""Batch as AWS has it: arrays, retries by exit code, timeouts, termination, and the events of child and parent.

Every promise is kept both by processes that are nothing but the worker's command, and by forks of a warm parent.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.local.batch_jobs import JobRequest, JobStatus, is_retried
from infra.local.batch_process import start_fresh
from infra.local.batch_runner import BatchRunner
from infra.local.warm_workers import WarmWorkers
from infra.wiring import RETRY, WIRING
from tests.local.toys import is_alive, python, python_module, wait_until

ENDED = ("SUCCEEDED", "FAILED")


class Events:
    """What the runner emits, and a way to wait for a job's end."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.details: list[dict[str, Any]] = []

    def put(self, event: dict[str, Any]) -> None:
        with self._changed:
            self.details.append(event["detail"])
            self._changed.notify_all()

    def end_of(self, job_id: str) -> dict[str, Any]:
        return self.first(job_id, *ENDED)

    def first(self, job_id: str, *statuses: str) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            return next((d for d in self.details if d["jobId"] == job_id and d["status"] in statuses), None)

        with self._changed:
            assert self._changed.wait_for(found, 15), f"job {job_id} did not become {statuses}"
            detail = found()
        assert detail is not None
        return detail

    def statuses_of(self, job_id: str) -> list[str]:
        return [detail["status"] for detail in self.details if detail["jobId"] == job_id]


ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
Runner = Callable[..., AbstractContextManager[tuple[BatchRunner, Events]]]


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmWorkers]:
    workers = WarmWorkers(["json"], ENVIRONMENT)
    workers.warm_up()
    yield workers
    workers.stop()


@pytest.fixture(params=["fresh", "forked"])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    """Makes a runner whose workers run some code."""
    make_command, start = python, start_fresh
    if request.param == "forked":
        make_command, start = python_module, request.getfixturevalue("warm").start

    @contextmanager
    def make(code: str, *, slots: int = 2, cores: int = 1, grace: float = 30.0) -> Iterator[tuple[BatchRunner, Events]]:
        events = Events()
        logs = tmp_path / "logs"
        made = BatchRunner(make_command(code), ENVIRONMENT, logs, slots, events.put, grace, start, cores)
        made.start()
        try:
            yield made, events
        finally:
            made.stop(0.1)

    return make


def request(**changes: Any) -> JobRequest:
    made = JobRequest("job", "cpu", WIRING.cpu.definition, {"order": "o-1"}, (), {}, timeout_seconds=60)
    return replace(made, **changes)


def exits(code: int) -> str:
    return f"import sys; sys.exit({code})"


def test_every_child_of_an_array_gets_its_index_id_attempt_and_queue(runner: Runner, tmp_path: Path) -> None:
    names = ("JOB_ARRAY_INDEX", "JOB_ID", "JOB_ATTEMPT", "JQ_NAME")
    show = f"import os; print(*(os.environ['AWS_BATCH_' + name] for name in {names}))"
    with runner(show) as (batch, events):
        job = batch.submit(request(array_size=3))
        events.end_of(job.job_id)
        lines = [(tmp_path / "logs" / child.log_name).read_text() for child in job.children]
    assert lines == [f"{index} {job.job_id}:{index} 1 cpu\n" for index in range(3)]


@pytest.mark.parametrize(
    ("slots", "children", "vcpus"),
    [(4, None, 8), (4, 2, 4), (4, 3, 2), (4, 9, 2), (16, 16, 1)],
    ids=["alone", "two", "three", "more than slots", "more than cores"],
)
def test_the_children_of_a_job_share_the_cores(
    runner: Runner, tmp_path: Path, slots: int, children: int | None, vcpus: int
) -> None:
    with runner("import os; print(os.environ['REELSCAN_VCPUS'])", slots=slots, cores=8) as (batch, events):
        job = batch.submit(request(array_size=children))
        events.end_of(job.job_id)
    logs = [(tmp_path / "logs" / each.log_name).read_text() for each in job.children or [job]]
    assert logs == [f"{vcpus}\n"] * (children or 1)


def test_a_plain_job_has_no_array_index(runner: Runner) -> None:
    with runner("import os, sys; sys.exit('AWS_BATCH_JOB_ARRAY_INDEX' in os.environ)") as (batch, events):
        assert events.end_of(batch.submit(request()).job_id)["container"]["exitCode"] == 0


def test_overrides_reach_the_worker_as_environment_and_arguments(runner: Runner, tmp_path: Path) -> None:
    with runner("import os, sys; print(os.environ['ORDER'], sys.argv[1:])") as (batch, events):
        job = batch.submit(request(environment={"ORDER": "s3://b/k"}, command=("--fast",)))
        events.end_of(job.job_id)
        assert (tmp_path / "logs" / job.log_name).read_text() == "s3://b/k ['--fast']\n"


def test_child_and_parent_tell_their_end_with_index_and_size(runner: Runner) -> None:
    with runner(exits(0)) as (batch, events):
        job = batch.submit(request(array_size=2))
        parent = events.end_of(job.job_id)
        child = events.end_of(f"{job.job_id}:1")
    assert (child["arrayProperties"], parent["arrayProperties"]["size"]) == ({"index": 1}, 2)
    assert (parent["status"], parent["arrayProperties"]["statusSummary"]["SUCCEEDED"]) == ("SUCCEEDED", 2)
    assert (child["parameters"], child["jobName"]) == ({"order": "o-1"}, "job")


def test_a_parent_ends_after_its_last_child_and_fails_with_any(runner: Runner) -> None:
    fails_second = "import os, sys; sys.exit(65 if os.environ['AWS_BATCH_JOB_ARRAY_INDEX'] == '1' else 0)"
    with runner(fails_second) as (batch, events):
        job = batch.submit(request(array_size=3))
        parent = events.end_of(job.job_id)
    assert (parent["status"], parent["statusReason"]) == ("FAILED", "Array Child Job failed")
    ends = [detail["jobId"] for detail in events.details if detail["status"] in ENDED]
    assert (len(ends), ends[-1]) == (4, job.job_id)


@pytest.mark.parametrize(("code", "attempts"), [(0, 1), (65, 1), (66, 1), (1, 1), (75, 3), (143, 3), (137, 1)])
def test_exit_codes_decide_over_further_attempts(runner: Runner, code: int, attempts: int) -> None:
    with runner(exits(code)) as (batch, events):
        ended = events.end_of(batch.submit(request()).job_id)
    assert ended["status"] == ("FAILED" if code else "SUCCEEDED")
    assert [attempt["container"]["exitCode"] for attempt in ended["attempts"]] == [code] * attempts


def test_a_job_that_passes_at_its_second_attempt_succeeds(runner: Runner) -> None:
    passing = "import os, sys; sys.exit(75 if os.environ['AWS_BATCH_JOB_ATTEMPT'] == '1' else 0)"
    with runner(passing) as (batch, events):
        job = batch.submit(request())
        ended = events.end_of(job.job_id)
    assert (ended["status"], len(ended["attempts"])) == ("SUCCEEDED", 2)
    tries = ["RUNNABLE", "STARTING", "RUNNING"]
    assert events.statuses_of(job.job_id) == ["SUBMITTED", *tries, *tries, "SUCCEEDED"]


def test_a_killed_worker_has_exit_code_137_and_is_not_tried_again(runner: Runner) -> None:
    with runner("import os, signal; os.kill(os.getpid(), signal.SIGKILL)") as (batch, events):
        ended = events.end_of(batch.submit(request()).job_id)
    assert (ended["container"]["exitCode"], len(ended["attempts"])) == (128 + signal.SIGKILL, 1)
    assert ended["statusReason"] == "Essential container in task exited"


def test_a_terminated_job_gets_sigterm_keeps_the_reason_and_is_not_tried_again(runner: Runner, tmp_path: Path) -> None:
    drains = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(143)); print('up', flush=True); time.sleep(60)"
    )
    with runner(drains) as (batch, events):
        job = batch.submit(request())
        log = tmp_path / "logs" / job.log_name
        wait_until(lambda: log.exists() and log.read_text(), "the worker to be up")
        batch.terminate(job.job_id, "cancelled by its owner")
        ended = events.end_of(job.job_id)
    assert (ended["status"], ended["statusReason"]) == ("FAILED", "cancelled by its owner")
    assert [attempt["container"]["exitCode"] for attempt in ended["attempts"]] == [143]


def test_terminating_an_array_ends_running_and_waiting_children(runner: Runner) -> None:
    with runner("import time; time.sleep(60)", slots=1) as (batch, events):
        job = batch.submit(request(array_size=3))
        events.first(f"{job.job_id}:0", "RUNNING")
        batch.terminate(job.job_id, "stop")
        events.end_of(job.job_id)
    assert [len(child.attempts) for child in job.children] == [1, 0, 0]
    assert {child.status for child in job.children} == {JobStatus.FAILED}


def test_cancelling_leaves_a_running_job_alone_and_ends_a_waiting_one(runner: Runner) -> None:
    with runner("import time; time.sleep(60)", slots=1) as (batch, events):
        running, waiting = batch.submit(request()), batch.submit(request())
        events.first(running.job_id, "RUNNING")
        batch.cancel(running.job_id, "no")
        batch.cancel(waiting.job_id, "no")
        assert events.end_of(waiting.job_id)["statusReason"] == "no"
        assert running.status is JobStatus.RUNNING


def test_a_worker_that_ignores_sigterm_at_its_timeout_is_killed_and_not_tried_again(runner: Runner) -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    with runner(stubborn, grace=0.3) as (batch, events):
        ended = events.end_of(batch.submit(request(timeout_seconds=1)).job_id)
    assert (ended["statusReason"], len(ended["attempts"])) == ("Job attempt duration exceeded timeout", 1)
    assert ended["container"]["exitCode"] == 128 + signal.SIGKILL


def test_a_command_that_cannot_start_fails_its_job(tmp_path: Path) -> None:
    events = Events()
    batch = BatchRunner(("/nowhere/worker",), {}, tmp_path, 1, events.put)
    batch.start()
    ended = events.end_of(batch.submit(request()).job_id)
    batch.stop(1)
    assert ended["statusReason"].startswith("CannotStartContainerError")


def test_no_more_workers_run_at_once_than_there_are_slots(runner: Runner) -> None:
    with runner("import time; time.sleep(0.05)", slots=2) as (batch, events):
        events.end_of(batch.submit(request(array_size=6)).job_id)
    running, most = set(), 0
    for detail in events.details:
        if detail["status"] == "STARTING":
            running.add(detail["jobId"])
        elif detail["status"] in ENDED:
            running.discard(detail["jobId"])
        most = max(most, len(running))
    assert most == 2


def test_what_a_worker_leaves_behind_ends_with_it(runner: Runner, tmp_path: Path) -> None:
    forks = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"
    with runner(forks) as (batch, events):
        job = batch.submit(request())
        events.end_of(job.job_id)
        orphan = int((tmp_path / "logs" / job.log_name).read_text())
        wait_until(lambda: not is_alive(orphan), "the worker's own child to end")


def test_stopping_the_runner_ends_its_workers_without_an_event(runner: Runner, tmp_path: Path) -> None:
    with runner("import os, time; print(os.getpid(), flush=True); time.sleep(60)") as (batch, events):
        job = batch.submit(request())
        log = tmp_path / "logs" / job.log_name
        pid = int(wait_until(lambda: log.exists() and log.read_text(), "the worker to be up"))
        batch.stop(5)
        assert (is_alive(pid), events.statuses_of(job.job_id)[-1]) == (False, "RUNNING")


@pytest.mark.parametrize(
    ("status_reason", "reason", "expected"),
    [
        ("Host EC2 (instance i-1) terminated.", "", True),
        ("Task failed", "CannotPullContainerError: no", True),
        ("Essential container in task exited", "OutOfMemoryError: killed", False),
    ],
)
def test_reasons_decide_where_no_exit_code_does(status_reason: str, reason: str, expected: bool) -> None:
    assert is_retried(RETRY.rules, 1, status_reason, reason) is expected


def test_what_no_rule_matches_is_tried_again() -> None:
    assert is_retried(RETRY.rules[:2], 1, "Essential container in task exited")
