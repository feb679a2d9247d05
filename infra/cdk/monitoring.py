"""Monitoring: alarms with their runbooks, a dashboard, saved queries, a budget.

Metrics of the service are named by `telemetry.Metric`, so that no alarm can watch what nobody sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration, Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from chalicelib.api.telemetry import SERVICE, Metric
from infra.cdk.batch import Batch
from infra.cdk.database import Database
from infra.cdk.functions import Functions
from infra.cdk.graphql import GraphQl
from infra.cdk.rest import Rest
from infra.cdk.settings import metrics_namespace
from infra.cdk.stages import QUEUE_SECONDS, Stage

RUNBOOK = "docs/operations.md"
TOLD_BY = ("budgets.amazonaws.com", "cloudwatch.amazonaws.com")
"""Services that publish to the topic in their own names; functions and people do so by their roles."""
NANO = 1_000_000_000
MINUTES = Duration.minutes
COMMITTED = "CommittedNanoUsd"
"""What ended work has cost, read from the line that `services/budgets.py` logs of each reservation."""
SETTLED_LINE = '{ $.message = "reservation settled" && $.committed_nano_usd > 0 }'
SETTLERS = ("on_batch_state_change", "on_invocation_ended", "on_meta_stream", "reconcile")
"""Functions that settle what work has cost; the API does so only for what is deleted."""
QUERIES: Mapping[str, str] = {
    "errors": "fields @timestamp, location, message, exception | filter level = 'ERROR' | sort @timestamp desc",
    "one job": (
        "fields @timestamp, service, message, job_id, segment_index, attempt, exit_code"
        " | filter @message like 'job_REPLACE' | sort @timestamp asc"
    ),
    "workers that failed": (
        "fields @timestamp, batch_job_id, code, detail, exit_code"
        " | filter message in ['worker ends', 'worker failed'] and exit_code != 0 | sort @timestamp desc"
    ),
    "cost by owner": (
        "filter message = 'reservation settled'"
        " | stats sum(committed_nano_usd) / 1e9 as usd by owner | sort usd desc | limit 50"
    ),
    "slow cold starts": (
        "filter @type = 'REPORT' and ispresent(@initDuration)"
        " | stats count(*), pct(@initDuration, 50), pct(@initDuration, 99) by bin(1h)"
    ),
}
"""Saved in CloudWatch Logs Insights, by name."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked at."""

    functions: Functions
    database: Database
    batch: Batch
    rest: Rest
    graphql: GraphQl
    dead_letters: sqs.Queue


@dataclass(frozen=True, slots=True)
class _Own:
    """Metrics of the service itself, in the namespace of this deployment."""

    namespace: str

    def metric(self, metric: Metric, statistic: str, period: Duration) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=self.namespace,
            metric_name=metric.value,
            dimensions_map={"service": SERVICE},
            statistic=statistic,
            period=period,
        )

    def cost(self, statistic: str, period: Duration) -> cloudwatch.Metric:
        return cloudwatch.Metric(namespace=self.namespace, metric_name=COMMITTED, statistic=statistic, period=period)


def make_topic(stack: Stack) -> sns.Topic:
    """Where people are told: alarms, budgets, releases that wait for approval."""
    topic = sns.Topic(stack, "Announcements", enforce_ssl=True)
    # A topic with a policy of its own has lost the one by which everything in its account may publish, alarms too.
    # Source: https://repost.aws/knowledge-center/cloudwatch-receive-sns-for-alarm-trigger
    for publisher in TOLD_BY:
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(publisher)],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": stack.account}},
            )
        )
    return topic


def make_monitoring(
    stack: Stack,
    stage: Stage,
    watched: Watched,
    topic: sns.Topic,
    rollback_alarms: Mapping[str, cloudwatch.Alarm],
) -> None:
    """Everything that looks at the rest of the stack."""
    scope = Construct(stack, "Monitoring")
    own = _Own(metrics_namespace(stack))
    _count_costs(scope, own, watched.functions)
    alarms = [*_alarms(scope, stage, own, watched), *rollback_alarms.values()]
    tell = actions.SnsAction(topic)
    for alarm in alarms:
        alarm.add_alarm_action(tell)
    _dashboard(scope, stack, own, watched, alarms)
    _queries(scope, stack, watched)
    _budget(scope, stage, topic)


