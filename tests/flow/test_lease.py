"""A worker that is killed and nobody says so: its lease runs out, and the reconciler hands its segment on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra.wiring import WIRING
from tests.flow.faulty_worker import Fault, Faults
from tests.flow.kills import DONE_WITHIN_SECONDS, FRAMES, attempts, running, seconds_after_the_kill, start
from tests.flow.measures import Measure
from tests.flow.tenant import Tenant

WITHOUT_BATCH_EVENTS = replace(
    WIRING, event_rules=tuple(rule for rule in WIRING.event_rules if rule.name != "batch_state")
)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="lease 30 s", marks=pytest.mark.slow),
        pytest.param({"LEASE_SECONDS": "2", "HEARTBEAT_SECONDS": "1", "RECONCILE_SECONDS": "1"}, id="lease 2 s"),
    ],
)
def test_a_kill_that_nobody_reports_is_seen_when_the_lease_runs_out(
    tmp_path: Path, bikes: Path, faults: Faults, settings: dict[str, str], measure: Measure
) -> None:
    faults.plan(Fault("segment claimed", segment_index=1))
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(f"REELSCAN_{name}", value)
        with running(tmp_path, faults, wiring=WITHOUT_BATCH_EVENTS) as stack:
            tenant = Tenant(stack.base_url, stack.token("lease"))
            job_id = start(tenant, bikes)
            job = tenant.succeed(job_id, patience_seconds=90)
            measure(f"done {seconds_after_the_kill(faults, job):.1f} s after the kill")
            assert seconds_after_the_kill(faults, job) < DONE_WITHIN_SECONDS
            assert attempts(tenant, job_id)[1] == 2
            assert job["summary"]["frames_inferred"] == FRAMES
