"""What work costs: CPU seconds from rates, dollars from CPU seconds and counted requests (docs/costs.md).

Dollars are whole nano-dollars, rounded up in each part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from chalicelib.domain.budgets import Price
from chalicelib.domain.prices import UnitPrices, unit_prices_from_json
from chalicelib.domain.rates import Rates
from chalicelib.domain.units import Lane, UnitKind
from chalicelib.domain.work import Work

VCPUS_BY_LANE: Mapping[Lane, int] = {Lane.FAST: 2, Lane.CPU: 2, Lane.GPU: 4}
"""Of a child; those of the job definitions (`infra/wiring.py`)."""
BUSY = 0.9
"""Part of a child's vCPU time that is CPU time while it decodes and infers. Source: docs/performance.md, measure 1."""
BOOT_SECONDS: Mapping[Lane, float] = {Lane.FAST: 5.0, Lane.CPU: 90.0, Lane.GPU: 300.0}
"""On AWS, until a machine is there when none is warm: an assumption, docs/costs.md."""
FAST_MEMORY_MIB = 4096
"""Of the function of the fast lane: that of a child of the cpu lane. Lambda gives a vCPU for every 1,769 MB."""
LAMBDA_GB_SECONDS = 0.05
"""Of one run of a function: 512 MB for 100 ms, an assumption."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests to AWS: counts, as far as laws of what the code does tell them (docs/results.md, docs/costs.md)."""

    write_units: float = 0.0
    read_units: float = 0.0
    puts: float = 0.0
    gets: float = 0.0
    functions: float = 0.0

    def __add__(self, other: Requests) -> Requests:
        return Requests(
            self.write_units + other.write_units,
            self.read_units + other.read_units,
            self.puts + other.puts,
            self.gets + other.gets,
            self.functions + other.functions,
        )


