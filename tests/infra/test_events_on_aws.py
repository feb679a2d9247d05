"""Every edge that nobody waits at: to the alias, tried again within bounds, and then a dead letter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra.wiring import WIRING
from tests.infra.templates import Template, every_stage, text_of


def dead_letters(template: Template) -> str:
    """The text of the ARN of the one queue."""
    (name,) = template.of_type("AWS::SQS::Queue")
    return f"${{{name}.Arn}}"


def handler_of(template: Template, arn: object) -> str:
    """Of the alias that an ARN names, or a name that is cut out of one."""
    (handler,) = (handler for alias, handler in template.aliases().items() if f"${{{alias}}}" in text_of(arn))
    return handler


@every_stage
def test_every_rule_of_the_wiring_is_there_narrowed_to_the_resources_of_the_stage(template: Template) -> None:
    found = {
        handler_of(template, rule["Targets"][0]["Arn"]): rule["EventPattern"]
        for rule in template.of_type("AWS::Events::Rule").values()
    }
    expected = {f"app.{rule.handler}": rule.pattern for rule in WIRING.event_rules}

    assert found.keys() == expected.keys()
    for handler, pattern in expected.items():
        assert subset(found[handler], pattern) == pattern
        assert found[handler] != pattern, "another stage's events come in"


def subset(pattern: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """What of a pattern the other one has too."""
    return {
        key: subset(pattern[key], value)
        if isinstance(value, Mapping) and isinstance(pattern[key], Mapping)
        else pattern[key]
        for key, value in asked.items()
    }


@every_stage
def test_every_target_of_a_rule_has_bounded_retries_and_the_dead_letters(template: Template) -> None:
    targets = [target for rule in template.of_type("AWS::Events::Rule").values() for target in rule["Targets"]]

    for target in targets:
        assert text_of(target["DeadLetterConfig"]["Arn"]) == dead_letters(template)
        assert 0 < target["RetryPolicy"]["MaximumRetryAttempts"] <= 185
        assert 60 <= target["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 86_400


@every_stage
def test_the_queue_takes_what_rules_could_not_deliver(template: Template) -> None:
    statements = template.only("AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"]
    allowed = {
        text_of(one["Condition"]["ArnEquals"]["aws:SourceArn"])
        for one in statements
        if one["Effect"] == "Allow" and one["Principal"] == {"Service": "events.amazonaws.com"}
    }

    assert allowed == {f"${{{name}.Arn}}" for name in template.of_type("AWS::Events::Rule")}


@every_stage
def test_every_schedule_of_the_wiring_starts_its_alias_and_has_the_dead_letters(template: Template) -> None:
    found = template.of_type("AWS::Scheduler::Schedule").values()

    assert {(handler_of(template, one["Target"]["Arn"]), one["ScheduleExpression"]) for one in found} == {
        (f"app.{schedule.handler}", schedule.expression) for schedule in WIRING.schedules
    }
    for one in found:
        assert text_of(one["Target"]["DeadLetterConfig"]["Arn"]) == dead_letters(template)
        assert 0 <= one["Target"]["RetryPolicy"]["MaximumRetryAttempts"] <= 185


@every_stage
def test_every_stream_of_the_wiring_is_filtered_bisected_bounded_and_has_the_dead_letters(template: Template) -> None:
    found = {
        handler_of(template, one["FunctionName"]): one
        for one in template.of_type("AWS::Lambda::EventSourceMapping").values()
    }

    assert found.keys() == {f"app.{stream.handler}" for stream in WIRING.streams}
    for stream in WIRING.streams:
        mapping = found[f"app.{stream.handler}"]
        filters = [json.loads(one["Pattern"]) for one in mapping["FilterCriteria"]["Filters"]]
        assert filters == list(stream.filters)
        assert mapping["BatchSize"] == stream.batch_size
        assert mapping["MaximumRetryAttempts"] == stream.max_retries
        assert mapping["BisectBatchOnFunctionError"] is True
        # A stream forgets after 24 hours.
        assert mapping["MaximumRecordAgeInSeconds"] < 86_400
        assert text_of(mapping["DestinationConfig"]["OnFailure"]["Destination"]) == dead_letters(template)
        assert mapping["StartingPosition"] == "TRIM_HORIZON"


@every_stage
def test_what_lambda_keeps_and_could_not_handle_becomes_a_dead_letter(template: Template) -> None:
    functions = {
        name: found.get("Handler", "the fast lane") for name, found in template.of_type("AWS::Lambda::Function").items()
    }
    found = {
        functions[text_of(one["FunctionName"]).removeprefix("${").removesuffix("}")]: one
        for one in template.of_type("AWS::Lambda::EventInvokeConfig").values()
    }
    names = [rule.handler for rule in WIRING.event_rules] + [schedule.handler for schedule in WIRING.schedules]
    by_events = {f"app.{name}" for name in names}

    assert by_events <= found.keys()
    for handler in by_events:
        assert found[handler]["MaximumRetryAttempts"] == 2
        assert handler_of(template, found[handler]["Qualifier"]) == handler
        assert text_of(found[handler]["DestinationConfig"]["OnFailure"]["Destination"]) == dead_letters(template)


@every_stage
def test_the_bucket_tells_eventbridge_without_a_function_of_its_own(template: Template) -> None:
    told = [
        one["NotificationConfiguration"]
        for one in template.of_type("AWS::S3::Bucket").values()
        if "NotificationConfiguration" in one
    ]

    assert told == [{"EventBridgeConfiguration": {"EventBridgeEnabled": True}}]


@every_stage
def test_dead_letters_are_kept_for_two_weeks(template: Template) -> None:
    assert template.only("AWS::SQS::Queue")["MessageRetentionPeriod"] == 14 * 86_400
