"""No role may do more than its function does: nothing is granted with a wildcard that has no written reason."""

from __future__ import annotations

import re
from collections.abc import Iterable

from infra.cdk.permissions import FUNCTIONS, WILDCARDS, WITHOUT_RESOURCE, WORKER, Grant
from infra.wiring import WIRING
from tests.infra.templates import Properties, Template, as_list, every_stage, text_of


def granted(template: Template) -> Iterable[tuple[str, Properties]]:
    """Every statement of every role."""
    for name, policy in template.of_type("AWS::IAM::Policy").items():
        for statement in policy["PolicyDocument"]["Statement"]:
            yield name, statement


def actions_of(statements: Iterable[Properties]) -> set[str]:
    return {action for statement in statements for action in as_list(statement["Action"])}


ARNS = {
    "Stack": r"reelscan-[a-z]+",
    "Media": r"\$\{\w*Media\w*\.Arn\}",
    "Meta": r"\$\{\w*Meta\w*\.Arn\}",
    "Batch": r"arn:\$\{AWS::Partition\}:batch:\$\{AWS::Region\}:\$\{AWS::AccountId\}",
    "Imports": r"arn:\$\{AWS::Partition\}:s3:::[a-z0-9.-]+",
    "Api": r"\$\{App\w+\.Arn\}",
    "Approval": r"\$\{\w*Approval\w*\.Arn\}",
    "Deployments": r"arn:\S+:deploymentgroup:\$\{\w+\}",
}
"""What the words in braces stand for, in the text of a template."""


def is_explained(resource: str) -> bool:
    """Whether the text of a resource matches one of the reasons."""
    return any(
        re.fullmatch(re.sub(r"\\{(\w+)\\}", lambda word: ARNS[word[1]], re.escape(pattern)), resource)
        for pattern in WILDCARDS
    )


@every_stage
def test_no_action_is_granted_by_a_wildcard(template: Template) -> None:
    assert [action for _, one in granted(template) for action in as_list(one["Action"]) if "*" in action] == []


@every_stage
def test_only_actions_that_take_no_resource_are_granted_on_everything(template: Template) -> None:
    on_everything = [one for _, one in granted(template) if "*" in map(text_of, as_list(one["Resource"]))]

    assert actions_of(on_everything) <= WITHOUT_RESOURCE.keys()


@every_stage
def test_every_other_wildcard_has_its_reason(template: Template) -> None:
    resources = {text_of(resource) for _, one in granted(template) for resource in as_list(one["Resource"])}

    assert [one for one in sorted(resources) if "*" in one and one != "*" and not is_explained(one)] == []


def test_a_wildcard_without_a_reason_is_found() -> None:
    assert not is_explained("${Meta.Arn}/index/*")
    assert is_explained("${Media.Arn}/tenants/*")


@every_stage
def test_every_function_has_a_role_of_its_own(template: Template) -> None:
    roles = [text_of(found["Role"]) for found in template.of_type("AWS::Lambda::Function").values()]

    assert len(set(roles)) == len(roles) >= len(FUNCTIONS)


def expected_actions(grants: Iterable[Grant]) -> set[str]:
    return {action for grant in grants for action in grant.actions}


@every_stage
def test_a_function_may_do_what_its_grants_say_and_write_its_log(template: Template) -> None:
    own = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    # The destination of what failed for good: as CDK grants it.
    dead_letters = {"sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"}
    for handler, grants in FUNCTIONS.items():
        function = template.resources[template.function(f"app.{handler}")]["Properties"]
        may = actions_of(template.statements(function["Role"]["Fn::GetAtt"][0]))

        # A stage without buckets to import from grants nothing on them; the actions are the same as on our own.
        assert may - own - dead_letters == expected_actions(grants), handler


@every_stage
def test_only_what_schedules_start_reads_what_is_due(template: Template) -> None:
    readers = {
        handler
        for handler in FUNCTIONS
        for statement in template.statements(
            template.resources[template.function(f"app.{handler}")]["Properties"]["Role"]["Fn::GetAtt"][0]
        )
        for resource in as_list(statement["Resource"])
        if text_of(resource).endswith("/index/due")
    }

    assert readers == {schedule.handler for schedule in WIRING.schedules}


@every_stage
def test_workers_have_one_role_with_their_grants(template: Template) -> None:
    roles = {
        text_of(found["ContainerProperties"]["JobRoleArn"])
        for found in template.of_type("AWS::Batch::JobDefinition").values()
    }
    (role,) = roles

    may = actions_of(template.statements(role.removeprefix("${").partition(".")[0]))

    assert may == expected_actions(WORKER)


def test_every_handler_has_its_grants() -> None:
    assert FUNCTIONS.keys() == {"app", *WIRING.handlers}
