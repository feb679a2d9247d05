"""How the compiler says no: with every reason that it found, not only the first."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.errors import ErrorCode
from gpu_batch.errors import BadOrder


class ModelRefused(BadOrder):
    """A network that cannot be compiled as it was asked for; nothing was written."""

    default_hint = "Export the network again, or choose another adapter or other options (docs/models.md)"

    def __init__(self, subject: str, reasons: Sequence[str] = (), *, code: ErrorCode | None = None) -> None:
        self.reasons = tuple(reasons)
        lines = "".join(f"\n  * {reason}" for reason in self.reasons)
        super().__init__(f"{subject} is refused:{lines}" if reasons else subject, code=code)


class QuantizationRefused(ModelRefused):
    """A model whose int8 form would not be worth having, or could not be judged; nothing was written."""

    default_hint = "Give more videos, or some with more in them, or allow a larger --max-ap-loss (docs/models.md)"


def refuse_if_any(subject: str, reasons: Sequence[str]) -> None:
    """Raise what was found.

    Raises:
        ModelRefused: there are reasons.
    """
    if reasons:
        raise ModelRefused(subject, reasons)
