"""Which models there are."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.models import Manifest
from chalicelib.services.ports import Ports


def list_models(ports: Ports) -> Sequence[Manifest]:
    """Every model that a job may name, by name."""
    return ports.models.list()
