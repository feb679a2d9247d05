"""The stages, as data: what a deployment is and what it may cost. A new stage is one literal here.

Nothing here knows CDK, so that tests and scripts can read it without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Canary:
    """How traffic moves to a new version of a function: this part first, the rest after a while without an alarm."""

    percent: int
    minutes: int


@dataclass(frozen=True, slots=True)
class MachineClient:
    """A program that gets tokens by its own secret. Cognito bills each by the month, used or not."""

    name: str
    tenant: str
    more_scopes: tuple[str, ...] = ()
    """Beside reading and writing, by their full names: `reelscan/budget`, `reelscan/webhooks`."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many vCPUs Batch may run at once; none run while nothing waits."""

    gpu_spot: int
    gpu_on_demand: int
    cpu_spot: int
    cpu_on_demand: int


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Executions that functions behind events may have at once, so that a burst of events leaves some to the API.

    They are taken out of the account's own limit, which in a new account is 10: too few to reserve any.
    """

    events: int
    """Each of the functions that EventBridge starts."""
    fast_lane: int
    """Short work that is done at once; more waits, and then goes to Batch."""
    schedules: int = 1
    """Each of those that a schedule starts: two passes at once would do the same work twice."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One deployment."""

    name: str
    keeps_data: bool
    """Whether bucket, tables and users outlive the stack."""
    canary: Canary | None
    """None: a new version gets all traffic at once."""
    needs_approval: bool
    """Whether a person must release a new version of the API before it gets any traffic."""
    requires_mfa: bool
    is_private: bool
    """Whether workers have no way to the internet. Interface endpoints stand in for it, and are billed by the hour."""
    capacity: Capacity
    concurrency: Concurrency | None
    log_days: int
    monthly_budget_usd: int
    """The account's owner is told when a month costs more, or looks as if it will."""
    daily_usd: int
    """The alarm on what analyses cost in a day."""
    requests_per_second: int
    """That the API takes of all clients together."""
    import_buckets: tuple[str, ...] = ()
    """Buckets of this account that videos may be taken from where they lie."""
    cors_origins: tuple[str, ...] | None = None
    """Web pages that may upload; None: those of the wiring."""
    machine_clients: tuple[MachineClient, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of `chalicelib/settings.py` that differ from their defaults, by their full names."""


QUEUE_SECONDS = 3600
"""After this without a machine, Batch cancels a job and the reconciler ends what waited for it."""

_SMALL = Capacity(gpu_spot=16, gpu_on_demand=8, cpu_spot=16, cpu_on_demand=8)
_LARGE = Capacity(gpu_spot=256, gpu_on_demand=64, cpu_spot=128, cpu_on_demand=32)

DEV = Stage(
    name="dev",
    keeps_data=False,
    canary=None,
    needs_approval=False,
    requires_mfa=False,
    is_private=False,
    capacity=_SMALL,
    concurrency=None,
    log_days=7,
    monthly_budget_usd=20,
    daily_usd=5,
    requests_per_second=50,
)
STAGING = Stage(
    name="staging",
    keeps_data=False,
    canary=Canary(percent=10, minutes=5),
    needs_approval=False,
    requires_mfa=False,
    is_private=False,
    capacity=_SMALL,
    concurrency=None,
    log_days=14,
    monthly_budget_usd=50,
    daily_usd=20,
    requests_per_second=200,
    # `make load` asks for its own tokens.
    machine_clients=(MachineClient("load", tenant="load"),),
)
PROD = Stage(
    name="prod",
    keeps_data=True,
    canary=Canary(percent=10, minutes=10),
    needs_approval=True,
    requires_mfa=True,
    is_private=False,
    capacity=_LARGE,
    concurrency=Concurrency(events=50, fast_lane=200),
    log_days=90,
    monthly_budget_usd=500,
    daily_usd=100,
    requests_per_second=500,
)
HARDENED = Stage(
    name="hardened",
    keeps_data=True,
    canary=Canary(percent=10, minutes=10),
    needs_approval=True,
    requires_mfa=True,
    is_private=True,
    capacity=_LARGE,
    concurrency=Concurrency(events=50, fast_lane=200),
    log_days=365,
    monthly_budget_usd=1000,
    daily_usd=100,
    requests_per_second=500,
)

STAGES: Mapping[str, Stage] = {stage.name: stage for stage in (DEV, STAGING, PROD, HARDENED)}
