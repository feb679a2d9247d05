"""Traffic moves a part first, moves back by itself, and in some stages only when a person says so."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from infra.cdk.hooks.ask_approval import HEALTH_REQUEST, Clients, ask_approval
from infra.cdk.stages import STAGES
from infra.local.functions import LambdaContext
from tests.infra.templates import Template, text_of

STAGES_WITH_CANARY = pytest.mark.parametrize("template", ["staging", "prod", "hardened"], indirect=True)
STAGES_WITH_APPROVAL = pytest.mark.parametrize("template", ["prod", "hardened"], indirect=True)


def groups_by_handler(template: Template) -> dict[str, Any]:
    """Update policies of the aliases: what CloudFormation has CodeDeploy do, by handler."""
    return {
        handler: template.resources[alias]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        for alias, handler in template.aliases().items()
    }


@STAGES_WITH_CANARY
def test_every_alias_is_moved_by_codedeploy(template: Template) -> None:
    groups = {text_of(one["DeploymentGroupName"]) for one in groups_by_handler(template).values()}

    assert groups == {f"${{{name}}}" for name in template.of_type("AWS::CodeDeploy::DeploymentGroup")}
    assert len(groups) == len(template.aliases())


@STAGES_WITH_CANARY
def test_a_part_of_the_traffic_moves_first(template: Template) -> None:
    canary = STAGES[template.stage].canary
    assert canary is not None
    routing = template.only("AWS::CodeDeploy::DeploymentConfig")["TrafficRoutingConfig"]

    assert routing == {
        "Type": "TimeBasedCanary",
        "TimeBasedCanary": {"CanaryInterval": canary.minutes, "CanaryPercentage": canary.percent},
    }


@STAGES_WITH_CANARY
def test_every_move_is_taken_back_by_an_alarm_on_the_errors_of_its_alias(template: Template) -> None:
    alarms = template.of_type("AWS::CloudWatch::Alarm")
    for group in template.of_type("AWS::CodeDeploy::DeploymentGroup").values():
        assert set(group["AutoRollbackConfiguration"]["Events"]) == {
            "DEPLOYMENT_FAILURE",
            "DEPLOYMENT_STOP_ON_REQUEST",
            "DEPLOYMENT_STOP_ON_ALARM",
        }
        (alarm,) = (alarms[one["Name"]["Ref"]] for one in group["AlarmConfiguration"]["Alarms"])
        assert (alarm["Namespace"], alarm["MetricName"], alarm["Threshold"]) == ("AWS/Lambda", "Errors", 1)
        assert any(one["Name"] == "Resource" and ":live" in text_of(one["Value"]) for one in alarm["Dimensions"])


@STAGES_WITH_APPROVAL
def test_the_release_of_the_api_waits_for_a_person(template: Template) -> None:
    hooks = {handler: one.get("BeforeAllowTrafficHook") for handler, one in groups_by_handler(template).items()}
    asks = template.function("ask_approval.handle")

    assert hooks.pop("app.app") == {"Ref": asks}
    assert set(hooks.values()) == {None}


@STAGES_WITH_CANARY
def test_the_other_functions_follow_the_api(template: Template) -> None:
    aliases = {handler: alias for alias, handler in template.aliases().items()}
    first = aliases.pop("app.app")

    for alias in aliases.values():
        assert first in template.resources[alias]["DependsOn"]


@pytest.mark.parametrize("template", ["dev"], indirect=True)
def test_a_stage_without_canary_moves_at_once(template: Template) -> None:
    assert not any("UpdatePolicy" in template.resources[alias] for alias in template.aliases())


# ---- the function that asks


class Services:
    """CodeDeploy, Lambda and SNS."""

    def __init__(self, answer: dict[str, Any], function_error: str = "", revision: str = "string") -> None:
        self._answer = answer
        self._revision = revision
        self._function_error = function_error
        self.invoked: list[dict[str, Any]] = []
        self.reported: list[dict[str, Any]] = []
        self.published: list[dict[str, Any]] = []

    def get_deployment(self, *, deploymentId: str) -> dict[str, Any]:  # noqa: N803  as boto3 has it
        resource = {
            "App": {"Type": "AWS::Lambda::Function", "Properties": {"CurrentVersion": "6", "TargetVersion": "7"}}
        }
        content = json.dumps({"version": 0.0, "Resources": [resource]})
        return {"deploymentInfo": {"deploymentId": deploymentId, "revision": {self._revision: {"content": content}}}}

    def invoke(self, **request: Any) -> dict[str, Any]:
        self.invoked.append(request)
        found: dict[str, Any] = {"Payload": io.BytesIO(json.dumps(self._answer).encode())}
        return found | ({"FunctionError": self._function_error} if self._function_error else {})

    def put_lifecycle_event_hook_execution_status(self, **report: Any) -> None:
        self.reported.append(report)

    def publish(self, **message: Any) -> None:
        self.published.append(message)


def asked(services: Services) -> None:
    event = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"}
    ask_approval(event, Clients(services, services, services), function_name="api", topic_arn="arn:topic")


def test_a_version_that_is_well_is_announced_and_waits() -> None:
    services = Services({"statusCode": 200})

    asked(services)

    (message,) = services.published
    assert services.reported == []
    assert "--deployment-id d-1 --lifecycle-event-hook-execution-id e-1 --status Succeeded" in message["Message"]


@pytest.mark.parametrize("revision", ["string", "appSpecContent"])
def test_it_is_the_new_version_that_is_asked(revision: str) -> None:
    services = Services({"statusCode": 200}, revision=revision)

    asked(services)

    (request,) = services.invoked
    assert (request["FunctionName"], request["Qualifier"]) == ("api", "7")


@pytest.mark.parametrize(
    "services",
    [Services({"statusCode": 500}), Services({"errorType": "ImportError", "errorMessage": "no"}, "Unhandled")],
    ids=["answers 500", "raises"],
)
def test_a_version_that_is_not_well_is_refused_and_nobody_is_asked(services: Services) -> None:
    asked(services)

    assert services.published == []
    assert services.reported == [{"deploymentId": "d-1", "lifecycleEventHookExecutionId": "e-1", "status": "Failed"}]


def test_the_question_is_one_that_the_app_answers() -> None:
    import app as service

    answer = service.app(json.loads(json.dumps(HEALTH_REQUEST)), LambdaContext("app"))

    assert answer["statusCode"] == 200
