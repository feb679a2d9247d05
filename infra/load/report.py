"""What a load came to: p50, p95, p99 and errors by route, as text, as JSON, and as a verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import Any

from infra.load.recorder import RouteTimes


@dataclass(frozen=True, slots=True)
class RouteReport:
    """Of one route; milliseconds from the first byte that was sent to the last that came."""

    route: str
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: dict[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """Of a whole load."""

    base_url: str
    wanted_per_second: float
    seconds: float
    routes: tuple[RouteReport, ...]
    total: RouteReport
    late: int
    """Actions that could not be started in time: the client, not the system, was the limit."""

    @property
    def requests_per_second(self) -> float:
        """That were really asked."""
        return self.total.requests / self.seconds if self.seconds else 0.0

    @property
    def error_share(self) -> float:
        """Of all requests, those whose answer was not one that was expected."""
        return sum(self.total.errors.values()) / max(1, self.total.requests)

    def broken(self, *, p99_ms: float | None, error_share: float) -> list[str]:
        """Which bounds do not hold; none: traffic may shift."""
        found = []
        if p99_ms is not None and self.total.p99_ms > p99_ms:
            found.append(f"p99 is {self.total.p99_ms:.0f} ms and must be at most {p99_ms:g}")
        if self.error_share > error_share:
            found.append(f"{self.error_share:.2%} of requests failed and at most {error_share:.2%} may")
        if not self.total.requests:
            found.append("nothing was asked")
        return found

    def to_json(self) -> str:
        """For machines."""
        form: dict[str, Any] = asdict(self)
        return json.dumps(form | {"requests_per_second": round(self.requests_per_second, 1)}, indent=2)

    def to_text(self) -> str:
        """For people: a table of Markdown."""
        lines = [
            f"{self.total.requests} requests, {self.requests_per_second:.1f} a second; {self.late} actions late",
            "",
            "| route | requests | p50 ms | p95 ms | p99 ms | errors |",
            "|---|---|---|---|---|---|",
        ]
        return "\n".join([*lines, *map(_line, (*self.routes, self.total))])


def make_report(
    times: Mapping[tuple[str, str], RouteTimes],
    *,
    base_url: str,
    wanted_per_second: float,
    seconds: float,
    late: int,
) -> Report:
    """Every route, the slowest first, and all together."""
    routes = [_of(f"{method} {template}", [seen]) for (method, template), seen in times.items()]
    routes.sort(key=lambda route: (-route.p99_ms, route.route))
    return Report(base_url, wanted_per_second, seconds, tuple(routes), _of("all", list(times.values())), late=late)


def _of(route: str, seen: Sequence[RouteTimes]) -> RouteReport:
    every = sorted(taken for times in seen for taken in times.milliseconds)
    errors: dict[str, int] = {}
    for times in seen:
        for name, count in times.errors.items():
            errors[name] = errors.get(name, 0) + count
    cuts = quantiles(every, n=100, method="inclusive") if len(every) > 1 else [*every, 0.0][:1] * 99
    return RouteReport(route, len(every), round(cuts[49], 1), round(cuts[94], 1), round(cuts[98], 1), errors)


def _line(route: RouteReport) -> str:
    errors = ", ".join(f"{count} × {name}" for name, count in sorted(route.errors.items())) or "–"
    p50, p95, p99 = route.p50_ms, route.p95_ms, route.p99_ms
    return f"| {route.route} | {route.requests} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {errors} |"
