"""A model of a job that is opened when a cell first lacks its results, and not at all when none does."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from chalicelib.domain.models import Manifest
from gpu_batch.models.loader import Model
from gpu_batch.models.providers import ProviderClass


class ModelOnDemand:
    """Shared by the sessions of a child; one of them opens it, the others wait.

    Until it is open it counts as of the class that this machine should give it. What is stored under that class
    answers the order, whatever this machine would have come to; only a session tells what new results are keyed by.
    """

    def __init__(self, manifest: Manifest, expected_class: ProviderClass, open_model: Callable[[], Model]) -> None:
        self.manifest = manifest
        self._expected_class = expected_class
        self._open_model = open_model
        self._lock = Lock()
        self._model: Model | None = None

    @staticmethod
    def opened(model: Model) -> ModelOnDemand:
        """One that is open already."""
        on_demand = ModelOnDemand(model.manifest, model.provider_class, lambda: model)
        on_demand.get()
        return on_demand

    @property
    def is_open(self) -> bool:
        """Whether `provider_class` is what it really runs on."""
        return self._model is not None

    @property
    def provider_class(self) -> ProviderClass:
        """The class that it runs on, or should."""
        return self._expected_class if self._model is None else self._model.provider_class

    def get(self) -> Model:
        """The model, ready to run.

        Raises:
            BadOrder: it cannot be opened; the next call tries again.
        """
        with self._lock:
            if self._model is None:
                self._model = self._open_model()
            return self._model
