"""Database: both tables, from the wiring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.cdk.stages import Stage
from infra.wiring import WIRING, Attribute, Table


@dataclass(frozen=True, slots=True)
class Database:
    """What others need of it."""

    table_by_name: Mapping[str, dynamodb.TableV2]
    """By the name that the wiring gives it."""

    @property
    def meta(self) -> dynamodb.TableV2:
        """Videos, jobs, segments and the rest; streamed."""
        return self.table_by_name[WIRING.meta.name]

    @property
    def results(self) -> dynamodb.TableV2:
        """Blocks and indexes."""
        return self.table_by_name[WIRING.results.name]


def make_database(stack: Stack, stage: Stage) -> Database:
    """The tables, on demand, each second of the last five weeks restorable."""
    scope = Construct(stack, "Database")
    return Database({table.name: _table(scope, stage, table) for table in WIRING.tables})


def _table(scope: Construct, stage: Stage, table: Table) -> dynamodb.TableV2:
    return dynamodb.TableV2(
        scope,
        table.name.title(),
        partition_key=_attribute(table.partition_key),
        sort_key=_attribute(table.sort_key),
        billing=dynamodb.Billing.on_demand(),
        global_secondary_indexes=[
            dynamodb.GlobalSecondaryIndexPropsV2(
                index_name=index.name,
                partition_key=_attribute(index.partition_key),
                sort_key=_attribute(index.sort_key),
                projection_type=dynamodb.ProjectionType.KEYS_ONLY,
            )
            for index in table.indexes
        ],
        time_to_live_attribute=table.ttl_attribute,
        dynamo_stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES if table.has_stream else None,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        deletion_protection=stage.keeps_data,
        removal_policy=RemovalPolicy.RETAIN if stage.keeps_data else RemovalPolicy.DESTROY,
    )


def _attribute(attribute: Attribute) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=attribute.name, type=dynamodb.AttributeType[_TYPE[attribute.type]])


_TYPE = {"S": "STRING", "N": "NUMBER"}
