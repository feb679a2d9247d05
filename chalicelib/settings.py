"""Settings: the environment of the functions, read once and checked, in one place."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chalicelib.domain.budgets import nano_usd
from chalicelib.domain.costs import BOOT_SECONDS
from chalicelib.domain.prices import Prices, prices_from_json
from chalicelib.domain.units import Lane
from chalicelib.services.ports import Limits

GIB = 1 << 30
PRICES = Path(__file__).parent / "prices" / "us-east-1.json"
"""The price list of a deployment that names no other."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Names of this deployment's resources, and its limits."""

    meta_table: str
    results_table: str
    bucket: str
    queue_by_lane: dict[Lane, str]
    job_definition_by_lane: dict[Lane, str]
    fast_function: str
    """Name of the Lambda function of the fast lane; empty: there is none, and its work goes to Batch."""
    token_issuer: str
    token_client_ids: tuple[str, ...]
    jwks_url: str
    graphql_url: str
    """Where events are published; empty: nowhere."""
    webhooks_are_local: bool
    """Whether webhooks may be sent by HTTP, and to addresses that are not public: on a laptop only."""
    prices: Prices
    limits: Limits


class SettingMissing(RuntimeError):
    """A setting that has no default is not in the environment."""


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process.

    Raises:
        SettingMissing: names the variable.
    """

    def text(name: str, default: str | None = None) -> str:
        value = environment.get(f"REELSCAN_{name}", default)
        if value is None:
            raise SettingMissing(f"set REELSCAN_{name} in the environment of the function")
        return value

    def names(name: str) -> tuple[str, ...]:
        return tuple(part for part in text(name, "").split(",") if part)

    return Settings(
        meta_table=text("META_TABLE"),
        results_table=text("RESULTS_TABLE"),
        bucket=text("BUCKET"),
        queue_by_lane={Lane.CPU: text("CPU_QUEUE"), Lane.GPU: text("GPU_QUEUE")},
        job_definition_by_lane={Lane.CPU: text("CPU_JOB_DEFINITION"), Lane.GPU: text("GPU_JOB_DEFINITION")},
        fast_function=text("FAST_FUNCTION", ""),
        token_issuer=text("TOKEN_ISSUER"),
        token_client_ids=names("TOKEN_CLIENT_IDS"),
        jwks_url=text("JWKS_URL"),
        graphql_url=text("GRAPHQL_URL", ""),
        webhooks_are_local=text("WEBHOOKS_ARE_LOCAL", "false") == "true",
        prices=read_prices(Path(text("PRICES", str(PRICES)))),
        limits=Limits(
            max_upload_bytes=int(text("MAX_UPLOAD_BYTES", str(200 * GIB))),
            multipart_threshold_bytes=int(text("MULTIPART_THRESHOLD_BYTES", str(100 << 20))),
            ticket_seconds=int(text("TICKET_SECONDS", "900")),
            upload_seconds=int(text("UPLOAD_SECONDS", "4500")),
            download_seconds=int(text("DOWNLOAD_SECONDS", "3600")),
            lease_seconds=float(text("LEASE_SECONDS", "30")),
            heartbeat_seconds=float(text("HEARTBEAT_SECONDS", "10")),
            reconcile_seconds=float(text("RECONCILE_SECONDS", "60")),
            poll_seconds=float(text("POLL_SECONDS", "1")),
            resend_seconds=float(text("RESEND_SECONDS", "30")),
            queue_seconds=float(text("QUEUE_SECONDS", "3600")),
            job_seconds=int(text("JOB_SECONDS", str(24 * 3600))),
            max_children=int(text("MAX_CHILDREN", "16")),
            analyze_lane=Lane(text("ANALYZE_LANE", "gpu")),
            import_buckets=names("IMPORT_BUCKETS"),
            cursor_key=bytes.fromhex(text("CURSOR_KEY")),
            has_fast_lane=bool(text("FAST_FUNCTION", "")),
            boot_seconds={
                lane: float(text(f"{lane.name}_BOOT_SECONDS", str(seconds))) for lane, seconds in BOOT_SECONDS.items()
            },
            is_spot=text("MARKET", "spot") == "spot",
            monthly_nano_usd=nano_usd(float(monthly)) if (monthly := text("MONTHLY_USD", "")) else None,
            webhook_connections=int(text("WEBHOOK_CONNECTIONS", "8")),
            max_open_campaigns=int(text("MAX_OPEN_CAMPAIGNS", "100")),
        ),
    )


def read_prices(path: Path = PRICES) -> Prices:
    """The price list of a file.

    Raises:
        ValueError: it is no price list.
    """
    return prices_from_json(json.loads(path.read_text(encoding="utf-8")))