def _alarms(scope: Construct, stage: Stage, own: _Own, watched: Watched) -> list[cloudwatch.Alarm]:
    latency = watched.rest.api.metric_latency(period=MINUTES(5), statistic="p99")
    lag = watched.functions.function_by_handler["on_meta_stream"].metric(
        "IteratorAge", period=MINUTES(5), statistic="Maximum"
    )
    reconciled = watched.functions.function_by_handler["reconcile"].metric_invocations(
        period=MINUTES(5), statistic="Sum"
    )
    throttled = cloudwatch.Metric(namespace="AWS/Lambda", metric_name="Throttles", period=MINUTES(5), statistic="Sum")
    writes = watched.database.meta.metric("WriteThrottleEvents", period=MINUTES(5), statistic="Sum")
    return [
        _alarm(scope, "JobsFail", own.metric(Metric.JOBS_FAILED, "Sum", MINUTES(15)), 3, "jobs-fail"),
        _alarm(scope, "ChildrenFail", own.metric(Metric.CHILDREN_FAILED, "Sum", MINUTES(15)), 20, "workers-fail"),
        _alarm(
            scope,
            "WaitForMachines",
            own.metric(Metric.LONGEST_WAIT_SECONDS, "Maximum", MINUTES(5)),
            QUEUE_SECONDS // 2,
            "jobs-wait-for-machines",
        ),
        _alarm(
            scope,
            "DeadLetters",
            watched.dead_letters.metric_approximate_number_of_messages_visible(period=MINUTES(5), statistic="Maximum"),
            1,
            "dead-letters",
        ),
        _alarm(scope, "SlowRest", latency, 3000, "slow-answers", times=3),
        _alarm(
            scope,
            "RestErrors",
            watched.rest.api.metric_server_error(period=MINUTES(5), statistic="Sum"),
            5,
            "errors-of-the-api",
        ),
        _alarm(scope, "GraphQlErrors", _graphql_errors(watched.graphql), 5, "errors-of-the-api"),
        _alarm(scope, "Throttles", throttled, 10, "throttled-functions", times=3),
        _alarm(scope, "TableThrottles", writes, 10, "throttled-tables", times=3),
        _alarm(scope, "EventsLag", lag, 5 * 60 * 1000, "events-lag"),
        _alarm(scope, "CostOfADay", own.cost("Sum", Duration.days(1)), stage.daily_usd * NANO, "cost-of-a-day"),
        # The one that watches the watcher: no news is bad news.
        _alarm(scope, "ReconcilerSilent", reconciled, 1, "silent-reconciler", is_floor=True, times=3),
    ]


def _alarm(
    scope: Construct,
    name: str,
    metric: cloudwatch.IMetric,
    threshold: float,
    runbook: str,
    *,
    times: int = 1,
    is_floor: bool = False,
) -> cloudwatch.Alarm:
    """An alarm at `threshold` or above; below it, or without any data, when it is a floor."""
    compare, missing = cloudwatch.ComparisonOperator, cloudwatch.TreatMissingData
    return cloudwatch.Alarm(
        scope,
        name,
        metric=metric,
        threshold=threshold,
        evaluation_periods=times,
        comparison_operator=(compare.LESS_THAN_THRESHOLD if is_floor else compare.GREATER_THAN_OR_EQUAL_TO_THRESHOLD),
        treat_missing_data=missing.BREACHING if is_floor else missing.NOT_BREACHING,
        alarm_description=f"What it means and what to do: {RUNBOOK}#{runbook}",
    )


def _graphql_errors(graphql: GraphQl) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/AppSync",
        metric_name="5XXError",
        dimensions_map={"GraphQLAPIId": graphql.api.attr_api_id},
        statistic="Sum",
        period=MINUTES(5),
    )


