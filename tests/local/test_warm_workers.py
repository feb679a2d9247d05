"""A fork of the warm parent is what a process of its own would be, and the parent outlives nobody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.batch_process import KILL_AFTER_SECONDS, ChildProcess, Ended, StartProcess, StopRequest, start_fresh
from infra.local.stack import StackOptions
from infra.local.warm_workers import WarmWorkers
from tests.local.toys import ToyApp, is_alive, python_module, running, wait_until

ROOT = Path(__file__).parents[2]
# With a locale, or Python would add one to the environment of a fresh process.
ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8"}

# What a program can see of its process, but for numbers that are never the same twice.
DESCRIBE = """
import json, os, resource, signal, sys, threading
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
files = {}
for name in sorted(os.listdir("/proc/self/fd"), key=int):
    try:
        files[name] = os.readlink("/proc/self/fd/" + name)
    except FileNotFoundError:  # The one that the folder was read by.
        pass
print(json.dumps({
    "arguments": sys.argv[1:],
    "environment": dict(os.environ),
    "files": files,
    "folder": os.getcwd(),
    "handlers": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
    "is leader of a session": os.getpid() == os.getsid(0) == os.getpgid(0),
    "limits": [resource.getrlimit(number) for number in range(16)],
    "main module": __name__,
    "mask": str(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "nice": os.nice(0),
    "path": sys.path,
    "processors": sorted(os.sched_getaffinity(0)),
    "signals": [status[name].strip() for name in ("SigBlk", "SigIgn", "SigCgt")],
    "text": [(file.encoding, file.errors, file.line_buffering) for file in (sys.stdout, sys.stderr)],
    "threads": [status["Threads"].strip(), [thread.name for thread in threading.enumerate()]],
    "umask": os.umask(0),
    "wakes": signal.set_wakeup_fd(-1),
}))
"""


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmWorkers]:
    """With all that the real worker imports."""
    workers = WarmWorkers(StackOptions().warm_modules, ENVIRONMENT)
    workers.warm_up()
    yield workers
    workers.stop()


def run(start: StartProcess, log: Path, code: str, *arguments: str, **more: str) -> tuple[Ended, str]:
    command = (*python_module(code), *arguments)
    process = ChildProcess(command, ENVIRONMENT | more, log, start)
    return process.wait(30, StopRequest(KILL_AFTER_SECONDS)), log.read_text()


MAKE_CLIENTS = """
import json, sys, time, boto3
before = time.process_time()
clients = [boto3.client(name) for name in ("dynamodb", "s3")]
took = time.process_time() - before
keys = boto3.Session().get_credentials().access_key
print(json.dumps([took, keys, *({"url": c.meta.endpoint_url, "region": c.meta.region_name} for c in clients)]))
"""


def test_a_fork_makes_its_clients_sooner_and_by_its_own_environment(warm: WarmWorkers, tmp_path: Path) -> None:
    made: list[Any] = []
    for start, name in ((start_fresh, "fresh"), (warm.start, "one"), (warm.start, "other")):
        more = {
            "AWS_ENDPOINT_URL": f"http://{name}.test",
            "AWS_DEFAULT_REGION": f"eu-{name}-1",
            "AWS_ACCESS_KEY_ID": name,
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        ended, text = run(start, tmp_path / name, MAKE_CLIENTS, **more)
        assert ended.exit_code == 0, text
        took, key, *clients = json.loads(text)
        assert (key, clients) == (name, [{"url": f"http://{name}.test", "region": f"eu-{name}-1"}] * 2)
        made.append(took)
    assert min(made[1:]) < made[0] / 1.5


def test_a_fork_finds_what_a_fresh_process_finds(warm: WarmWorkers, tmp_path: Path) -> None:
    described: list[Any] = []
    for start in (start_fresh, warm.start):
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        ended, text = run(start, log, DESCRIBE, "--fast", "two words", ORDER="s3://b/k", ODD="=\n")
        assert ended.exit_code == 0, text
        described.append(json.loads(text))
    assert described[1] == described[0]
    assert described[1]["environment"] == ENVIRONMENT | {"ORDER": "s3://b/k", "ODD": "=\n"}


def test_a_fork_starts_with_what_the_worker_imports(warm: WarmWorkers, tmp_path: Path) -> None:
    shows = "import sys; print('onnxruntime' in sys.modules, 'av' in sys.modules, 'boto3' in sys.modules)"
    assert run(warm.start, tmp_path / "log", shows)[1] == "True True True\n"


def test_the_warm_parent_has_one_thread_and_no_file_but_its_own(warm: WarmWorkers, tmp_path: Path) -> None:
    run(warm.start, tmp_path / "log", "pass")
    process = Path(f"/proc/{warm.parent_pid}")
    wait_until(lambda: len(list((process / "fd").iterdir())) == 4, "the files of the worker to be closed")
    assert len(list((process / "task").iterdir())) == 1


def test_forks_draw_different_random_numbers(warm: WarmWorkers, tmp_path: Path) -> None:
    draws = "import random, uuid; print(random.random(), uuid.uuid4())"
    said = [run(warm.start, tmp_path / name, draws)[1].split() for name in "ab"]
    assert [len({first, second}) for first, second in zip(*said, strict=True)] == [2, 2]


@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [
        ("import sys; sys.exit(75)", 75, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 128 + signal.SIGSEGV, ""),
        ("import atexit; atexit.register(print, 'over')", 0, "over\n"),
        ("import threading; threading.Timer(0.1, print, ['late']).start()", 0, "late\n"),
        ("import os; print('lost'); os._exit(3)", 3, ""),
    ],
    ids=["code", "words", "error", "signal", "at exit", "thread", "at once"],
)
def test_a_fork_ends_as_a_fresh_process_does(
    warm: WarmWorkers, tmp_path: Path, code: str, exit_code: int, said: str
) -> None:
    for start, name in ((start_fresh, "fresh"), (warm.start, "forked")):
        ended, text = run(start, tmp_path / name, code)
        assert (ended.exit_code, text.endswith(said), bool(text)) == (exit_code, True, bool(said)), name


def test_an_order_that_is_too_long_for_a_message_starts_a_fresh_process(warm: WarmWorkers, tmp_path: Path) -> None:
    parts = {f"PART_{number}": "x" * 100_000 for number in range(2)}
    shows = "import os, sys; print(len(os.environ['PART_0'] + os.environ['PART_1']), 'boto3' in sys.modules)"
    assert run(warm.start, tmp_path / "log", shows, **parts)[1] == "200000 False\n"


SLEEP = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def test_workers_whose_parent_is_killed_end_as_if_killed_and_later_ones_start_fresh(tmp_path: Path) -> None:
    workers = WarmWorkers(["json"], os.environ)
    workers.warm_up()
    log = tmp_path / "log"
    process = ChildProcess(python_module(SLEEP), os.environ, log, workers.start)
    pid = int(wait_until(log.read_text, "the worker to be up"))
    assert workers.parent_pid is not None
    os.kill(workers.parent_pid, signal.SIGKILL)
    assert process.wait(30, StopRequest(KILL_AFTER_SECONDS)).exit_code == 128 + signal.SIGKILL
    wait_until(lambda: not is_alive(pid), "the worker to end")
    assert run(workers.start, tmp_path / "later", "print('up')")[1] == "up\n"
    workers.stop()


@pytest.mark.parametrize("module", ["tests.local.nowhere", "tests.local.toy_threads"])
def test_modules_that_cannot_be_forked_leave_every_worker_fresh(tmp_path: Path, module: str) -> None:
    workers = WarmWorkers([module], os.environ)
    workers.warm_up()
    assert run(workers.start, tmp_path / "log", "print('up')")[1] == "up\n"
    assert workers.parent_pid is None


def test_a_stack_that_ends_leaves_no_warm_parent() -> None:
    with running(ToyApp(), warm_modules=("json",)) as stack:
        pid = stack.workers.parent_pid
        assert pid is not None
        assert is_alive(pid)
    assert not is_alive(pid)


def test_a_stack_that_is_killed_leaves_no_warm_parent() -> None:
    code = (
        "import os, time; from infra.local.warm_workers import WarmWorkers; workers = WarmWorkers(['json'], os.environ)"
        "; workers.warm_up(); print(workers.parent_pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    wait_until(lambda: not is_alive(pid), "the warm parent to end")
