"""Logs and metrics: one structured line per state change, and counts in CloudWatch's embedded format.

The Tracer of Powertools is not imported: it costs 245 ms of a cold start and drags botocore into the bundle; Lambda's
active tracing, set in the infrastructure, traces the functions without it.
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from chalice.app import Chalice, ConvertToMiddleware

SERVICE = "reelscan"
NAMESPACE_VARIABLE = "POWERTOOLS_METRICS_NAMESPACE"
"""As Powertools calls it. Each deployment of an account has one of its own, or their counts would be added up."""
logger = Logger(service=SERVICE)
metrics = Metrics(namespace=os.environ.get(NAMESPACE_VARIABLE, SERVICE), service=SERVICE)


class Metric(StrEnum):
    """Every metric of the service, by its name in CloudWatch; each has the one dimension `service`.

    Alarms and the dashboard name their metrics by these, so that none can watch what nobody sends.
    """

    OBJECTS_CREATED = "ObjectsCreated"
    CHILDREN_SUCCEEDED = "ChildrenSucceeded"
    CHILDREN_FAILED = "ChildrenFailed"
    JOB_EVENTS = "JobEvents"
    JOBS_PENDING = "JobsPending"
    JOBS_PROBING = "JobsProbing"
    JOBS_RUNNING = "JobsRunning"
    JOBS_FINISHING = "JobsFinishing"
    JOBS_CANCELLING = "JobsCancelling"
    JOBS_SUCCEEDED = "JobsSucceeded"
    JOBS_PARTIAL = "JobsPartial"
    JOBS_FAILED = "JobsFailed"
    JOBS_CANCELLED = "JobsCancelled"
    LONGEST_WAIT_SECONDS = "LongestWaitSeconds"
    """How long the child job waits that waits longest for a machine; nothing is sent while none waits."""


def install(app: Chalice) -> None:
    """Give every function its log context, and send its metrics when it ends."""
    app.register_middleware(ConvertToMiddleware(logger.inject_lambda_context))
    app.register_middleware(_send_metrics, "all")


def count(name: Metric, value: int = 1) -> None:
    """Add to a counter of this invocation."""
    metrics.add_metric(name, MetricUnit.Count, value)


def measure_seconds(name: Metric, seconds: float) -> None:
    """Send a duration."""
    metrics.add_metric(name, MetricUnit.Seconds, seconds)


def _send_metrics(event: Any, get_response: Any) -> Any:
    try:
        return get_response(event)
    finally:
        # An invocation without a metric sends nothing; Powertools would warn.
        if metrics.metric_set and not os.environ.get("POWERTOOLS_METRICS_DISABLED"):
            metrics.flush_metrics()
