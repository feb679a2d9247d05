"""Identity: people and programs, and the tenant in their access tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from chalicelib.api.token_trigger import SCOPE_BY_GROUP, TENANT_SCOPE_PREFIX
from chalicelib.services.tenancy import BUDGET_SCOPE, READ_SCOPE, TENANT_CLAIM, WEBHOOK_SCOPE, WRITE_SCOPE
from infra.cdk.stages import Stage

TENANT_LENGTH = 64
"""As long as a tenant may be: `is_tenant`."""
TOKEN_LIFE = Duration.hours(1)
SESSION_LIFE = Duration.days(30)
SCOPES = {
    READ_SCOPE: "Read videos, jobs and results",
    WRITE_SCOPE: "Upload, analyse, cancel, delete",
    BUDGET_SCOPE: "Set what a month may cost",
    WEBHOOK_SCOPE: "Change who is told of events",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """What others need of it."""

    pool: cognito.UserPool
    clients: Sequence[cognito.UserPoolClient]
    issuer: str
    jwks_url: str
    browser: cognito.UserPoolClient
    """The client of web pages, such as the viewer."""
    operator: cognito.UserPoolClient
    """The client of scripts that have credentials of the account."""


def make_identity(stack: Stack, stage: Stage, trigger: lambda_.IFunction) -> Identity:
    """The user pool, its clients and scopes; `trigger` writes the claims."""
    scope = Construct(stack, "Identity")
    pool = cognito.UserPool(
        scope,
        "Users",
        feature_plan=cognito.FeaturePlan.ESSENTIALS,
        self_sign_up_enabled=False,
        sign_in_aliases=cognito.SignInAliases(email=True),
        account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
        password_policy=cognito.PasswordPolicy(
            min_length=12, require_digits=True, require_lowercase=True, require_uppercase=True, require_symbols=True
        ),
        mfa=cognito.Mfa.REQUIRED if stage.requires_mfa else cognito.Mfa.OPTIONAL,
        mfa_second_factor=cognito.MfaSecondFactor(sms=False, otp=True),
        custom_attributes={
            TENANT_CLAIM.removeprefix("custom:"): cognito.StringAttribute(mutable=True, max_len=TENANT_LENGTH)
        },
        deletion_protection=stage.keeps_data,
        removal_policy=RemovalPolicy.RETAIN if stage.keeps_data else RemovalPolicy.DESTROY,
    )
    pool.add_trigger(cognito.UserPoolOperation.PRE_TOKEN_GENERATION_CONFIG, trigger, cognito.LambdaVersion.V3_0)
    for group, opens in SCOPE_BY_GROUP.items():
        cognito.CfnUserPoolGroup(
            scope,
            f"{group.title()}Group",
            user_pool_id=pool.user_pool_id,
            group_name=group,
            description=SCOPES[opens],
        )
    browser = _person_client(pool, "Browser", cognito.AuthFlow(user_srp=True))
    operator = _person_client(pool, "Operator", cognito.AuthFlow(admin_user_password=True))
    machines = _machine_clients(pool, stage)
    address = pool.user_pool_provider_url
    return Identity(
        pool, [browser, operator, *machines], address, f"{address}/.well-known/jwks.json", browser, operator
    )


def _person_client(pool: cognito.UserPool, name: str, flows: cognito.AuthFlow) -> cognito.UserPoolClient:
    """A client without a secret. What it may write does not hold the tenant, or users would choose their own."""
    return pool.add_client(
        name,
        auth_flows=flows,
        disable_o_auth=True,
        generate_secret=False,
        prevent_user_existence_errors=True,
        enable_token_revocation=True,
        access_token_validity=TOKEN_LIFE,
        refresh_token_validity=SESSION_LIFE,
        write_attributes=cognito.ClientAttributes().with_standard_attributes(email=True),
    )


def _machine_clients(pool: cognito.UserPool, stage: Stage) -> list[cognito.UserPoolClient]:
    """Clients with a secret, each with the scope of its one tenant, and where they get their tokens."""
    scope_by_name = {
        name: cognito.ResourceServerScope(scope_name=name.partition("/")[2], scope_description=description)
        for name, description in SCOPES.items()
    }
    service = pool.add_resource_server(
        "Service", identifier=READ_SCOPE.partition("/")[0], scopes=list(scope_by_name.values())
    )
    machines = stage.machine_clients
    if not machines:
        return []
    pool.add_domain(
        "Tokens",
        cognito_domain=cognito.CognitoDomainOptions(domain_prefix=f"reelscan-{stage.name}-{Aws.ACCOUNT_ID}"),
    )
    scope_by_tenant = {
        tenant: cognito.ResourceServerScope(scope_name=tenant, scope_description=f"Act for {tenant}")
        for tenant in sorted({machine.tenant for machine in machines})
    }
    tenants = pool.add_resource_server(
        "Tenants", identifier=TENANT_SCOPE_PREFIX.rstrip("/"), scopes=list(scope_by_tenant.values())
    )
    return [
        pool.add_client(
            f"Machine{machine.name.title().replace('-', '')}",
            generate_secret=True,
            access_token_validity=TOKEN_LIFE,
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(client_credentials=True),
                scopes=[
                    *(
                        cognito.OAuthScope.resource_server(service, scope_by_name[name])
                        for name in (READ_SCOPE, WRITE_SCOPE, *machine.more_scopes)
                    ),
                    cognito.OAuthScope.resource_server(tenants, scope_by_tenant[machine.tenant]),
                ],
            ),
            write_attributes=cognito.ClientAttributes().with_standard_attributes(email=True),
        )
        for machine in machines
    ]