def _count_costs(scope: Construct, own: _Own, functions: Functions) -> None:
    for handler in SETTLERS:
        logs.MetricFilter(
            scope,
            f"Costs{handler.title().replace('_', '')}",
            log_group=functions.function_by_handler[handler].log_group,
            filter_pattern=logs.FilterPattern.literal(SETTLED_LINE),
            metric_namespace=own.namespace,
            metric_name=COMMITTED,
            metric_value="$.committed_nano_usd",
        )


def _dashboard(scope: Construct, stack: Stack, own: _Own, watched: Watched, alarms: list[cloudwatch.Alarm]) -> None:
    five = MINUTES(5)
    functions = watched.functions.function_by_handler

    def graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
        return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8)

    dashboard = cloudwatch.Dashboard(scope, "Dashboard", dashboard_name=stack.stack_name)
    dashboard.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms, width=24))
    dashboard.add_widgets(
        graph(
            "Jobs",
            *(
                own.metric(metric, "Sum", five)
                for metric in (Metric.JOBS_PENDING, Metric.JOBS_SUCCEEDED, Metric.JOBS_PARTIAL, Metric.JOBS_FAILED)
            ),
        ),
        graph(
            "Workers",
            own.metric(Metric.CHILDREN_SUCCEEDED, "Sum", five),
            own.metric(Metric.CHILDREN_FAILED, "Sum", five),
        ),
        graph("Longest wait for a machine (s)", own.metric(Metric.LONGEST_WAIT_SECONDS, "Maximum", five)),
    )
    api = watched.rest.api
    dashboard.add_widgets(
        graph("REST", api.metric_count(), api.metric_client_error(), api.metric_server_error()),
        graph("REST latency (ms)", api.metric_latency(statistic="p50"), api.metric_latency(statistic="p99")),
        graph("GraphQL errors", _graphql_errors(watched.graphql)),
    )
    dashboard.add_widgets(
        graph("Functions", *(function.metric_invocations() for function in functions.values())),
        graph("Errors", *(function.metric_errors() for function in functions.values())),
        graph("Duration p99 (ms)", *(function.metric_duration(statistic="p99") for function in functions.values())),
    )
    dashboard.add_widgets(
        graph(
            "Uploads and events",
            own.metric(Metric.OBJECTS_CREATED, "Sum", five),
            own.metric(Metric.JOB_EVENTS, "Sum", five),
        ),
        graph("Dead letters", watched.dead_letters.metric_approximate_number_of_messages_visible()),
        graph("Cost of ended work (nano-dollars)", own.cost("Sum", Duration.hours(1))),
    )


def _queries(scope: Construct, stack: Stack, watched: Watched) -> None:
    groups = [function.log_group.log_group_name for function in watched.functions.function_by_handler.values()]
    groups.append(watched.batch.log_group.log_group_name)
    for name, text in QUERIES.items():
        logs.CfnQueryDefinition(
            scope,
            "Query" + "".join(word.title() for word in name.split()),
            name=f"{stack.stack_name}/{name}",
            query_string=text,
            log_group_names=groups,
        )


def _budget(scope: Construct, stage: Stage, topic: sns.Topic) -> None:
    """Of the whole account: a filter by tag would show nothing until somebody activates the tag."""
    subscriber = budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=topic.topic_arn)
    budgets.CfnBudget(
        scope,
        "Month",
        budget=budgets.CfnBudget.BudgetDataProperty(
            budget_type="COST",
            time_unit="MONTHLY",
            budget_limit=budgets.CfnBudget.SpendProperty(amount=stage.monthly_budget_usd, unit="USD"),
        ),
        notifications_with_subscribers=[
            budgets.CfnBudget.NotificationWithSubscribersProperty(
                notification=budgets.CfnBudget.NotificationProperty(
                    notification_type=kind,
                    comparison_operator="GREATER_THAN",
                    threshold=threshold,
                    threshold_type="PERCENTAGE",
                ),
                subscribers=[subscriber],
            )
            for kind, threshold in (("ACTUAL", 80), ("FORECASTED", 100))
        ],
    )
