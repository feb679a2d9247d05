"""What production code finds in its environment: the same for handlers in this process and for workers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from chalicelib.domain.units import Lane
from infra.local.events import REGION
from infra.local.issuer import CLIENT_ID, Issuer
from infra.wiring import IMAGE_ENVIRONMENT, Wiring

ACCESS_KEY = "reelscan-local"
SECRET_KEY = "reelscan-local-secret"  # noqa: S105  opens nothing but this stack

OVERRIDABLE = {
    "REELSCAN_LEASE_SECONDS": "30",
    "REELSCAN_HEARTBEAT_SECONDS": "10",
    "REELSCAN_RECONCILE_SECONDS": "10",
    # Reads cost nothing here, and a job may be over in seconds.
    "REELSCAN_POLL_SECONDS": "0.1",
    "REELSCAN_ANALYZE_LANE": "cpu",
    # A process is there at once.
    **{f"REELSCAN_{lane.name}_BOOT_SECONDS": "0" for lane in Lane},
    # Every bucket of this stack may be imported from, and a busy laptop is no reason to give a job up.
    "REELSCAN_IMPORT_BUCKETS": "*",
    "REELSCAN_QUEUE_SECONDS": "86400",
    # Receivers run on this machine, and have no certificate.
    "REELSCAN_WEBHOOKS_ARE_LOCAL": "true",
}
"""Settings that the environment of the command, where it has them, decides; with what holds otherwise."""


def make_environment(
    wiring: Wiring, base_url: str, issuer: Issuer, cursor_key: str, cores: int, *, has_fast_lane: bool
) -> dict[str, str]:
    """Every setting and credential; `cursor_key` in hex."""
    chosen = {name: os.environ.get(name, value) for name, value in OVERRIDABLE.items()}
    return {
        "AWS_ENDPOINT_URL": base_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        # Nothing may look for real credentials.
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "REELSCAN_META_TABLE": wiring.meta.name,
        "REELSCAN_RESULTS_TABLE": wiring.results.name,
        "REELSCAN_BUCKET": wiring.bucket.name,
        "REELSCAN_CPU_QUEUE": wiring.cpu.queue,
        "REELSCAN_GPU_QUEUE": wiring.gpu.queue,
        "REELSCAN_CPU_JOB_DEFINITION": wiring.cpu.definition.name,
        "REELSCAN_GPU_JOB_DEFINITION": wiring.gpu.definition.name,
        "REELSCAN_FAST_FUNCTION": wiring.fast.function if has_fast_lane else "",
        "REELSCAN_TOKEN_ISSUER": issuer.url,
        "REELSCAN_TOKEN_CLIENT_IDS": CLIENT_ID,
        "REELSCAN_JWKS_URL": issuer.jwks_url,
        "REELSCAN_GRAPHQL_URL": f"{base_url}/graphql",
        "REELSCAN_CURSOR_KEY": cursor_key,
        "REELSCAN_MAX_CHILDREN": os.environ.get("REELSCAN_MAX_CHILDREN", str(cores)),
        **IMAGE_ENVIRONMENT,
        **chosen,
    }


@contextmanager
def applied(environment: Mapping[str, str]) -> Iterator[None]:
    """This process's environment with these values, until the block ends."""
    # A session token or profile of the user's would be sent along with our credentials.
    removed = (
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_BATCH",
        "AWS_ENDPOINT_URL_LAMBDA",
        "AWS_ENDPOINT_URL_EVENTBRIDGE",
    )
    before = {name: os.environ.get(name) for name in (*environment, *removed)}
    for name in removed:
        os.environ.pop(name, None)
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
