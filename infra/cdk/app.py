"""The index of the system on AWS: what a stage is made of, in the order in which one part needs the other.

    python -m infra.cdk.app            synthesises every stage into cdk.out
    STAGE=dev python -m infra.cdk.app  synthesises one

Needs the package of `make package`; neither Docker nor credentials nor a network.
"""

from __future__ import annotations

import os

from aws_cdk import App, CfnOutput, Stack, Tags, Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from infra.cdk.acknowledged import acknowledge
from infra.cdk.batch import make_batch
from infra.cdk.database import make_database
from infra.cdk.delivery import make_delivery
from infra.cdk.events import make_dead_letters, make_events
from infra.cdk.fast_lane import make_fast_lane
from infra.cdk.functions import API, make_functions, make_token_trigger, read_package
from infra.cdk.graphql import attach_resolvers, make_graphql
from infra.cdk.identity import come_back_to, make_identity
from infra.cdk.monitoring import Watched, make_monitoring, make_topic
from infra.cdk.network import make_network
from infra.cdk.rest import make_rest
from infra.cdk.settings import make_settings
from infra.cdk.stages import STAGES, Stage
from infra.cdk.storage import make_storage
from infra.cdk.viewer import make_viewer
from infra.wiring import WIRING

FLAGS = {
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/core:checkSecretUsage": True,
}
"""What a new CDK project would have and the library leaves off for old ones."""


def make_stack(app: App, stage: Stage) -> Stack:
    """Everything of one stage."""
    package = read_package()
    stack = Stack(app, f"reelscan-{stage.name}", description=f"reelscan, stage {stage.name}")
    Tags.of(stack).add("reelscan-stage", stage.name)
    topic = make_topic(stack)
    dead_letters = make_dead_letters(stack)
    storage = make_storage(stack, stage)
    database = make_database(stack, stage)
    network = make_network(stack, stage)
    batch = make_batch(stack, stage, network, database, storage)
    fast_lane = make_fast_lane(stack, stage, database, storage)
    identity = make_identity(stack, stage, make_token_trigger(stack, stage, package))
    graphql = make_graphql(stack, stage, identity.pool)
    settings = make_settings(stack, stage, database, storage, batch, fast_lane, identity, graphql.url)
    functions = make_functions(
        stack, stage, package, database, storage, batch, fast_lane, settings, graphql.api.attr_arn, dead_letters
    )
    aliases = functions.alias_by_handler
    attach_resolvers(graphql, aliases[WIRING.graphql.handler], database.meta)
    rest = make_rest(stack, stage, functions.api_definition, aliases[API])
    make_events(stack, database, storage, batch, fast_lane, aliases, dead_letters)
    delivery = make_delivery(stack, stage, package, functions, topic)
    watched = Watched(functions, database, batch, rest, graphql, dead_letters)
    make_monitoring(stack, stage, watched, topic, delivery.alarm_by_handler)
    viewer = make_viewer(stack, storage, rest, graphql)
    come_back_to(identity, viewer.page_url)
    outputs = {
        "Address": viewer.url,
        "RestUrl": rest.url,
        "GraphQlUrl": graphql.url,
        "UserPool": identity.pool.user_pool_id,
        "SignInDomain": identity.domain.base_url(),
        "TokenUrl": f"{identity.domain.base_url()}/oauth2/token",
        "BrowserClient": identity.browser.user_pool_client_id,
        "OperatorClient": identity.operator.user_pool_client_id,
        "Bucket": storage.bucket.bucket_name,
        "AccessLogsBucket": storage.access_logs.bucket_name,
        "MetaTable": database.meta.table_name,
        "ResultsTable": database.results.table_name,
        "DeadLettersUrl": dead_letters.queue_url,
        "AnnouncementsTopic": topic.topic_arn,
    }
    for name, client in identity.machine_by_name.items():
        outputs[f"MachineClient{name.title().replace('-', '')}"] = client.user_pool_client_id
    for name, value in outputs.items():
        CfnOutput(stack, name, value=value)
    acknowledge(stack, stage)
    return stack


def main() -> None:
    """Synthesise; cdk-nag fails it when a finding is not acknowledged."""
    app = App(context=FLAGS)
    chosen = os.environ.get("STAGE") or ",".join(STAGES)
    for name in chosen.split(","):
        make_stack(app, STAGES[name])
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
    app.synth()


if __name__ == "__main__":
    main()
