"""Alarms watch what is really sent, tell somebody, and say where it is written what to do."""

from __future__ import annotations

import ast
import re

import pytest

from chalicelib.api.telemetry import NAMESPACE_VARIABLE, SERVICE, Metric
from infra.cdk.stages import STAGES
from tests.infra.templates import ROOT, Template, as_list, every_stage, template_of, text_of

AWS_METRICS = {
    "AWS/ApiGateway": {"Latency", "5XXError", "4XXError", "Count"},
    "AWS/AppSync": {"5XXError"},
    "AWS/DynamoDB": {"WriteThrottleEvents"},
    "AWS/Lambda": {"Errors", "Invocations", "IteratorAge", "Throttles", "Duration"},
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible"},
}
"""Source: the pages "metrics and dimensions" of each service."""
DIMENSIONS = {
    "AWS/ApiGateway": [{"ApiName"}],
    "AWS/AppSync": [{"GraphQLAPIId"}],
    "AWS/DynamoDB": [{"TableName"}],
    # Of a function, of an alias of it, of all functions of the account.
    "AWS/Lambda": [{"FunctionName"}, {"FunctionName", "Resource"}, set()],
    "AWS/SQS": [{"QueueName"}],
}
"""By which the service sends those metrics; with one too few or too many, an alarm sees nothing. The same pages."""


