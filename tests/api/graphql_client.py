"""GraphQL over the real handler and ports in memory: as the local gateway runs it, without the port."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import app as app_module
from chalicelib import wiring
from chalicelib.services.ports import Ports
from infra.local.appsync.execution import Caller, Engine, Operation, to_answer
from infra.local.appsync.sdl import COGNITO, load_sdl
from infra.local.functions import Functions
from infra.wiring import WIRING
from tests.api.service import ACME, Service

SDL = load_sdl(WIRING.graphql.schema_path)
FUNCTIONS = Functions(app_module, [WIRING.graphql.handler])
ENGINE = Engine(SDL, WIRING.graphql, FUNCTIONS)
READS = ("videos", "jobs", "units", "submissions", "models", "results", "events", "objects")


def caller_of(tenant: str, **claims: Any) -> Caller:
    """A user of the tenant, as AppSync tells of it."""
    told = {"sub": f"user-of-{tenant}", "token_use": "access", "custom:tenant": tenant, **claims}
    return Caller(COGNITO, {"sub": told["sub"], "claims": told})


def ask(
    service: Service,
    query: str,
    variables: Mapping[str, Any] | None = None,
    *,
    caller: Caller | None = None,
    engine: Engine = ENGINE,
) -> Any:
    """The answer to a query of the tenant `acme`, unless somebody else asks."""
    operation = engine.prepare({"query": query, "variables": variables or {}})
    if not isinstance(operation, Operation):
        return operation
    with wiring.using(service.ports):
        return to_answer(engine.run(operation, caller or caller_of(ACME)))


def data_of(service: Service, query: str, **variables: Any) -> Any:
    """The data of an answer without errors."""
    answer = ask(service, query, variables)
    assert "errors" not in answer, answer
    return answer["data"]


@contextmanager
def counting(service: Service) -> Iterator[Counter[str]]:
    """Counts the calls of every port while the block runs."""
    calls: Counter[str] = Counter()
    counted: dict[str, Any] = {name: _Counted(getattr(service.ports, name), name, calls) for name in READS}
    before: Ports = service.ports
    assert set(READS) <= {field.name for field in fields(Ports)}
    service.ports = replace(before, **counted)
    yield calls
    service.ports = before


class _Counted:
    def __init__(self, port: Any, name: str, calls: Counter[str]) -> None:
        self._port, self._name, self._calls = port, name, calls

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._port, method)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._calls[f"{self._name}.{method}"] += 1
            return call(*args, **kwargs)

        return counted
