"""One version of a model that a tenant registers: from its ticket to a model that jobs can name, or to a refusal.

A name has versions, which never change their bytes, and aliases, which are moved from one version to another. What a
job uses is pinned by digest, so neither a new version nor a moved alias changes a job that is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.errors import Failure
from chalicelib.domain.ids import ModelId, TenantId
from chalicelib.domain.models import Manifest
from chalicelib.domain.videos import Source, Upload

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
WORD_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""A version, or an alias."""
LATEST = "latest"
"""The alias that a name without `@` stands for, where it was set; else that name is the newest version."""
MOVES_KEPT = 20
MAX_MODEL_BYTES = 256 << 20
"""Of an uploaded file. Admission holds it several times in the memory of a worker of the cpu lane."""


class ModelState(StrEnum):
    """Where a version stands; the last two are terminal."""

    AWAITING_UPLOAD = "AWAITING_UPLOAD"
    UPLOADED = "UPLOADED"
    """The file is in S3 and pinned; its admission has not ended yet."""
    READY = "READY"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class Trial:
    """What the trial of an admitted model measured."""

    cpu_ms_by_input: Mapping[str, float]
    """Median CPU milliseconds of one frame or clip on one thread, by input size such as 416x256."""
    memory_mb: float
    """What the model added to a process that runs it."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """The record of one version of a tenant's own model."""

    tenant: TenantId
    model_id: ModelId
    name: str
    version: str
    state: ModelState
    created_at: datetime
    filename: str
    recipe: Mapping[str, object] = field(hash=False)
    """What was said about the file, as `contracts/model_recipe.py` has it."""
    upload: Upload
    source: Source
    sha256: str = ""
    """Hex digest of the upload that the client declared; empty when it did not."""
    registered_by: str = ""
    """Subject of the token."""
    manifest: Manifest | None = None
    """Of a version that is READY."""
    ready_at: datetime | None = None
    trial: Trial | None = None
    failure: Failure | None = None
    reasons: tuple[str, ...] = ()
    """Every reason of a refusal."""
    revision: int = 1
    """Of this record: counts its writes."""


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version that jobs can use: of the tenant, or of those that every tenant may use."""

    manifest: Manifest
    key: str
    """S3 key of the file in canonical form."""
    ready_at: datetime
    is_public: bool
    model_id: ModelId | None = None
    """None for a public one, which has no record."""


@dataclass(frozen=True, slots=True)
class AliasMove:
    """Who let an alias name which version, and when."""

    version: str
    from_version: str | None
    """None when the alias was new."""
    moved_at: datetime
    moved_by: str
    """Subject of the token."""


@dataclass(frozen=True, slots=True)
class Alias:
    """A name of a version that can be moved, such as `detector@prod`."""

    name: str
    """Of the model."""
    alias: str
    moves: tuple[AliasMove, ...]
    """The newest first, `MOVES_KEPT` at most; never empty."""
    revision: int = 1
    """Counts all moves."""

    def __post_init__(self) -> None:
        if not self.moves:
            raise ValueError(f"alias {self.alias} of {self.name} must have a move but got none")

    @property
    def version(self) -> str:
        """What it names now."""
        return self.moves[0].version


def split_reference(reference: str) -> tuple[str, str]:
    """(name, version or alias) of `name`, `name@version` or `name@alias`; the second is empty when it was left out."""
    name, at, word = reference.partition("@")
    # `name@` is no reference, and must not pass for one without a word.
    return name, word if word or not at else "@"


def is_model_name(text: str) -> bool:
    """Whether a model may be called so: no separator of our keys can hide in it."""
    return NAME_PATTERN.fullmatch(text) is not None


def is_version_word(text: str) -> bool:
    """Whether a version or an alias may be called so."""
    return WORD_PATTERN.fullmatch(text) is not None
