"""The templates that `make synth` leaves in cdk.out, in a form that tests can ask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.cdk.stages import STAGES

ROOT = Path(__file__).resolve().parent.parent.parent
CDK_OUT = ROOT / "cdk.out"
Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Template:
    """One stage."""

    stage: str
    document: Mapping[str, Any]

    @property
    def resources(self) -> Mapping[str, Any]:
        """By logical id."""
        resources: Mapping[str, Any] = self.document["Resources"]
        return resources

    def of_type(self, kind: str) -> dict[str, Properties]:
        """Properties by logical id, in the order of the template."""
        return {name: found.get("Properties", {}) for name, found in self.resources.items() if found["Type"] == kind}

    def only(self, kind: str) -> Properties:
        """The properties of the one resource of this type."""
        (properties,) = self.of_type(kind).values()
        return properties

    def only_client(self, name: str) -> Properties:
        """The properties of the one client of the user pool with this name of a construct."""
        (found,) = (
            properties for client, properties in self.of_type("AWS::Cognito::UserPoolClient").items() if name in client
        )
        return found

    def function(self, handler: str) -> str:
        """The logical id of the function of a handler of app.py."""
        (name,) = (
            name for name, found in self.of_type("AWS::Lambda::Function").items() if found.get("Handler") == handler
        )
        return name

    def aliases(self) -> dict[str, str]:
        """Handler by the logical id of its alias; the function that is an image has none."""
        functions = self.of_type("AWS::Lambda::Function")
        return {
            name: functions[alias["FunctionName"]["Ref"]]["Handler"]
            for name, alias in self.of_type("AWS::Lambda::Alias").items()
            if "Handler" in functions[alias["FunctionName"]["Ref"]]
        }

    def statements(self, role: str) -> list[Properties]:
        """What a role may do, by its logical id: statements of its own policies."""
        return [
            statement
            for policy in self.of_type("AWS::IAM::Policy").values()
            if {"Ref": role} in policy["Roles"]
            for statement in policy["PolicyDocument"]["Statement"]
        ]


def text_of(value: Any) -> str:
    """A value with its intrinsic functions as text: `${Id}`, `${Id.Attribute}`."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        ((name, argument),) = value.items()
        if name == "Ref":
            return f"${{{argument}}}"
        if name == "Fn::GetAtt":
            return f"${{{'.'.join(argument)}}}"
        if name == "Fn::Join":
            return str(argument[0]).join(text_of(part) for part in argument[1])
        if name == "Fn::Sub":
            return str(argument)
        return f"{name}({text_of(argument)})"
    if isinstance(value, list):
        return ",".join(text_of(part) for part in value)
    return str(value)


def as_list(value: Any) -> list[Any]:
    """What CloudFormation takes as one or as a list, as a list."""
    return value if isinstance(value, list) else [value]


@cache
def template_of(stage: str) -> Template:
    """The template of a stage; whoever runs these tests has synthesised it."""
    path = CDK_OUT / f"reelscan-{stage}.template.json"
    if not path.exists():
        pytest.fail(f"{path} is missing: run `make test-infra`, which makes it", pytrace=False)
    return Template(stage, json.loads(path.read_text(encoding="utf-8")))


every_stage = pytest.mark.parametrize("template", sorted(STAGES), indirect=True)
"""Runs a test on the template of each stage."""
