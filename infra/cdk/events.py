"""Events: rules, streams and schedules of the wiring, to the aliases; what fails for good becomes a dead letter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from chalicelib.contracts.event_patterns import OUR_SOURCE
from infra.cdk.batch import Batch
from infra.cdk.database import Database
from infra.cdk.fast_lane import FastLane
from infra.cdk.functions import scope_name
from infra.cdk.storage import Storage
from infra.wiring import WIRING, EventRule, Schedule, StreamMapping

DELIVERY_SECONDS = 6 * 3600
"""EventBridge tries this long to hand an event to Lambda; the reconciler has seen to it by then."""
DELIVERY_RETRIES = 20
RECORD_AGE = Duration.hours(23)
"""A stream forgets a record after 24 hours: before that it must be a dead letter."""
DEAD_LETTER_DAYS = Duration.days(14)


def make_dead_letters(stack: Stack) -> sqs.Queue:
    """One queue for every edge: a message says itself where it comes from, and one alarm watches it."""
    return sqs.Queue(
        stack,
        "DeadLetters",
        retention_period=DEAD_LETTER_DAYS,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
    )


def make_events(
    stack: Stack,
    database: Database,
    storage: Storage,
    batch: Batch,
    fast_lane: FastLane,
    alias_by_handler: Mapping[str, lambda_.Alias],
    dead_letters: sqs.Queue,
) -> None:
    """All edges of the wiring that nobody waits at."""
    scope = Construct(stack, "Events")
    ours: dict[str, dict[str, Any]] = {
        "aws.s3": {"detail": {"bucket": {"name": [storage.bucket.bucket_name]}}},
        "aws.batch": {"detail": {"jobQueue": [lane.queue.job_queue_arn for lane in batch.lane_by_name.values()]}},
        # Whatever the version or alias that was invoked, which follows in the name.
        "lambda": {"detail": {"requestContext": {"functionArn": [{"prefix": fast_lane.function.function_arn}]}}},
        OUR_SOURCE: {"resources": [database.meta.table_name]},
    }
    for rule in WIRING.event_rules:
        _rule(scope, rule, ours, alias_by_handler[rule.handler], dead_letters)
    for stream in WIRING.streams:
        _stream(database, stream, alias_by_handler[stream.handler], dead_letters)
    for schedule in WIRING.schedules:
        _schedule(scope, schedule, alias_by_handler[schedule.handler], dead_letters)


def narrowed(pattern: Mapping[str, Any], ours: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The pattern of the wiring, for this stack's resources alone: every stage of an account hears the same bus."""
    (source,) = pattern["source"]
    more = ours[source]
    return {
        **pattern,
        **more,
        **({"detail": {**pattern.get("detail", {}), **more["detail"]}} if "detail" in more else {}),
    }


def _rule(
    scope: Construct,
    rule: EventRule,
    ours: Mapping[str, Mapping[str, Any]],
    alias: lambda_.Alias,
    dead_letters: sqs.Queue,
) -> None:
    resource = events.CfnRule(
        scope,
        scope_name(rule.name),
        event_pattern=narrowed(rule.pattern, ours),
        targets=[
            events.CfnRule.TargetProperty(
                id="function",
                arn=alias.function_arn,
                dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=dead_letters.queue_arn),
                retry_policy=events.CfnRule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=DELIVERY_SECONDS, maximum_retry_attempts=DELIVERY_RETRIES
                ),
            )
        ],
    )
    service = iam.ServicePrincipal("events.amazonaws.com")
    alias.add_permission("FromRule", principal=service, source_arn=resource.attr_arn)
    dead_letters.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[service],
            actions=["sqs:SendMessage"],
            resources=[dead_letters.queue_arn],
            conditions={"ArnEquals": {"aws:SourceArn": resource.attr_arn}},
        )
    )


def _stream(database: Database, stream: StreamMapping, alias: lambda_.Alias, dead_letters: sqs.Queue) -> None:
    alias.add_event_source_mapping(
        "Stream",
        event_source_arn=database.table_by_name[stream.table].table_stream_arn,
        # A stream that is older than its mapping has what nobody has followed yet.
        starting_position=lambda_.StartingPosition.TRIM_HORIZON,
        batch_size=stream.batch_size,
        filters=[lambda_.FilterCriteria.filter(pattern) for pattern in stream.filters],
        bisect_batch_on_error=True,
        retry_attempts=stream.max_retries,
        max_record_age=RECORD_AGE,
        on_failure=event_sources.SqsDlq(dead_letters),
    )


def _schedule(scope: Construct, schedule: Schedule, alias: lambda_.Alias, dead_letters: sqs.Queue) -> None:
    name = scope_name(schedule.name)
    role = iam.Role(scope, f"Starts{name}", assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"))
    role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[alias.function_arn]))
    role.add_to_policy(iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[dead_letters.queue_arn]))
    scheduler.CfnSchedule(
        scope,
        name,
        schedule_expression=schedule.expression,
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=scheduler.CfnSchedule.TargetProperty(
            arn=alias.function_arn,
            role_arn=role.role_arn,
            dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=dead_letters.queue_arn),
            # The next one comes soon enough.
            retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                maximum_event_age_in_seconds=max(60, schedule.every_seconds), maximum_retry_attempts=1
            ),
        ),
    )