def anchors(page: str) -> set[str]:
    """Of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_stage
def test_every_alarm_has_its_runbook(template: Template) -> None:
    for name, alarm in template.of_type("AWS::CloudWatch::Alarm").items():
        page, _, anchor = alarm["AlarmDescription"].rpartition(": ")[2].partition("#")
        assert anchor in anchors(page), f"{name}: {page} has no heading for #{anchor}"


@every_stage
def test_every_alarm_tells_somebody(template: Template) -> None:
    (topic,) = template.of_type("AWS::SNS::Topic")

    for alarm in template.of_type("AWS::CloudWatch::Alarm").values():
        assert [text_of(action) for action in alarm["AlarmActions"]] == [f"${{{topic}}}"]


@every_stage
def test_the_topic_takes_what_alarms_and_budgets_tell(template: Template) -> None:
    """A policy of its own replaces the one by which everything in the account may publish."""
    allowed = {
        (service, text_of(one["Condition"]["StringEquals"]["aws:SourceAccount"]))
        for one in template.only("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
        if one["Effect"] == "Allow" and one["Action"] == "sns:Publish"
        for service in as_list(one["Principal"]["Service"])
    }

    assert allowed == {
        ("budgets.amazonaws.com", "${AWS::AccountId}"),
        ("cloudwatch.amazonaws.com", "${AWS::AccountId}"),
    }


@every_stage
def test_every_alarm_names_the_dimensions_by_which_the_metric_is_sent(template: Template) -> None:
    names = {template.only("AWS::ApiGateway::RestApi")["Name"]}
    for name, alarm in template.of_type("AWS::CloudWatch::Alarm").items():
        if alarm["Namespace"] in DIMENSIONS:
            found = {one["Name"]: text_of(one["Value"]) for one in alarm.get("Dimensions", ())}
            assert set(found) in DIMENSIONS[alarm["Namespace"]], name
            for value in found.values():
                owner = re.match(r"\$\{(\w+)", value)
                assert value in names or (owner and owner[1] in template.resources), (
                    f"{name}: nothing is called {value}"
                )


def namespace_of(template: Template) -> str:
    """In which the functions of a stage count."""
    (namespace,) = {
        function["Environment"]["Variables"][NAMESPACE_VARIABLE]
        for function in template.of_type("AWS::Lambda::Function").values()
        if NAMESPACE_VARIABLE in function.get("Environment", {}).get("Variables", {})
    }
    return str(namespace)


@pytest.mark.infra
def test_no_stage_counts_what_another_one_did() -> None:
    namespaces = {stage: namespace_of(template_of(stage)) for stage in STAGES}

    assert len(set(namespaces.values())) == len(STAGES)


@every_stage
def test_costs_are_counted_in_the_namespace_of_the_stage(template: Template) -> None:
    assert {
        one["MetricNamespace"]
        for found in template.of_type("AWS::Logs::MetricFilter").values()
        for one in found["MetricTransformations"]
    } == {namespace_of(template)}


@every_stage
def test_every_alarm_watches_a_metric_that_somebody_sends(template: Template) -> None:
    filtered = {
        one["MetricName"]
        for found in template.of_type("AWS::Logs::MetricFilter").values()
        for one in found["MetricTransformations"]
    }
    own = namespace_of(template)
    for name, alarm in template.of_type("AWS::CloudWatch::Alarm").items():
        metric = alarm["MetricName"]
        if alarm["Namespace"] != own:
            assert metric in AWS_METRICS[alarm["Namespace"]], name
        elif metric not in filtered:
            assert metric in set(Metric), name
            assert alarm["Dimensions"] == [{"Name": "service", "Value": SERVICE}], name


def test_every_metric_is_sent_somewhere() -> None:
    sent = (ROOT / "chalicelib" / "api" / "events.py").read_text(encoding="utf-8")
    built = ("JOBS_", "CHILDREN_")

    assert [
        metric.name for metric in Metric if f"Metric.{metric.name}" not in sent and not metric.name.startswith(built)
    ] == []
    assert 'Metric(f"Jobs{' in sent
    assert 'Metric(f"Children{' in sent


@every_stage
def test_the_costs_are_read_from_a_line_that_is_logged(template: Template) -> None:
    """The filter names a message and a field; the service logs exactly these."""
    tree = ast.parse((ROOT / "chalicelib" / "services" / "budgets.py").read_text(encoding="utf-8"))
    logged = {
        call.args[0].value: {keyword.arg for keyword in call.keywords}
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant)
    }
    for found in template.of_type("AWS::Logs::MetricFilter").values():
        message, field = re.findall(r'message = "([^"]+)" && \$\.(\w+) >', found["FilterPattern"])[0]
        assert field in logged[message]
        assert found["MetricTransformations"][0]["MetricValue"] == f"$.{field}"


@pytest.mark.parametrize(
    "metric",
    [
        "JobsFailed",
        "LongestWaitSeconds",
        "ApproximateNumberOfMessagesVisible",
        "Latency",
        "Throttles",
        "CommittedNanoUsd",
    ],
)
def test_what_an_operator_must_know_has_its_alarm(template: Template, metric: str) -> None:
    assert metric in {alarm["MetricName"] for alarm in template.of_type("AWS::CloudWatch::Alarm").values()}


@every_stage
def test_the_account_has_a_budget_for_the_month(template: Template) -> None:
    budget = template.only("AWS::Budgets::Budget")

    assert budget["Budget"]["BudgetLimit"]["Amount"] == STAGES[template.stage].monthly_budget_usd
    assert {one["Notification"]["NotificationType"] for one in budget["NotificationsWithSubscribers"]} == {
        "ACTUAL",
        "FORECASTED",
    }


@every_stage
def test_every_log_is_forgotten_some_day(template: Template) -> None:
    for name, group in template.of_type("AWS::Logs::LogGroup").items():
        assert 0 < group.get("RetentionInDays", 0) <= 365, name


@every_stage
def test_only_what_somebody_waits_for_is_traced(template: Template) -> None:
    traced = {
        found["Handler"]
        for found in template.of_type("AWS::Lambda::Function").values()
        if found.get("TracingConfig", {}).get("Mode") == "Active" and "Handler" in found
    }

    assert {handler for handler in traced if handler.startswith("app.")} == {"app.app", "app.resolve_graphql"}


# ---- limits of CloudFormation


@every_stage
def test_the_template_is_within_the_limits_of_cloudformation(template: Template) -> None:
    path = ROOT / "cdk.out" / f"reelscan-{template.stage}.template.json"

    # Source: CloudFormation quotas.
    assert len(template.resources) <= 500
    assert path.stat().st_size <= 1024 * 1024
    assert len(template.document.get("Outputs", {})) <= 200


@every_stage
def test_the_deploy_guide_states_how_large_the_template_is(template: Template) -> None:
    row = re.search(
        rf"^\| `{template.stage}` \| (\d+) \| (\d+) KB \|",
        (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    assert row is not None
    size = (ROOT / "cdk.out" / f"reelscan-{template.stage}.template.json").stat().st_size

    assert int(row[1]) == pytest.approx(len(template.resources), rel=0.05)
    assert int(row[2]) == pytest.approx(size / 1024, rel=0.1)
