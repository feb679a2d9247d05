"""`python -m infra.load`: see docs/load.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import httpx

from infra.load.recorder import Recorder
from infra.load.run import run_load
from infra.load.stage import StageError, clear_stage, set_stage
from infra.load.tell import tell_chat, tell_topic
from infra.load.tokens import ProgramTokens

DONE, BROKEN, NOT_SET = 0, 1, 2


def main() -> int:
    """0: all bounds hold; 1: one does not; 2: the load never began."""
    arguments = _parse()
    base_url, token = arguments.base_url, os.environ.get("REELSCAN_TOKEN", "")
    if not base_url:
        local = json.loads((arguments.out / "local.json").read_text())
        base_url, token = local["base_url"], local["token"]
    client = Recorder(base_url, token, connections=arguments.threads)
    if token_url := os.environ.get("REELSCAN_TOKEN_URL"):
        client_id, secret = os.environ["REELSCAN_CLIENT_ID"], os.environ["REELSCAN_CLIENT_SECRET"]
        client.http.auth = ProgramTokens(token_url, client_id, secret, httpx.Client(timeout=10))
    try:
        stage = set_stage(client, arguments.clip, arguments.model)
    except StageError as error:
        print(error, file=sys.stderr)
        return NOT_SET
    client.forget()
    try:
        report = run_load(
            client,
            stage,
            per_second=arguments.rate,
            seconds=arguments.seconds,
            threads=arguments.threads,
            seed=arguments.seed,
        )
    finally:
        clear_stage(client, stage)
    broken = report.broken(p99_ms=arguments.max_p99_ms, error_share=arguments.max_error_share)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "load.json").write_text(report.to_json())
    print("\n".join([report.to_text(), *broken]))
    if arguments.sns_topic:
        tell_topic(arguments.sns_topic, report, broken)
    if chat := os.environ.get("REELSCAN_CHAT_WEBHOOK"):
        tell_chat(chat, report, broken)
    return BROKEN if broken else DONE


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.load", description="Load every route of a running system.")
    parser.add_argument("--base-url", help="of the API; unset: what out/local.json says. The token is REELSCAN_TOKEN")
    parser.add_argument("--clip", type=Path, default=Path(".cache/videos/bikes.mp4"), help="uploaded and analysed once")
    parser.add_argument("--model", default="nanodet-g")
    parser.add_argument("--rate", type=float, default=10.0, help="actions a second: each is a few requests")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=32, help="actions under way at once")
    parser.add_argument("--seed", type=int, default=0, help="the same seed, the same actions in the same order")
    parser.add_argument("--max-p99-ms", type=float, help="over all routes; unset: told, and not judged")
    parser.add_argument("--max-error-share", type=float, default=0.0)
    parser.add_argument("--sns-topic", help="ARN of a topic that the report is published to")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder that load.json is written to")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
