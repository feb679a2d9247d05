"""What AWS charges, as one dated list says: whole nano-dollars (10⁻⁹ USD) for each unit, so that sums are exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

NANO = 1_000_000_000
"""Nano-dollars in a dollar."""


@dataclass(frozen=True, slots=True)
class UnitPrices:
    """Nano-dollars for one of each."""

    vcpu_second: int
    """Of the CPU lane, on demand."""
    vcpu_second_spot: int
    gpu_second: int
    """Of a machine with one GPU and all its vCPUs, on demand."""
    gpu_second_spot: int
    lambda_gb_second: int
    lambda_request: int
    s3_put: int
    s3_get: int
    s3_gb_month: int
    dynamodb_write_unit: int
    dynamodb_read_unit: int
    transfer_out_gb: int

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            # JSON's true is no number, though Python's True is.
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueError(f"{field.name} must be whole nano-dollars, 0 or more, but got {value!r}")

    def to_json(self) -> dict[str, int]:
        """By name; `unit_prices_from_json` reads it back."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list, and where it is from."""

    dated: str
    """The day on which it was true, as 2026-11-01."""
    region: str
    currency: str
    sources: tuple[str, ...]
    """Names of the pages that it was read from."""
    units: UnitPrices


def unit_prices_from_json(document: Mapping[str, Any]) -> UnitPrices:
    """Prices by name.

    Raises:
        ValueError: one is missing, unknown or no whole number of 0 or more.
    """
    names = {field.name for field in fields(UnitPrices)}
    if document.keys() != names:
        wrong = sorted(document.keys() ^ names)
        raise ValueError(f"prices must be those of {sorted(names)} but differ in {wrong}")
    return UnitPrices(**document)


def prices_from_json(document: Mapping[str, Any]) -> Prices:
    """The price list of a file as those of `chalicelib/prices/`.

    Raises:
        ValueError: it is not in that form.
    """
    names = {"dated", "region", "currency", "sources", "nano_usd"}
    if document.keys() != names:
        raise ValueError(f"a price list must have the fields {sorted(names)} but got {sorted(document)}")
    if document["currency"] != "USD":
        raise ValueError(f"prices must be in USD but got {document['currency']!r}")
    return Prices(
        dated=str(document["dated"]),
        region=str(document["region"]),
        currency=str(document["currency"]),
        sources=tuple(map(str, document["sources"])),
        units=unit_prices_from_json(document["nano_usd"]),
    )
