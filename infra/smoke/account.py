"""The account: a stage is deployed and destroyed by `make`, and a user for the smoke test comes and goes."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chalicelib.services.tenancy import TENANT_CLAIM
from infra.account import session
from infra.smoke.journey import Deployment

ROOT = Path(__file__).resolve().parents[2]
TENANT = "smoke"


def deploy(stage: str, *, asks: bool = True) -> dict[str, str]:
    """Outputs of the stack, by name; unless it `asks`, roles are made without a question that nobody would answer."""
    more = [] if asks else ["ARGS=--require-approval=never"]
    subprocess.run(["make", "deploy", f"STAGE={stage}", *more], cwd=ROOT, check=True)
    outputs: dict[str, dict[str, str]] = json.loads((ROOT / "out" / "outputs.json").read_text())
    return outputs[f"reelscan-{stage}"]


def destroy(stage: str) -> None:
    """Delete the stack and what is in its buckets."""
    subprocess.run(["make", "destroy", f"STAGE={stage}"], cwd=ROOT, check=True)


@contextmanager
def signed_in(outputs: dict[str, str]) -> Iterator[Deployment]:
    """A deployment with the token of a user that is made for it and deleted after it."""
    cognito: Any = session().client("cognito-idp")
    pool, client = outputs["UserPool"], outputs["OperatorClient"]
    name = f"smoke-{secrets.token_hex(4)}@example.com"
    password = f"Aa1!{secrets.token_urlsafe(24)}"
    cognito.admin_create_user(
        UserPoolId=pool,
        Username=name,
        MessageAction="SUPPRESS",
        UserAttributes=[
            {"Name": "email", "Value": name},
            {"Name": "email_verified", "Value": "true"},
            {"Name": TENANT_CLAIM, "Value": TENANT},
        ],
    )
    try:
        cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=password, Permanent=True)
        answer = cognito.admin_initiate_auth(
            UserPoolId=pool,
            ClientId=client,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": password},
        )
        token = answer["AuthenticationResult"]["AccessToken"]
        yield Deployment(outputs["RestUrl"], outputs["GraphQlUrl"], token)
    finally:
        cognito.admin_delete_user(UserPoolId=pool, Username=name)
