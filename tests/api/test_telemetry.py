"""Metrics of the service: alarms name them, so each that is counted must be one of those."""

from __future__ import annotations

import pytest

from chalicelib.api.telemetry import Metric
from chalicelib.domain.jobs import JobState


@pytest.mark.parametrize("state", list(JobState))
def test_every_state_of_a_job_has_its_counter(state: JobState) -> None:
    assert Metric(f"Jobs{state.title()}")


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
def test_every_end_of_a_child_job_has_its_counter(status: str) -> None:
    assert Metric(f"Children{status.title()}")
