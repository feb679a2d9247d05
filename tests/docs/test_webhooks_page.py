"""The walk-through in docs/webhooks.md, run as it stands against a local stack; its numbers are those of the code."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.receivers import PORTS
from chalicelib.domain.webhooks import DISABLED_AFTER, RETRY_SECONDS, encode_secret, sign
from chalicelib.services.job_events import COMMIT_DAYS
from chalicelib.services.notifications import BREAK_OFF_AFTER, DEAD_DAYS, LOG_DAYS
from chalicelib.services.webhooks import MAX_WEBHOOKS
from tools.run_demo import running_stack

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
TIMEOUT_SECONDS = 120
pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS + 60)


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which every command of the page was run, in order."""
    if shutil.which("curl") is None:
        pytest.skip("the walk-through is about curl, which is not installed")
    folder = tmp_path_factory.mktemp("checkout")
    (folder / ".venv").symlink_to(sys.prefix)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with running_stack(folder / "out"):
        (folder / "out" / "receiver.py").write_text(blocks("python"), encoding="utf-8")
        ended = subprocess.run(
            ["sh", "-eu", "-c", blocks("sh")],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder / "out"


def test_the_receiver_of_the_page_believes_what_it_is_sent(walk: Path) -> None:
    for name in ("test.json", "test-rotated.json"):
        delivery = json.loads((walk / name).read_text())["delivery"]
        assert (delivery["outcome"], delivery["status"]) == ("DELIVERED", 204)
    assert (walk / "received.txt").read_text().split() == ["TEST", "TEST"]


def test_the_walk_through_ends_with_what_the_page_says(walk: Path) -> None:
    assert json.loads((walk / "rotated.json").read_text())["webhook"]["secrets"] == 2
    assert [one["outcome"] for one in json.loads((walk / "deliveries.json").read_text())["items"]] == ["DELIVERED"]
    states = [json.loads((walk / f"{name}.json").read_text())["webhook"]["state"] for name in ("paused", "active")]
    assert states == ["PAUSED", "ACTIVE"]


@pytest.fixture(scope="module")
def is_genuine() -> Callable[..., bool]:
    names: dict[str, Any] = {"__name__": "receiver"}
    source = blocks("python").replace('os.environ["WEBHOOK_SECRET"]', '""')
    exec(compile(source, "docs/webhooks.md", "exec"), names)
    return names["is_genuine"]  # type: ignore[no-any-return]


def test_the_receiver_believes_nobody_else(is_genuine: Callable[..., bool]) -> None:
    secret, other, now, body = encode_secret(b"1" * 32), encode_secret(b"2" * 32), int(time.time()), b"{}"

    def headers(secrets: list[str], *, at: int = now, name: str = "m", signed: bytes = body) -> dict[str, str]:
        signature = sign(secrets, "m", at, signed)
        return {"webhook-id": name, "webhook-timestamp": str(at), "webhook-signature": signature}

    assert is_genuine(secret, headers([secret]), body)
    assert is_genuine(secret, headers([other, secret]), body)
    assert not is_genuine(secret, headers([other]), body)
    assert not is_genuine(secret, headers([secret], signed=b"{ }"), body)
    assert not is_genuine(secret, headers([secret], name="n"), body)
    assert not is_genuine(secret, headers([secret], at=now - 400), body)
    assert not is_genuine(secret, headers([secret], at=now + 400), body)
    assert not is_genuine(secret, headers([secret]) | {"webhook-timestamp": str(now + 1)}, body)
    assert not is_genuine(secret, headers([secret]) | {"webhook-signature": "v1,é"}, body)
    assert not is_genuine(secret, {}, body)


def test_the_numbers_are_those_of_the_code() -> None:
    assert (5, 30, *(60 * n for n in (2, 10, 30)), *(3600 * n for n in (1, 2, 4, 6, 10))) == RETRY_SECONDS
    assert "after 5 and 30 seconds, 2, 10 and 30 minutes, 1, 2, 4, 6 and 10 hours" in PAGE
    assert (MAX_WEBHOOKS, LOG_DAYS, DEAD_DAYS, DISABLED_AFTER.days, BREAK_OFF_AFTER) == (10, 7, 30, 5, 8)
    assert f"kept for {COMMIT_DAYS} days" in PAGE
    assert sorted(PORTS) == [443, 8443]
