"""The load asks every route of the API, and a stack that nobody disturbs answers all of it as it should."""

from __future__ import annotations

import json
from pathlib import Path

from infra.load.recorder import Recorder
from infra.load.run import run_load
from infra.load.stage import clear_stage, set_stage
from infra.local.stack import LocalStack
from tests.flow.tenant import FAST_MODEL

METHODS = ("get", "post", "put", "patch", "delete")


def test_a_load_asks_every_route_and_no_answer_is_unexpected(stack: LocalStack, bikes: Path) -> None:
    client = Recorder(stack.base_url, stack.token("load"), connections=4)
    stage = set_stage(client, bikes, FAST_MODEL)
    client.forget()
    # Every action once, and a few by chance.
    report = run_load(client, stage, per_second=8, seconds=3, threads=2)
    clear_stage(client, stage)
    assert report.total.errors == {}, report.to_text()
    document = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
    routes = {
        f"{method.upper()} {template}"
        for template, methods in document["paths"].items()
        for method in methods
        if method in METHODS
    }
    assert {route.route for route in report.routes} == routes
