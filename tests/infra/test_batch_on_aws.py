"""Workers on AWS: machines only while jobs wait, retries by exit code, nothing that a worker does not need."""

from __future__ import annotations

import re

import pytest

from gpu_batch import errors
from infra.cdk.stages import QUEUE_SECONDS
from infra.wiring import RETRY, WIRING
from tests.infra.templates import Template, every_stage, text_of


@every_stage
def test_an_environment_starts_with_no_machine_and_has_a_limit(template: Template) -> None:
    for found in template.of_type("AWS::Batch::ComputeEnvironment").values():
        resources = found["ComputeResources"]
        assert (resources["MinvCpus"], found["Type"], found["State"]) == (0, "managed", "ENABLED")
        assert 0 < resources["MaxvCpus"] <= 512
        assert "DesiredvCpus" not in resources


@every_stage
def test_every_queue_tries_spot_machines_first_and_has_others_behind(template: Template) -> None:
    environments = template.of_type("AWS::Batch::ComputeEnvironment")
    for queue in template.of_type("AWS::Batch::JobQueue").values():
        ordered = sorted(queue["ComputeEnvironmentOrder"], key=lambda one: one["Order"])
        kinds = [
            environments[one["ComputeEnvironment"]["Fn::GetAtt"][0]]["ComputeResources"]["Type"] for one in ordered
        ]
        assert kinds == ["SPOT", "EC2"]


@every_stage
def test_a_job_that_cannot_start_is_cancelled_for_whatever_reason(template: Template) -> None:
    for queue in template.of_type("AWS::Batch::JobQueue").values():
        found = {
            one["Reason"]: (one["State"], one["Action"], one["MaxTimeSeconds"])
            for one in queue["JobStateTimeLimitActions"]
        }
        assert len(found) == 3
        assert set(found.values()) == {("RUNNABLE", "CANCEL", QUEUE_SECONDS)}


@every_stage
def test_tenants_share_the_queues_fairly(template: Template) -> None:
    (policy,) = template.of_type("AWS::Batch::SchedulingPolicy")

    assert {text_of(queue["SchedulingPolicyArn"]) for queue in template.of_type("AWS::Batch::JobQueue").values()} == {
        f"${{{policy}.Arn}}"
    }


@every_stage
def test_every_job_definition_has_the_retry_rules_of_the_wiring(template: Template) -> None:
    words = {
        "Action": "action",
        "OnExitCode": "on_exit_code",
        "OnReason": "on_reason",
        "OnStatusReason": "on_status_reason",
    }
    expected = [
        {word: getattr(rule, field) for word, field in words.items() if getattr(rule, field)} for rule in RETRY.rules
    ]
    for definition in template.of_type("AWS::Batch::JobDefinition").values():
        strategy = definition["RetryStrategy"]
        assert strategy["Attempts"] == RETRY.attempts
        assert [one | {"Action": one["Action"].upper()} for one in strategy["EvaluateOnExit"]] == expected


RETRIED_CODES = {rule.on_exit_code for rule in RETRY.rules if rule.action == "RETRY" and rule.on_exit_code}


@pytest.mark.parametrize("kind", [errors.Passing, errors.Drained])
def test_what_may_pass_is_retried(kind: type[errors.WorkerError]) -> None:
    assert str(kind.exit_code) in RETRIED_CODES


@pytest.mark.parametrize("code", [errors.BadInput.exit_code, errors.BadOrder.exit_code, errors.BUG, errors.DONE])
def test_what_cannot_pass_is_not(code: int) -> None:
    assert str(code) not in RETRIED_CODES


def test_what_no_rule_names_is_not_retried() -> None:
    # Batch retries what no rule matches, and takes five rules at most.
    assert (RETRY.rules[-1].action, RETRY.rules[-1].on_reason, len(RETRY.rules)) == ("EXIT", "*", 5)


@every_stage
def test_a_worker_is_nobody_on_a_file_system_that_it_cannot_write(template: Template) -> None:
    dockerfile = (WIRING.graphql.schema_path.parent.parent.parent / "gpu_batch" / "Dockerfile").read_text(
        encoding="utf-8"
    )
    (uid,) = re.findall(r"--uid (\d+)", dockerfile)
    for definition in template.of_type("AWS::Batch::JobDefinition").values():
        container = definition["ContainerProperties"]
        assert (container["User"], container["ReadonlyRootFilesystem"]) == (uid, True)
        assert not container.get("Privileged")
        assert [(one["ContainerPath"], one.get("ReadOnly", False)) for one in container["MountPoints"]] == [
            ("/tmp", False)
        ]
        # A folder of Docker's own, not one of the host's.
        assert "SourcePath" not in container["Volumes"][0].get("Host", {})


@every_stage
def test_an_attempt_ends_after_its_time_and_its_log_is_kept_for_a_while(template: Template) -> None:
    groups = template.of_type("AWS::Logs::LogGroup")
    timeouts = {lane.definition.attempt_timeout_seconds for lane in WIRING.lanes}
    for definition in template.of_type("AWS::Batch::JobDefinition").values():
        assert definition["Timeout"]["AttemptDurationSeconds"] in timeouts
        log = definition["ContainerProperties"]["LogConfiguration"]
        assert groups[log["Options"]["awslogs-group"]["Ref"]]["RetentionInDays"] > 0


@every_stage
def test_a_definition_that_old_functions_know_stays_during_a_canary(template: Template) -> None:
    for definition in template.of_type("AWS::Batch::JobDefinition").values():
        assert definition["ResourceRetentionPolicy"] == {"SkipDeregisterOnUpdate": True}


@every_stage
def test_machines_answer_questions_about_themselves_to_nobody_but_themselves(template: Template) -> None:
    data = template.only("AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
    (launch_template,) = template.of_type("AWS::EC2::LaunchTemplate")

    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
    for found in template.of_type("AWS::Batch::ComputeEnvironment").values():
        used = found["ComputeResources"]["LaunchTemplate"]
        assert launch_template in text_of(used["LaunchTemplateId"])
        assert text_of(used["Version"]) == f"${{{launch_template}.LatestVersionNumber}}"


@every_stage
def test_nothing_comes_in_and_only_https_goes_out(template: Template) -> None:
    workers = [
        found
        for found in template.of_type("AWS::EC2::SecurityGroup").values()
        if found["GroupDescription"].startswith("Workers")
    ]

    for group in workers:
        assert "SecurityGroupIngress" not in group
        assert {(one["IpProtocol"], one["FromPort"], one["ToPort"]) for one in group["SecurityGroupEgress"]} == {
            ("tcp", 443, 443)
        }
    assert len(workers) == 1


@pytest.mark.parametrize("template", ["hardened"], indirect=True)
def test_the_private_stage_has_no_way_to_the_internet(template: Template) -> None:
    assert template.of_type("AWS::EC2::InternetGateway") == {}
    assert not any(found.get("MapPublicIpOnLaunch") for found in template.of_type("AWS::EC2::Subnet").values())


@pytest.mark.parametrize("template", ["hardened"], indirect=True)
def test_the_private_stage_reaches_what_an_instance_of_ecs_needs(template: Template) -> None:
    services = {
        text_of(found["ServiceName"]).rpartition("${AWS::Region}.")[2]
        for found in template.of_type("AWS::EC2::VPCEndpoint").values()
    }

    assert services == {"s3", "dynamodb", "ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs"}
