"""`python -m infra.local --port 8080 --state state --out out`: keeps the stack running until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from infra.local.server import PortInUse
from infra.local.stack import FastLaneMode, LocalStack, StackOptions
from infra.local.state import StateInUse


def run(options: StackOptions) -> int:
    """Run the stack until SIGINT or SIGTERM; the exit code is 0 then, and 1 when it could not start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    # One line per AWS call and per token check is not news.
    for name in ("botocore", "urllib3", "werkzeug", "moto"):
        logging.getLogger(name).setLevel(logging.WARNING)
    stop_signal = _StopSignal()
    _say(f"Starting the local stack on port {options.port} with {options.slots} workers at once …")
    _say(f"State: {options.state or 'forgotten at the end (give --state a folder to keep it)'}")
    try:
        with LocalStack(options) as stack:
            _announce(stack, options.out or Path("out"))
            stop_signal.wait()
            _say("Stopping: ending workers, saving state …")
    except PortInUse as error:
        _say(f"{error}. Stop the program that has it, or choose another port: make local PORT={options.port + 1}")
        return 1
    except StateInUse as error:
        _say(f"{error}. Stop that stack, or give another folder: make local STATE=other")
        return 1
    _say("Stopped; every process that it started has ended")
    return 0


class _StopSignal:
    """SIGINT or SIGTERM, whenever it comes from now on."""

    def __init__(self) -> None:
        # Python runs a handler between two steps of the main thread: a signal that comes just as that goes to sleep, or
        # while it holds a lock that the handler wants, would stop nothing. A byte in a socket waits, and wakes it.
        self._reader, self._writer = socket.socketpair()
        self._writer.settimeout(0)
        signal.set_wakeup_fd(self._writer.fileno())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)

    def wait(self) -> None:
        """Return once there was one."""
        self._reader.recv(1)


def end(code: int) -> NoReturn:
    """End the process at once. Everything is saved and closed, and taking moto's modules apart is most of a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def parse_arguments(arguments: Sequence[str] | None = None) -> StackOptions:
    """What the command line asks for; what cannot be ends the process with exit code 2."""
    defaults = StackOptions()
    parser = argparse.ArgumentParser(
        prog="python -m infra.local", description="reelscan with AWS semantics on this machine"
    )
    parser.add_argument("--port", type=int, default=8080, help="the one port for API, S3 and AWS (0: any free one)")
    parser.add_argument("--state", type=Path, help="folder that keeps videos, jobs and results across restarts")
    parser.add_argument(
        "--out", type=Path, default=Path("out"), help="folder for local.json and worker logs (default: out)"
    )
    parser.add_argument("--slots", type=int, default=defaults.slots, help="workers at once (default: the cores)")
    parser.add_argument(
        "--fast-lane",
        type=FastLaneMode,
        choices=list(FastLaneMode),
        default=defaults.fast_lane,
        help="how short work is done: by Batch (off), by a function (worker), or by one in Lambda's runtime",
    )
    parser.add_argument("--models", type=_models, help="folder of further models, as `gpu_batch.compiler add` makes it")
    options = parser.parse_args(arguments)
    return StackOptions(
        port=options.port,
        state=options.state,
        out=options.out,
        slots=options.slots,
        models=options.models,
        fast_lane=options.fast_lane,
    )


def _models(text: str) -> Path:
    folder = Path(text)
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"must be a folder but there is no {folder}")
    manifests = list(folder.glob("*/manifest.json"))
    if not manifests:
        raise argparse.ArgumentTypeError(f"must be a folder of folders with a manifest.json but {folder} has none")
    for manifest in manifests:
        if not manifest.with_name("model.onnx").is_file():
            raise argparse.ArgumentTypeError(f"{manifest.parent} must hold a model.onnx beside its manifest.json")
    return folder


def _announce(stack: LocalStack, out: Path) -> None:
    description = stack.describe()
    out.mkdir(parents=True, exist_ok=True)
    file = out / "local.json"
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(description, indent=2) + "\n")
    fresh.chmod(0o600)
    fresh.replace(file)
    _say(f"Ready: {stack.base_url}")
    _say(f"Worker logs: {stack.log_folder}    For scripts: {file}")
    _say("A token of tenant a, good for a day:")
    _say(f"  export TOKEN={description['token']}")
    _say("The viewer, signed in with it: drop a video there")
    _say(f"  {description['viewer_url']}#token={description['token']}")
    _say("Three lines to try:")
    _say(f"  curl {stack.base_url}/health")
    _say(f'  curl -H "Authorization: Bearer $TOKEN" {stack.base_url}/models')
    _say(f'  curl -H "Authorization: Bearer $TOKEN" {stack.base_url}/videos')
    _say(f"GraphQL, as AppSync speaks it: {description['graphql_url']}")
    _say("Ctrl-C ends it.")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    end(run(parse_arguments()))
