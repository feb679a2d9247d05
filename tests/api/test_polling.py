"""Many clients that poll one job."""

from __future__ import annotations

from dataclasses import replace

from bench.results.polling import Load, measure
from chalicelib.domain.jobs import JobState
from tests.api.seed import seed_job
from tests.api.service import ACME, Service
from tests.fakes.make import LIMITS


def test_250_clients_cost_one_read_per_environment_and_second() -> None:
    cost = measure(Load(clients=250, environments=3, seconds=3))
    assert cost.requests == 750
    assert cost.most_reads_in_a_second == 1
    assert max(cost.reads_by_environment) <= 4
    # All but the first answer of each client, and one more when the job ends.
    assert cost.unchanged >= 750 - 2 * 250


def test_without_sharing_every_poll_is_a_read() -> None:
    cost = measure(Load(clients=10, environments=1, seconds=2, poll_seconds=0))
    assert sum(cost.reads_by_environment) == 20


def test_what_the_same_environment_changed_is_seen_at_once() -> None:
    service = Service(replace(LIMITS, poll_seconds=60))
    path = f"/jobs/{seed_job(service, ACME, JobState.RUNNING).job_id}"
    assert service.call("GET", path).json["job"]["state"] == "RUNNING"
    service.call("POST", f"{path}/cancel", {})
    assert service.call("GET", path).json["job"]["state"] == "CANCELLED"
    assert service.call("GET", path).headers.get("retry-after") is None


def test_another_tenant_is_not_given_what_is_shared() -> None:
    service = Service(replace(LIMITS, poll_seconds=60))
    path = f"/jobs/{seed_job(service, ACME, JobState.RUNNING).job_id}"
    assert service.call("GET", path).status == 200
    assert service.call("GET", path, token="other").status == 404
