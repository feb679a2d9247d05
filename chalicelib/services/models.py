"""Which models there are, and which of them a reference names."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.ids import TenantId
from chalicelib.domain.model_versions import (
    LATEST,
    RegisteredModel,
    is_model_name,
    is_version_word,
    split_reference,
)
from chalicelib.domain.models import Manifest
from chalicelib.services.model_ports import place_of
from chalicelib.services.ports import Ports

NAMES_SHOWN = 20
MAX_PAGE_CHARACTERS = 1_000_000
"""Of the labels in a page of models. Source: an answer of a function may have 6 MB."""


def resolve_model(ports: Ports, tenant: TenantId, reference: str) -> Manifest:
    """The model that `name`, `name@version` or `name@alias` names.

    A version counts before an alias of the same word. A plain name is its alias `latest`, else its newest version.

    Raises:
        InvalidRequest: there is no such model, as far as this tenant can see.
    """
    name, word = split_reference(reference)
    found = None
    if is_model_name(name):
        if not word:
            found = _find_plain(ports, tenant, name)
        elif is_version_word(word):
            found = ports.models.find_version(tenant, name, word) or _find_by_alias(ports, tenant, name, word)
    if found is None:
        raise InvalidRequest(
            f"there is no model {reference!r}; there are: {_known(ports, tenant)}",
            hint="Name models as in GET /models; GET /models/{name} shows versions, aliases and what was refused",
        )
    return found.manifest


def list_models(
    ports: Ports, tenant: TenantId, after: str | None, limit: int
) -> tuple[Sequence[RegisteredModel], str | None]:
    """Models that a job of this tenant may name, by name and version; and after what to go on, if there may be more.

    Many labels make a page shorter.
    """
    found = ports.models.list(tenant, after, limit)
    characters = 0
    for count, model in enumerate(found, 1):
        characters += sum(len(label) + 4 for label in model.manifest.labels)
        if characters > MAX_PAGE_CHARACTERS and count < len(found):
            return found[:count], place_of(model)
    return found, place_of(found[-1]) if found and len(found) == limit else None


def _find_plain(ports: Ports, tenant: TenantId, name: str) -> RegisteredModel | None:
    if latest := _find_by_alias(ports, tenant, name, LATEST):
        return latest
    return next(iter(ports.models.list_versions(tenant, name)), None)


def _find_by_alias(ports: Ports, tenant: TenantId, name: str, word: str) -> RegisteredModel | None:
    alias = ports.models.get_alias(tenant, name, word)
    return ports.models.find_version(tenant, name, alias.version) if alias else None


def _known(ports: Ports, tenant: TenantId) -> str:
    names = list(dict.fromkeys(model.manifest.name for model in ports.models.list(tenant, None, 5 * NAMES_SHOWN)))
    return ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
