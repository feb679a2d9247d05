"""Batch: machines that exist while jobs wait, the queues, the job definitions of the wiring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Aws, Duration, Size, Stack
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.cdk.database import Database
from infra.cdk.grants import allow, arns_of_data
from infra.cdk.log_groups import make_log_group
from infra.cdk.network import Network
from infra.cdk.permissions import WORKER
from infra.cdk.stages import QUEUE_SECONDS, Stage
from infra.cdk.storage import Storage
from infra.wiring import WIRING, ExitRule, Lane

GPU_INSTANCES = ("g4dn.xlarge", "g5.xlarge", "g6.xlarge")
"""One GPU, 4 vCPUs and 16 GiB each: what the wiring's job definition asks for, and no idle rest."""
CPU_INSTANCES = ("m6i.large", "m6a.large", "m7i.large", "m6i.xlarge", "m6a.xlarge", "m7i.xlarge")
DISK_GIB = 80
"""The image of the gpu target unpacks to about 12 GB; the rest is for temporary files of exports."""
WORKER_UID = "10001"
"""As in gpu_batch/Dockerfile."""
SHARE_DECAY = Duration.minutes(10)
"""How long a tenant's last jobs weigh against it."""


@dataclass(frozen=True, slots=True)
class BatchLane:
    """A queue and what is sent to it."""

    queue: batch.JobQueue
    definition: batch.EcsJobDefinition
    definition_name: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What others need of it."""

    lane_by_name: Mapping[str, BatchLane]
    job_role: iam.Role
    log_group: logs.LogGroup


def make_batch(stack: Stack, stage: Stage, network: Network, database: Database, storage: Storage) -> Batch:
    """Both lanes of the wiring."""
    scope = Construct(stack, "Batch")
    log_group = make_log_group(scope, "WorkerLog", stage)
    job_role = iam.Role(scope, "JobRole", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
    allow(job_role, WORKER, arns_of_data(database, storage, stage.import_buckets))
    machines = _Machines(scope, network)
    capacity = stage.capacity
    gpu = [
        machines.make("GpuSpot", GPU_INSTANCES, capacity.gpu_spot, is_spot=True, has_gpu=True),
        machines.make("GpuOnDemand", GPU_INSTANCES, capacity.gpu_on_demand, is_spot=False, has_gpu=True),
    ]
    cpu = [
        machines.make("CpuSpot", CPU_INSTANCES, capacity.cpu_spot, is_spot=True, has_gpu=False),
        machines.make("CpuOnDemand", CPU_INSTANCES, capacity.cpu_on_demand, is_spot=False, has_gpu=False),
    ]
    shares = batch.FairshareSchedulingPolicy(scope, "Tenants", share_decay=SHARE_DECAY)
    lanes = {}
    for lane, environments, image in ((WIRING.gpu, gpu, storage.gpu_image), (WIRING.cpu, cpu, storage.cpu_image)):
        container = ecs.ContainerImage.from_docker_image_asset(image)
        name = f"{stack.stack_name}-{lane.definition.name}"
        definition = _definition(scope, name, lane, container, job_role, log_group, database, storage)
        lanes[lane.queue] = BatchLane(_queue(scope, lane, environments, shares), definition, name)
    return Batch(lanes, job_role, log_group)


class _Machines:
    """Makes compute environments of one launch template and role."""

    def __init__(self, scope: Construct, network: Network) -> None:
        self._scope = scope
        self._network = network
        self._role = iam.Role(
            scope,
            "InstanceRole",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonEC2ContainerServiceforEC2Role")
            ],
        )
        self._template = ec2.LaunchTemplate(
            scope,
            "Machine",
            http_tokens=ec2.LaunchTemplateHttpTokens.REQUIRED,
            # One hop ends at the host: a container cannot ask for the instance's role.
            http_put_response_hop_limit=1,
            block_devices=[
                ec2.BlockDevice(
                    device_name="/dev/xvda",
                    volume=ec2.BlockDeviceVolume.ebs(
                        DISK_GIB, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3, delete_on_termination=True
                    ),
                )
            ],
        )

    def make(
        self, name: str, instances: Sequence[str], most_vcpus: int, *, is_spot: bool, has_gpu: bool
    ) -> batch.ManagedEc2EcsComputeEnvironment:
        """An environment that starts at no machine and goes back to none."""
        image = batch.EcsMachineImageType.ECS_AL2023_NVIDIA if has_gpu else batch.EcsMachineImageType.ECS_AL2023
        strategy = batch.AllocationStrategy
        environment = batch.ManagedEc2EcsComputeEnvironment(
            self._scope,
            name,
            vpc=self._network.vpc,
            vpc_subnets=self._network.subnets,
            security_groups=[self._network.security_group],
            instance_types=[ec2.InstanceType(instance) for instance in instances],
            use_optimal_instance_classes=False,
            images=[batch.EcsMachineImage(image_type=image)],
            instance_role=self._role,
            launch_template=self._template,
            spot=is_spot,
            allocation_strategy=strategy.SPOT_PRICE_CAPACITY_OPTIMIZED if is_spot else strategy.BEST_FIT_PROGRESSIVE,
            minv_cpus=0,
            maxv_cpus=most_vcpus,
            update_to_latest_image_version=True,
        )
        # One that names no version stays with the first one for ever.
        environment.node.default_child.add_property_override(
            "ComputeResources.LaunchTemplate.Version", self._template.latest_version_number
        )
        return environment


def _queue(
    scope: Construct,
    lane: Lane,
    environments: Sequence[batch.ManagedEc2EcsComputeEnvironment],
    shares: batch.FairshareSchedulingPolicy,
) -> batch.JobQueue:
    """Spot first, then on demand; what cannot be started is cancelled, never kept for ever."""
    return batch.JobQueue(
        scope,
        f"{lane.queue.title()}Queue",
        priority=1,
        scheduling_policy=shares,
        compute_environments=[
            batch.OrderedComputeEnvironment(compute_environment=environment, order=order)
            for order, environment in enumerate(environments, start=1)
        ],
        job_state_time_limit_actions=[
            batch.JobStateTimeLimitAction(
                max_time=Duration.seconds(QUEUE_SECONDS),
                reason=reason,
                state=batch.JobStateTimeLimitActionsState.RUNNABLE,
                action=batch.JobStateTimeLimitActionsAction.CANCEL,
            )
            for reason in batch.JobStateTimeLimitActionsReason
        ],
    )


def _definition(
    scope: Construct,
    name: str,
    lane: Lane,
    image: ecs.ContainerImage,
    job_role: iam.Role,
    log_group: logs.LogGroup,
    database: Database,
    storage: Storage,
) -> batch.EcsJobDefinition:
    wired = lane.definition
    container = batch.EcsEc2ContainerDefinition(
        scope,
        f"{lane.queue.title()}Container",
        image=image,
        cpu=wired.vcpus,
        memory=Size.mebibytes(wired.memory_mib),
        gpu=wired.gpus or None,
        environment=worker_environment(database, storage, wired.vcpus),
        user=WORKER_UID,
        readonly_root_filesystem=True,
        # Exports and admissions write temporary files: a folder of the host's disk that ends with the container. It has
        # the rights that /tmp has in the image, since the Dockerfile names it as a volume: anybody may write there.
        volumes=[batch.EcsVolume.host(name="tmp", container_path="/tmp")],  # noqa: S108  the container's own
        job_role=job_role,
        logging=ecs.LogDriver.aws_logs(stream_prefix=lane.queue, log_group=log_group),
    )
    return batch.EcsJobDefinition(
        scope,
        f"{lane.queue.title()}Job",
        job_definition_name=name,
        container=container,
        retry_attempts=wired.retry.attempts,
        retry_strategies=[_retry(rule) for rule in wired.retry.rules],
        timeout=Duration.seconds(wired.attempt_timeout_seconds),
        scheduling_priority=1,
        # During a canary the old version of a function still submits the definition that it knows.
        skip_deregister_on_update=True,
    )


def worker_environment(database: Database, storage: Storage, vcpus: int) -> dict[str, str]:
    """What gpu_batch reads; the work order is added by whoever submits, the rest by Batch."""
    return {
        # Neither Batch nor boto3 finds it on EC2.
        "AWS_DEFAULT_REGION": Aws.REGION,
        "REELSCAN_META_TABLE": database.meta.table_name,
        "REELSCAN_RESULTS_TABLE": database.results.table_name,
        "REELSCAN_BUCKET": storage.bucket.bucket_name,
        # A container sees every core of its host.
        "REELSCAN_VCPUS": str(vcpus),
    }


def _retry(rule: ExitRule) -> batch.RetryStrategy:
    reason = batch.Reason.custom(
        on_exit_code=rule.on_exit_code, on_reason=rule.on_reason, on_status_reason=rule.on_status_reason
    )
    return batch.RetryStrategy.of(batch.Action[rule.action], reason)
