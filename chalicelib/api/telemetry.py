"""Logs and metrics: one structured line per state change, and counts in CloudWatch's embedded format.

The Tracer of Powertools is not imported: it costs 245 ms of a cold start and drags botocore into the bundle; Lambda's
active tracing, set in the infrastructure, traces the functions without it.
"""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from chalice.app import Chalice, ConvertToMiddleware

SERVICE = "reelscan"
logger = Logger(service=SERVICE)
metrics = Metrics(namespace="reelscan", service=SERVICE)


def install(app: Chalice) -> None:
    """Give every function its log context, and send its metrics when it ends."""
    app.register_middleware(ConvertToMiddleware(logger.inject_lambda_context))
    app.register_middleware(_send_metrics, "all")


def count(name: str, value: int = 1) -> None:
    """Add to a counter of this invocation."""
    metrics.add_metric(name, MetricUnit.Count, value)


def _send_metrics(event: Any, get_response: Any) -> Any:
    try:
        return get_response(event)
    finally:
        # An invocation without a metric sends nothing; Powertools would warn.
        if metrics.metric_set and not os.environ.get("POWERTOOLS_METRICS_DISABLED"):
            metrics.flush_metrics()