@dataclass(frozen=True, slots=True)
class Effort:
    """What workers do, and what is asked of AWS for it."""

    cpu_seconds: float = 0.0
    vcpu_seconds: float = 0.0
    """Of machines without a GPU: what is paid for, idle vCPUs included."""
    gpu_seconds: float = 0.0
    """Of machines with one GPU."""
    fast_seconds: float = 0.0
    """Of the function of the fast lane."""
    requests: Requests = field(default_factory=Requests)

    def __add__(self, other: Effort) -> Effort:
        return Effort(
            self.cpu_seconds + other.cpu_seconds,
            self.vcpu_seconds + other.vcpu_seconds,
            self.gpu_seconds + other.gpu_seconds,
            self.fast_seconds + other.fast_seconds,
            self.requests + other.requests,
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """Nano-dollars by what they are paid for."""

    workers: int = 0
    functions: int = 0
    tables: int = 0
    objects: int = 0

    @property
    def total(self) -> int:
        """Nano-dollars of all of it."""
        return self.workers + self.functions + self.tables + self.objects

    def __add__(self, other: Parts) -> Parts:
        return Parts(
            self.workers + other.workers,
            self.functions + other.functions,
            self.tables + other.tables,
            self.objects + other.objects,
        )

    def part(self, share: float) -> Parts:
        """That part of each."""
        return Parts(**{name: ceil(amount * share) for name, amount in self.to_json().items()})

    def to_json(self) -> dict[str, int]:
        """By name."""
        return {
            "workers": self.workers,
            "functions": self.functions,
            "tables": self.tables,
            "objects": self.objects,
        }

    @staticmethod
    def from_json(form: Mapping[str, Any]) -> Parts:
        """What `to_json` wrote."""
        return Parts(**{name: int(value) for name, value in form.items()})


@dataclass(frozen=True, slots=True)
class Quote:
    """What a job will cost at the model's prices, and how long it will take; everything done once."""

    price: Price
    """Of its analysis and its finish."""
    parts: Parts
    """Of `price.total`, by what is paid for."""
    cpu_seconds: float
    """Of workers."""
    gpu_seconds: float
    seconds_to_finish: float
    """With no machine warm."""
    lane: Lane
    children: int
    segments: int
    cells: int
    cells_reused: int
    """Of the cells those whose results are stored for every model."""
    is_measured: bool
    """Whether finished jobs have told what such work takes; else by stated rates."""
    is_counted: bool
    """Whether the video's frames are counted, and not estimated from its length."""
    is_spot: bool
    prices_dated: str
    units: UnitPrices
    """What it was priced with: a receipt is, too."""
    finish_lane: Lane = Lane.CPU

    @property
    def cost_nano_usd(self) -> int:
        """Nano-dollars of all of it."""
        return self.price.total(self.children)

    def to_json(self) -> dict[str, Any]:
        """As a job's record keeps it."""
        return {
            "price": self.price.to_json(),
            "parts": self.parts.to_json(),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "gpu_seconds": round(self.gpu_seconds, 3),
            "seconds_to_finish": round(self.seconds_to_finish, 1),
            "lane": self.lane.value,
            "children": self.children,
            "segments": self.segments,
            "cells": self.cells,
            "cells_reused": self.cells_reused,
            "is_measured": self.is_measured,
            "is_counted": self.is_counted,
            "is_spot": self.is_spot,
            "prices_dated": self.prices_dated,
            "units": self.units.to_json(),
            "finish_lane": self.finish_lane.value,
        }

    @staticmethod
    def from_json(form: Mapping[str, Any]) -> Quote:
        """What `to_json` wrote."""
        return Quote(
            **{
                **form,
                "price": Price.from_json(form["price"]),
                "parts": Parts.from_json(form["parts"]),
                "cpu_seconds": float(form["cpu_seconds"]),
                "gpu_seconds": float(form["gpu_seconds"]),
                "seconds_to_finish": float(form["seconds_to_finish"]),
                "lane": Lane(form["lane"]),
                # Before there was a fast lane no quote named it.
                "finish_lane": Lane(form.get("finish_lane", Lane.CPU)),
                "units": unit_prices_from_json({name: int(value) for name, value in form["units"].items()}),
            }
        )


def effort_of_children(work: Work, rates: Rates) -> Effort:
    """Starting the children of an analysis: process, imports, models."""
    # A model is opened by the first cell that lacks its results.
    opened = [model for model in work.models if model.frames]
    each = rates.get("start:analyze") + sum(rates.get(f"load:{model.sha256}") for model in opened)
    cpu = work.children * each
    requests = Requests(
        write_units=2.0 * work.children,
        gets=(2.0 + len(opened)) * work.children,
        # An invocation of the fast lane is paid for as such, too.
        functions=work.children * (2.0 if work.lane is Lane.FAST else 1.0),
    )
    return _on_lane(work.lane, cpu, wall_seconds=cpu, requests=requests)


def effort_of_segments(work: Work, rates: Rates) -> Effort:
    """Reading, decoding, inferring, storing and committing."""
    frames = work.frames_prepared
    decode = work.frames_decoded * work.pixels * rates.decode(work)
    infer = sum(model.frames * model.input_pixels * rates.infer(model) for model in work.models)
    rest = work.segments * rates.get("segment") + frames * rates.get("frame")
    cpu = decode + frames * work.pixels * rates.prepare(work) + infer + rest
    models = max(1, len(work.models))
    seen = sum(model.frames for model in work.models)
    requests = Requests(
        # A commit is a transaction of three items, its event another one of two; a claim; blocks of 64 KB at most.
        write_units=19.0 * work.segments + work.cells * models + 0.019 * seen,
        read_units=6.0 * work.segments + 1.0 * work.cells * models,
        gets=2.0 * work.segments,
        functions=2.0 * work.segments,
    )
    if work.lane is Lane.GPU:
        wall = sum(model.frames * model.input_pixels * rates.get(f"gpu:{model.sha256}") for model in work.models)
        return Effort(cpu_seconds=cpu, gpu_seconds=max(wall, cpu / VCPUS_BY_LANE[Lane.GPU]), requests=requests)
    if work.lane is Lane.FAST:
        return Effort(cpu_seconds=cpu, fast_seconds=cpu / BUSY / VCPUS_BY_LANE[Lane.FAST], requests=requests)
    return Effort(cpu_seconds=cpu, vcpu_seconds=cpu / BUSY, requests=requests)


def effort_of_finish(work: Work, rates: Rates, lane: Lane = Lane.CPU) -> Effort:
    """Tracks, summary trees and summary."""
    cpu = rates.get("start:finish") + work.frames * rates.get("finish")
    models = max(1, len(work.models))
    requests = Requests(
        write_units=20.0 + 3.0 * work.segments + 0.001 * work.frames * models,
        read_units=10.0 + 2.0 * work.segments + 0.005 * work.frames * models,
        puts=2.0 + work.segments / 16,
        gets=4.0,
        functions=6.0,
    )
    return _on_lane(lane, cpu, wall_seconds=cpu, requests=requests)


def effort_of_probe(rates: Rates, lane: Lane = Lane.CPU) -> Effort:
    """Reading the index of a video."""
    cpu = rates.get("start:probe") + rates.get("probe")
    requests = Requests(write_units=16.0, read_units=8.0, puts=3.0, gets=6.0, functions=4.0)
    return _on_lane(lane, cpu, wall_seconds=cpu, requests=requests)


def effort_of_admission(rates: Rates, lane: Lane = Lane.CPU) -> Effort:
    """Compiling and trying a model: a guess on the safe side, which nothing has measured."""
    cpu = rates.get("start:probe") + rates.get("admit")
    requests = Requests(write_units=20.0, read_units=8.0, puts=4.0, gets=4.0, functions=4.0)
    return _on_lane(lane, cpu, wall_seconds=cpu, requests=requests)


def effort_of_side_step(work: Work, kind: UnitKind, rates: Rates, lane: Lane = Lane.CPU) -> Effort:
    """One more version of the tracks, or an export; one that draws decodes and encodes, and is not told apart."""
    finish = effort_of_finish(work, rates, lane)
    if kind is not UnitKind.EXPORT:
        return finish
    decode = work.frames * work.pixels * rates.decode(work)
    return finish + _on_lane(lane, decode, wall_seconds=decode, requests=Requests(puts=2.0))


def effort_of_rendition(work: Work, encoded_pixels: int, rates: Rates, lane: Lane = Lane.CPU) -> Effort:
    """Decoding what a rendition shows and writing it: a proxy of so many pixels a frame, or with 0 thumbnails."""
    decode = work.frames_decoded * work.pixels * rates.decode(work)
    write = work.frames * (work.pixels * rates.prepare(work) + encoded_pixels * rates.get("encode"))
    cpu = rates.get("start:finish") + decode + write
    requests = Requests(write_units=16.0, read_units=8.0, puts=4.0, gets=4.0 + 2.0 * work.cells, functions=4.0)
    return _on_lane(lane, cpu, wall_seconds=cpu, requests=requests)


def price(effort: Effort, prices: UnitPrices, *, is_spot: bool) -> Parts:
    """Dollars for it."""
    vcpu = prices.vcpu_second_spot if is_spot else prices.vcpu_second
    gpu = prices.gpu_second_spot if is_spot else prices.gpu_second
    requests = effort.requests
    function = prices.lambda_request + prices.lambda_gb_second * LAMBDA_GB_SECONDS
    return Parts(
        workers=ceil(effort.vcpu_seconds * vcpu + effort.gpu_seconds * gpu + effort.fast_seconds * fast_second(prices)),
        functions=ceil(requests.functions * function),
        tables=ceil(
            requests.write_units * prices.dynamodb_write_unit + requests.read_units * prices.dynamodb_read_unit
        ),
        objects=ceil(requests.puts * prices.s3_put + requests.gets * prices.s3_get),
    )


def fast_second(prices: UnitPrices) -> float:
    """Nano-dollars for a second of the fast lane's function."""
    return prices.lambda_gb_second * FAST_MEMORY_MIB / 1024


def price_of_children(work: Work, rates: Rates, prices: UnitPrices, *, is_spot: bool) -> Price:
    """Price of a submission to analyse this work."""
    started = price(effort_of_children(work, rates), prices, is_spot=is_spot).total
    units = price(effort_of_segments(work, rates), prices, is_spot=is_spot).total
    return Price(child_nano_usd=-(-started // work.children) if work.children else 0, units_nano_usd=units)


def choose_children(work: Work, rates: Rates, *, boot_seconds: float, max_children: int) -> int:
    """How many children share the segments: as many as work longer than their machines boot, all together.

    A machine is paid for from its launch. So booting costs no more than working, or there is only one child.
    """
    most = max(1, min(work.segments, max_children))
    return most if not boot_seconds else max(1, min(most, int(_busy_seconds(work, rates) // boot_seconds)))


def seconds_to_finish(
    work: Work,
    rates: Rates,
    *,
    has_probe: bool,
    machines: int,
    boot_seconds: Mapping[Lane, float],
    finish_lane: Lane = Lane.CPU,
) -> float:
    """From the start of a job to its end, when no machine is warm and `machines` may be had at once."""
    waiting = boot_seconds[finish_lane] + rates.get("start:finish") + work.frames * rates.get("finish")
    if has_probe:
        waiting += rates.get("start:probe") + rates.get("probe")
    if not work.children:
        return waiting
    if work.lane is not finish_lane:
        waiting += boot_seconds[work.lane]
    started = effort_of_children(work, rates).cpu_seconds / work.children
    rounds = ceil(work.children / max(1, machines))
    return waiting + rounds * started + _busy_seconds(work, rates) * rounds / work.children


def _busy_seconds(work: Work, rates: Rates) -> float:
    """Of one machine that does all segments."""
    segments = effort_of_segments(work, rates)
    # Of the three there is the one that the lane has.
    return segments.gpu_seconds + segments.fast_seconds + segments.vcpu_seconds / VCPUS_BY_LANE[work.lane]


def _on_lane(lane: Lane, cpu_seconds: float, *, wall_seconds: float, requests: Requests) -> Effort:
    """One thread at work: the other vCPUs of its machine are paid for as well."""
    if lane is Lane.GPU:
        return Effort(cpu_seconds=cpu_seconds, gpu_seconds=wall_seconds, requests=requests)
    if lane is Lane.FAST:
        return Effort(cpu_seconds=cpu_seconds, fast_seconds=wall_seconds, requests=requests)
    return Effort(cpu_seconds=cpu_seconds, vcpu_seconds=wall_seconds * VCPUS_BY_LANE[lane], requests=requests)
