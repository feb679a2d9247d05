from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from infra.load.recorder import Recorder, RouteTimes
from infra.load.report import Report, make_report


def a_report(errors: dict[str, int] | None = None, slowest: float = 100.0) -> Report:
    times = {
        ("GET", "/health"): RouteTimes([float(value) for value in range(1, 100)] + [slowest]),
        ("POST", "/videos"): RouteTimes([5.0] * 100, errors or {}),
    }
    return make_report(times, base_url="http://here", wanted_per_second=10, seconds=20, late=1)


def test_quantiles_are_told_by_route_and_for_all() -> None:
    report = a_report()
    health = report.routes[0]
    assert (health.route, health.requests) == ("GET /health", 100)
    assert (health.p50_ms, health.p95_ms, health.p99_ms) == (50.5, 95.0, 99.0)
    assert report.total.requests == 200
    assert report.total.p99_ms == 98.0
    assert report.requests_per_second == 10.0


def test_a_route_that_was_asked_once_has_its_one_time() -> None:
    report = make_report({("GET", "/x"): RouteTimes([7.0])}, base_url="", wanted_per_second=1, seconds=1, late=0)
    assert (report.routes[0].p50_ms, report.routes[0].p99_ms) == (7.0, 7.0)


@pytest.mark.parametrize(
    ("report", "bounds", "broken"),
    [
        (a_report(), {"p99_ms": 98.0, "error_share": 0.0}, 0),
        (a_report(), {"p99_ms": 97.9, "error_share": 0.0}, 1),
        (a_report({"500": 2}), {"p99_ms": None, "error_share": 0.01}, 0),
        (a_report({"500": 2, "ReadTimeout": 1}), {"p99_ms": None, "error_share": 0.01}, 1),
        (make_report({}, base_url="", wanted_per_second=1, seconds=1, late=0), {"p99_ms": None, "error_share": 0.0}, 1),
    ],
)
def test_a_bound_that_does_not_hold_is_named(report: Report, bounds: Any, broken: int) -> None:
    assert len(report.broken(**bounds)) == broken


def test_the_report_is_written_for_people_and_for_machines() -> None:
    report = a_report({"503": 3})
    assert "| POST /videos | 100 | 5.0 | 5.0 | 5.0 | 3 × 503 |" in report.to_text()
    assert json.loads(report.to_json())["total"]["errors"] == {"503": 3}


def test_an_answer_that_was_not_expected_and_one_that_never_came_are_errors() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/gone":
            raise httpx.ConnectError("nobody there")
        return httpx.Response(200 if request.url.path == "/jobs/a" else 500, json={"path": request.url.path})

    client = Recorder("http://here", "token", connections=1)
    client.http = httpx.Client(base_url="http://here", transport=httpx.MockTransport(answer))
    assert client.ask("GET /jobs/{job_id}", ids={"job_id": "a"}) == {"path": "/jobs/a"}
    client.ask("GET /jobs/{job_id}", ids={"job_id": "b"})
    assert client.ask("GET /gone") == {}
    times = client.times()
    assert times["GET", "/jobs/{job_id}"].errors == {"500": 1}
    assert len(times["GET", "/jobs/{job_id}"].milliseconds) == 2
    assert times["GET", "/gone"].errors == {"ConnectError": 1}
