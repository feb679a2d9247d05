"""Keeps TensorRT to the shape of input that there is an engine for: it would build one for any other, for minutes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy.typing as npt

from gpu_batch.log import logger
from gpu_batch.models.bound import BoundSession
from gpu_batch.models.inputs import ModelInput, Pixels, input_hw


class SessionByShape:
    """Stands where a bound session stands; a video may change its size on the way."""

    def __init__(self, built_hw: tuple[int, int], built: BoundSession, open_other: Callable[[], BoundSession]) -> None:
        """`built` runs inputs of `built_hw` pixels, and what `open_other` opens, when it is needed, all others."""
        self._built_hw = built_hw
        self._built = built
        self._open_other = open_other
        self._other: BoundSession | None = None
        self._lock = Lock()

    def run(self, names: Sequence[str], inputs: Pixels | Sequence[ModelInput]) -> list[npt.NDArray[Any]]:
        """See `BoundSession.run`."""
        session = self._built if input_hw(inputs[0]) == self._built_hw else self._get_other()
        return session.run(names, inputs)

    def _get_other(self) -> BoundSession:
        with self._lock:
            if self._other is None:
                logger.info("frames of another size run on CUDA", has_engine_for=self._built_hw)
                self._other = self._open_other()
            return self._other
