"""What survives a restart, and that nothing else does: no process, no port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.local.toys import BUCKET, TABLE, ToyApp, dynamodb, is_alive, key, running, s3, take, wait_until

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
"""Its imports are seconds of CPU, and a machine may have other things to do."""
END_SECONDS = 20.0

RUN = """
import sys
from pathlib import Path
from infra.local.__main__ import end, run
from infra.local.stack import StackOptions
from tests.local.toys import ToyApp, python
worker = f"import os, signal, time; {sys.argv[3]}; print(os.getpid(), flush=True); time.sleep(600)"
folder = Path(sys.argv[1])
options = StackOptions(
    port=int(sys.argv[2]), state=folder / "state", out=folder / "out", app_module=ToyApp(),
    worker_command=python(worker), warm_modules=(), register_models=lambda stack: None, worker_grace_seconds=0.3,
)
end(run(options))
"""


@contextmanager
def stack_process(folder: Path, port: int = 0, worker_setup: str = "pass") -> Iterator[subprocess.Popen[str]]:
    """`python -m infra.local` with a toy app, and workers that would run for ten minutes."""
    command = [sys.executable, "-X", "faulthandler", "-c", RUN, str(folder), str(port), worker_setup]
    with (
        (folder / "said").open("w") as said,
        subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, text=True) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def end_of(process: subprocess.Popen[str], folder: Path, within_seconds: float = END_SECONDS) -> tuple[int, str]:
    """Its exit code and what it said; if it goes on, the failure tells where each of its threads is."""
    try:
        process.wait(within_seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        process.wait()
    return process.returncode, (folder / "said").read_text()


def described(folder: Path) -> dict[str, str]:
    file = folder / "out" / "local.json"
    wait_until(file.exists, "the stack to be ready", START_SECONDS)
    return dict(json.loads(file.read_text()))


def test_items_objects_and_versions_survive_a_restart(tmp_path: Path) -> None:
    with running(state=tmp_path):
        dynamodb().put_item(TableName=TABLE, Item={**key("kept"), "blob": {"B": b"\x00\xff"}})
        first = s3().put_object(Bucket=BUCKET, Key="kept", Body=b"small")["VersionId"]
        s3().put_object(Bucket=BUCKET, Key="kept", Body=b"x" * 200_000)
    with running(state=tmp_path):
        assert dynamodb().get_item(TableName=TABLE, Key=key("kept"))["Item"]["blob"] == {"B": b"\x00\xff"}
        assert s3().get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"x" * 200_000
        assert s3().get_object(Bucket=BUCKET, Key="kept", VersionId=first)["Body"].read() == b"small"


def test_a_stack_without_a_state_folder_starts_empty() -> None:
    for _ in range(2):
        with running():
            assert "Item" not in dynamodb().get_item(TableName=TABLE, Key=key("forgotten"))
            dynamodb().put_item(TableName=TABLE, Item=key("forgotten"))


def test_tokens_and_cursors_of_an_earlier_run_stay_good(tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        with running(state=tmp_path) as stack:
            keys.append((stack.issuer.jwks(), stack.environment["REELSCAN_CURSOR_KEY"]))
    assert keys[0] == keys[1]


def test_a_stream_record_that_no_handler_finished_is_delivered_after_the_restart(tmp_path: Path) -> None:
    app = ToyApp()
    app.is_poison = lambda _: True
    with running(app, state=tmp_path, retry_seconds=300):
        dynamodb().put_item(TableName=TABLE, Item={**key("owed"), "kind": {"S": "JOB"}})
        take(app.streams, 1)
    later = ToyApp()
    with running(later, state=tmp_path):
        [event] = take(later.streams, 1)
    assert event["Records"][0]["dynamodb"]["Keys"]["pk"] == {"S": "owed"}


def test_a_stream_record_that_was_handled_is_not_delivered_again(tmp_path: Path) -> None:
    for pk in ("first", "second"):
        app = ToyApp()
        with running(app, state=tmp_path) as stack:
            dynamodb().put_item(TableName=TABLE, Item={**key(pk), "kind": {"S": "JOB"}})
            [event] = take(app.streams, 1)
            stack.pumps[0].stop(5)
        assert [record["dynamodb"]["Keys"]["pk"]["S"] for record in event["Records"]] == [pk]


def test_an_event_that_no_handler_finished_is_delivered_after_the_restart(tmp_path: Path) -> None:
    app = ToyApp(failures_left=1)
    with running(app, state=tmp_path, retry_seconds=300):
        s3().put_object(Bucket=BUCKET, Key="tenants/a/videos/owed/source", Body=b"x")
        take(app.objects, 1)
    later = ToyApp()
    with running(later, state=tmp_path):
        [event] = take(later.objects, 1)
    assert event["detail"]["object"]["key"] == "tenants/a/videos/owed/source"


def test_state_of_another_version_is_put_aside_not_lost(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with running(state=folder):
        dynamodb().put_item(TableName=TABLE, Item=key("old"))
    file = folder / "state.pickle"
    header, _, rest = file.read_bytes().partition(b"\n")
    file.write_bytes(json.dumps({**json.loads(header), "moto": "1.0"}).encode() + b"\n" + rest)
    with running(state=folder):
        assert "Item" not in dynamodb().get_item(TableName=TABLE, Key=key("old"))
    [aside] = tmp_path.glob("state.*.old")
    assert (aside / "state.pickle").read_bytes().endswith(rest)


def test_bodies_of_deleted_objects_leave_the_folder(tmp_path: Path) -> None:
    with running(state=tmp_path):
        version = s3().put_object(Bucket=BUCKET, Key="big", Body=b"x" * 200_000)["VersionId"]
    kept = len(list((tmp_path / "objects").iterdir()))
    with running(state=tmp_path):
        s3().delete_object(Bucket=BUCKET, Key="big", VersionId=version)
    assert (kept, list((tmp_path / "objects").iterdir())) == (1, [])


@pytest.mark.parametrize(
    ("number", "worker_setup"),
    [(signal.SIGINT, "signal.signal(15, signal.SIG_IGN)"), (signal.SIGTERM, "pass")],
    ids=["Ctrl-C with workers that ignore SIGTERM", "SIGTERM"],
)
def test_the_end_leaves_no_process_and_no_port(tmp_path: Path, number: signal.Signals, worker_setup: str) -> None:
    with stack_process(tmp_path, worker_setup=worker_setup) as process:
        base_url = described(tmp_path)["base_url"]
        headers = {
            "X-Amz-Date": "20260101T000000Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=k/d/r/batch/aws4_request",
        }
        names = {"jobName": "j", "jobQueue": "cpu", "jobDefinition": "cpu", "shareIdentifier": "share000"}
        job = {**names, "arrayProperties": {"size": 2}}
        httpx.post(f"{base_url}/v1/submitjob", json=job, headers=headers).raise_for_status()
        logs = tmp_path / "out" / "logs"
        wait_until(
            lambda: len([log for log in logs.glob("*.log") if log.read_text()]) >= min(2, os.cpu_count() or 1),
            "workers",
        )
        workers = [int(log.read_text()) for log in logs.glob("*.log") if log.read_text()]
        process.send_signal(number)
        code, said = end_of(process, tmp_path)
        assert code == 0, said
        assert [pid for pid in workers if is_alive(pid)] == []
        with pytest.raises(httpx.ConnectError):
            httpx.get(base_url)


def test_a_stack_that_is_killed_comes_back_with_what_it_had_saved(tmp_path: Path) -> None:
    with stack_process(tmp_path) as process:
        base_url = described(tmp_path)["base_url"]
        item = {"TableName": TABLE, "Item": key("saved")}
        headers = {
            "X-Amz-Target": "DynamoDB_20120810.PutItem",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/dynamodb/aws4_request, Signature=x",
        }
        httpx.post(base_url, json=item, headers=headers).raise_for_status()
        file = tmp_path / "state" / "state.pickle"
        wait_until(lambda: file.exists() and b"saved" in file.read_bytes(), "the item to be saved")
        process.kill()
    with running(state=tmp_path / "state"):
        assert "Item" in dynamodb().get_item(TableName=TABLE, Key=key("saved"))


def test_a_used_port_ends_the_command_with_what_to_do(tmp_path: Path) -> None:
    with running() as stack:
        port = int(stack.base_url.rpartition(":")[2])
        with stack_process(tmp_path, port) as process:
            code, said = end_of(process, tmp_path, START_SECONDS)
            assert (code, f"make local PORT={port + 1}" in said) == (1, True), said
