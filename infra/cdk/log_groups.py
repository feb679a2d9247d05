"""Log groups that end with the stack and forget what is old."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.cdk.stages import Stage

_RETENTION_BY_DAYS = {
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    90: logs.RetentionDays.THREE_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}
"""CloudWatch knows these and a few more, and no number in between."""


def make_log_group(scope: Construct, name: str, stage: Stage) -> logs.LogGroup:
    """A log group with the retention of the stage."""
    return logs.LogGroup(scope, name, retention=retention(stage), removal_policy=RemovalPolicy.DESTROY)


def retention(stage: Stage) -> logs.RetentionDays:
    """How long logs of the stage are kept, in CDK's words."""
    return _RETENTION_BY_DAYS[stage.log_days]
