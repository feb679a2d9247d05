"""Functions and workers find in their environment what they read, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.api.telemetry import NAMESPACE_VARIABLE
from chalicelib.domain.costs import VCPUS_BY_LANE
from chalicelib.domain.units import Lane
from chalicelib.settings import read_settings
from infra.wiring import WIRING
from tests.infra.templates import ROOT, Template, every_stage, text_of

CURSOR_KEY = "00" * 32


class Recorded(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def environment_of(template: Template, handler: str) -> dict[str, str]:
    """With names of resources as text; the secret as Secrets Manager would make it."""
    variables = template.resources[template.function(handler)]["Properties"]["Environment"]["Variables"]
    texts = {name: text_of(value) for name, value in variables.items()}
    assert "{{resolve:secretsmanager:" in texts["REELSCAN_CURSOR_KEY"]
    return texts | {"REELSCAN_CURSOR_KEY": CURSOR_KEY}


@every_stage
def test_every_function_finds_its_settings_and_none_that_it_does_not_read(template: Template) -> None:
    for handler in template.aliases().values():
        environment = Recorded(environment_of(template, handler))

        read_settings(environment)

        left = {name for name in environment if name not in environment.asked}
        assert left == {NAMESPACE_VARIABLE}, handler


@every_stage
def test_settings_name_the_resources_of_the_stack(template: Template) -> None:
    settings = read_settings(environment_of(template, "app.app"))
    (pool,) = template.of_type("AWS::Cognito::UserPool")
    queues = {f"${{{name}.JobQueueArn}}" for name in template.of_type("AWS::Batch::JobQueue")}

    assert set(settings.queue_by_lane.values()) == queues
    assert set(settings.job_definition_by_lane.values()) == {
        f"${{{name}}}" for name in template.of_type("AWS::Batch::JobDefinition")
    }
    assert settings.bucket.startswith("${StorageMedia")
    assert settings.jwks_url == f"{settings.token_issuer}/.well-known/jwks.json"
    assert pool in settings.token_issuer
    assert set(settings.token_client_ids) == {
        f"${{{name}}}" for name in template.of_type("AWS::Cognito::UserPoolClient")
    }
    assert settings.graphql_url.endswith(".GraphQLUrl}")


@every_stage
def test_the_secret_is_a_key_in_hex(template: Template) -> None:
    made = template.only("AWS::SecretsManager::Secret")["GenerateSecretString"]
    letters = set("abcdefghijklmnopqrstuvwxyz") - set(made["ExcludeCharacters"])

    assert letters == set("abcdef")
    assert made["ExcludeUppercase"] is made["ExcludePunctuation"] is True
    assert len(bytes.fromhex("a" * made["PasswordLength"])) == 32


def names_that_workers_read() -> set[str]:
    """Every variable of ours that the code of the worker asks for."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "gpu_batch").rglob("*.py")))
    return set(re.findall(r'"(REELSCAN_[A-Z_]+)"', text))


GIVEN_OTHERWISE = {
    # By whoever submits the job, and by the image that has engines.
    "REELSCAN_ORDER",
    "REELSCAN_ENGINES",
    # By the handler of the fast lane.
    "REELSCAN_WORKER",
}


@every_stage
def test_every_worker_finds_what_it_reads(template: Template) -> None:
    for definition in template.of_type("AWS::Batch::JobDefinition").values():
        found = {one["Name"]: text_of(one["Value"]) for one in definition["ContainerProperties"]["Environment"]}

        assert {name for name in found if name.startswith("REELSCAN_")} == names_that_workers_read() - GIVEN_OTHERWISE
        assert found["AWS_DEFAULT_REGION"] == "${AWS::Region}"


@every_stage
def test_the_fast_lane_finds_what_a_worker_reads(template: Template) -> None:
    found = fast_lane(template)["Environment"]["Variables"]

    assert found.keys() == names_that_workers_read() - GIVEN_OTHERWISE
    # Lambda gives a vCPU for every 1,769 MB, and takes no variable that names its region.
    assert int(found["REELSCAN_VCPUS"]) == VCPUS_BY_LANE[Lane.FAST] <= fast_lane(template)["MemorySize"] / 1769 + 0.5


def fast_lane(template: Template) -> dict[str, Any]:
    """The one function that is an image."""
    (found,) = (
        dict(one) for one in template.of_type("AWS::Lambda::Function").values() if one.get("PackageType") == "Image"
    )
    return found


@every_stage
def test_the_fast_lane_is_as_the_wiring_has_it(template: Template) -> None:
    found, wired = fast_lane(template), WIRING.fast

    assert (found["MemorySize"], found["Timeout"]) == (wired.memory_mib, wired.timeout_seconds)
    assert found["EphemeralStorage"] == {"Size": wired.scratch_mib}
    assert found["ImageConfig"] == {"EntryPoint": list(wired.entry_point), "Command": list(wired.command)}
    assert read_settings(environment_of(template, "app.app")).fast_function == f"${{{fast_alias(template)}}}"


def fast_alias(template: Template) -> str:
    """The logical id of its alias."""
    (name,) = template.of_type("AWS::Lambda::Alias").keys() - template.aliases().keys()
    return name


@every_stage
def test_lambda_tells_the_bus_of_every_end_of_the_fast_lane_and_repeats_nothing(template: Template) -> None:
    (found,) = (
        one
        for one in template.of_type("AWS::Lambda::EventInvokeConfig").values()
        if fast_alias(template) in text_of(one["Qualifier"])
    )

    assert found["MaximumRetryAttempts"] == WIRING.fast.retry_attempts == 0
    assert found["MaximumEventAgeInSeconds"] == WIRING.fast.event_age_seconds
    for end in ("OnSuccess", "OnFailure"):
        assert text_of(found["DestinationConfig"][end]["Destination"]).endswith(":event-bus/default")


@every_stage
def test_a_worker_uses_the_cores_that_it_pays_for(template: Template) -> None:
    vcpus = {}
    for definition in template.of_type("AWS::Batch::JobDefinition").values():
        needs = {one["Type"]: one["Value"] for one in definition["ContainerProperties"]["ResourceRequirements"]}
        found = {one["Name"]: one["Value"] for one in definition["ContainerProperties"]["Environment"]}
        assert found["REELSCAN_VCPUS"] == needs["VCPU"]
        vcpus[needs["VCPU"]] = needs["MEMORY"], needs.get("GPU", "0")

    assert vcpus == {
        str(lane.definition.vcpus): (str(lane.definition.memory_mib), str(lane.definition.gpus))
        for lane in WIRING.lanes
    }


def test_the_names_that_workers_read_are_found() -> None:
    assert {"REELSCAN_META_TABLE", "REELSCAN_BUCKET", "REELSCAN_VCPUS"} <= names_that_workers_read()
