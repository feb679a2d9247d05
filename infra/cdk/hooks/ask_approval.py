"""Before a new version of the API gets any traffic: is it well, and does a person want it?

CodeDeploy calls this and then waits, for an hour at most, until somebody says how it went. A version that does not
answer `GET /health` is refused here and now. One that does is announced, with the two commands by which a person
answers.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger()
logger.setLevel(logging.INFO)

HEALTH_REQUEST = {
    "resource": "/health",
    "path": "/health",
    "httpMethod": "GET",
    "headers": {},
    "multiValueHeaders": {},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": None,
    "stageVariables": None,
    "requestContext": {"resourcePath": "/health", "httpMethod": "GET", "path": "/health"},
    "body": None,
    "isBase64Encoded": False,
}


@dataclass(frozen=True, slots=True)
class Clients:
    """The three services that are asked."""

    codedeploy: Any
    functions: Any
    topics: Any


def handle(event: dict[str, str], _context: object) -> None:
    """The function."""
    import boto3

    clients = Clients(boto3.client("codedeploy"), boto3.client("lambda"), boto3.client("sns"))
    ask_approval(event, clients, function_name=os.environ["FUNCTION_NAME"], topic_arn=os.environ["TOPIC_ARN"])


def ask_approval(event: dict[str, str], clients: Clients, *, function_name: str, topic_arn: str) -> None:
    """Refuse a version that is not well; announce one that is, and leave the answer to a person."""
    deployment, execution = event["DeploymentId"], event["LifecycleEventHookExecutionId"]
    version = _target_version(clients.codedeploy.get_deployment(deploymentId=deployment))
    trouble = _trouble(clients.functions, function_name, version)
    if trouble:
        logger.error("version %s of %s is refused: %s", version, function_name, trouble)
        clients.codedeploy.put_lifecycle_event_hook_execution_status(
            deploymentId=deployment, lifecycleEventHookExecutionId=execution, status="Failed"
        )
        return
    answer = (
        "aws deploy put-lifecycle-event-hook-execution-status"
        f" --deployment-id {deployment} --lifecycle-event-hook-execution-id {execution} --status"
    )
    clients.topics.publish(
        TopicArn=topic_arn,
        Subject=f"Release of {function_name}"[:100],
        Message=(
            f"Version {version} of {function_name} is well and waits for approval, for an hour at most.\n\n"
            f"Approve: {answer} Succeeded\nRefuse:  {answer} Failed\n"
        ),
    )
    logger.info("version %s of %s waits for approval of deployment %s", version, function_name, deployment)


def _target_version(answer: dict[str, Any]) -> str:
    revision = answer["deploymentInfo"]["revision"]
    # `string` is CodeDeploy's older word for the same; which of them CloudFormation uses is written nowhere.
    content = json.loads((revision.get("string") or revision["appSpecContent"])["content"])
    (resource,) = content["Resources"]
    (described,) = resource.values()
    return str(described["Properties"]["TargetVersion"])


def _trouble(functions: Any, function_name: str, version: str) -> str:
    answer = functions.invoke(
        FunctionName=function_name, Qualifier=version, Payload=json.dumps(HEALTH_REQUEST).encode()
    )
    body = json.loads(answer["Payload"].read() or b"{}")
    if answer.get("FunctionError"):
        return f"it raised {body.get('errorType')}: {body.get('errorMessage')}"
    if body.get("statusCode") != 200:
        return f"GET /health answered {body.get('statusCode')}"
    return ""
