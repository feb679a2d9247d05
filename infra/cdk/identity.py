"""Identity: people and programs, and the tenant in their access tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
TAB_LIFE = Duration.days(1)
"""How long a page stays signed in without asking again: its refresh token lies in the browser."""
ROTATION_GRACE = Duration.seconds(30)
"""A refresh token is good for one renewal, and for this long afterwards: an answer may be lost."""
SCOPES = {
    READ_SCOPE: "Read videos, jobs and results",
    WRITE_SCOPE: "Upload, analyse, cancel, delete",
    BUDGET_SCOPE: "Set what a month may cost",
    WEBHOOK_SCOPE: "Change who is told of events",
}
BROWSER_SCOPES = (READ_SCOPE, WRITE_SCOPE)
"""What pages ask for; the trigger adds what a user's groups open."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What others need of it."""

    pool: cognito.UserPool
    clients: Sequence[cognito.UserPoolClient]
    issuer: str
    jwks_url: str
    domain: cognito.UserPoolDomain
    """Of the sign-in page, and of the tokens of programs."""
    browser: cognito.UserPoolClient
    """The client of web pages, such as the viewer."""
    operator: cognito.UserPoolClient
    """The client of scripts that have credentials of the account."""
    machine_by_name: Mapping[str, cognito.UserPoolClient]
    """The clients of programs."""


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
    domain = pool.add_domain(
        "SignIn",
        cognito_domain=cognito.CognitoDomainOptions(domain_prefix=f"reelscan-{stage.name}-{Aws.ACCOUNT_ID}"),
        # The newer pages show nothing without a style of their own for each client.
        managed_login_version=cognito.ManagedLoginVersion.CLASSIC_HOSTED_UI,
    )
    scopes = _service_scopes(pool)
    browser = _browser_client(pool, [scopes[name] for name in BROWSER_SCOPES])
    operator = _operator_client(pool)
    machines = _machine_clients(pool, stage, scopes)
    address = pool.user_pool_provider_url
    return Identity(
        pool=pool,
        clients=[browser, operator, *machines.values()],
        issuer=address,
        jwks_url=f"{address}/.well-known/jwks.json",
        domain=domain,
        browser=browser,
        operator=operator,
        machine_by_name=machines,
    )


def come_back_to(identity: Identity, page_url: str) -> None:
    """Let the sign-in page send people back to this page, letter for letter, and to no other.

    A step of its own: the address of the page is known when everything else is made.
    """
    client = identity.browser.node.default_child
    assert isinstance(client, cognito.CfnUserPoolClient)
    client.callback_ur_ls = [page_url]
    client.logout_ur_ls = [page_url]


def _browser_client(pool: cognito.UserPool, scopes: Sequence[cognito.OAuthScope]) -> cognito.UserPoolClient:
    """The client of web pages: a code with PKCE, no secret.

    What a user may write does not hold the tenant, or users would choose their own.
    """
    return pool.add_client(
        "Browser",
        auth_flows=cognito.AuthFlow(user_srp=True),
        o_auth=cognito.OAuthSettings(
            flows=cognito.OAuthFlows(authorization_code_grant=True),
            scopes=list(scopes),
            # Until `come_back_to` says which.
            callback_urls=["https://localhost/"],
        ),
        generate_secret=False,
        prevent_user_existence_errors=True,
        enable_token_revocation=True,
        access_token_validity=TOKEN_LIFE,
        refresh_token_validity=TAB_LIFE,
        refresh_token_rotation_grace_period=ROTATION_GRACE,
        write_attributes=cognito.ClientAttributes().with_standard_attributes(email=True),
    )


def _operator_client(pool: cognito.UserPool) -> cognito.UserPoolClient:
    """The client of scripts: passwords are taken from who has credentials of the account."""
    return pool.add_client(
        "Operator",
        auth_flows=cognito.AuthFlow(admin_user_password=True),
        disable_o_auth=True,
        generate_secret=False,
        prevent_user_existence_errors=True,
        enable_token_revocation=True,
        access_token_validity=TOKEN_LIFE,
        refresh_token_validity=SESSION_LIFE,
        write_attributes=cognito.ClientAttributes().with_standard_attributes(email=True),
    )


def _service_scopes(pool: cognito.UserPool) -> dict[str, cognito.OAuthScope]:
    """What clients may ask for, by full name."""
    scope_by_name = {
        name: cognito.ResourceServerScope(scope_name=name.partition("/")[2], scope_description=description)
        for name, description in SCOPES.items()
    }
    service = pool.add_resource_server(
        "Service", identifier=READ_SCOPE.partition("/")[0], scopes=list(scope_by_name.values())
    )
    return {name: cognito.OAuthScope.resource_server(service, scope) for name, scope in scope_by_name.items()}


def _machine_clients(
    pool: cognito.UserPool, stage: Stage, scopes: Mapping[str, cognito.OAuthScope]
) -> dict[str, cognito.UserPoolClient]:
    """Clients with a secret, each with the scope of its one tenant, by name."""
    machines = stage.machine_clients
    if not machines:
        return {}
    scope_by_tenant = {
        tenant: cognito.ResourceServerScope(scope_name=tenant, scope_description=f"Act for {tenant}")
        for tenant in sorted({machine.tenant for machine in machines})
    }
    tenants = pool.add_resource_server(
        "Tenants", identifier=TENANT_SCOPE_PREFIX.rstrip("/"), scopes=list(scope_by_tenant.values())
    )
    return {
        machine.name: pool.add_client(
            f"Machine{machine.name.title().replace('-', '')}",
            generate_secret=True,
            access_token_validity=TOKEN_LIFE,
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(client_credentials=True),
                scopes=[
                    *(scopes[name] for name in (READ_SCOPE, WRITE_SCOPE, *machine.more_scopes)),
                    cognito.OAuthScope.resource_server(tenants, scope_by_tenant[machine.tenant]),
                ],
            ),
            write_attributes=cognito.ClientAttributes().with_standard_attributes(email=True),
        )
        for machine in machines
    }
