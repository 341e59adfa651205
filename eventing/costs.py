"""Turn seconds of a predictor into GPU-seconds and money, by the catalog's GPUs and the operator's prices."""

from __future__ import annotations

from collections.abc import Mapping

from eventing.contract.catalog import Catalog
from eventing.contract.stories.types import StepType
from eventing.settings import Settings, pairs

HOUR = 3600.0


class Costs:
    """The GPUs and prices of models and step types. One without GPUs is one device that costs nothing."""

    def __init__(
        self, settings: Settings, catalog: Catalog, types: Mapping[str, StepType] | None = None
    ) -> None:
        self._catalog = catalog
        self._types = types or {}
        self._price = settings.gpu_hour_price
        self._prices = {model: float(price) for model, price in pairs(settings.gpu_hour_prices).items()}
        self._currency = settings.currency

    @property
    def currency(self) -> str | None:
        """Return the currency; None if no price is set."""
        return self._currency if self._prices or self._price is not None else None

    def gpus(self, model: str) -> int | None:
        """Return the GPUs of one worker; None for a model or a step type that is known no more."""
        if step := self._types.get(model):
            return step.gpus
        return self._catalog.get(model).gpus if model in self._catalog.names() else None

    def gpu_seconds(self, model: str, seconds: float) -> float:
        """Return the GPU-seconds of so many seconds of one predictor. A CPU counts as one device."""
        return seconds * max(1, self.gpus(model) or 1)

    def money(self, model: str, seconds: float) -> float | None:
        """Return what so many seconds of one predictor cost; None without a price or with unknown GPUs."""
        price, gpus = self._prices.get(model, self._price), self.gpus(model)
        if price is None or gpus is None:
            return None
        return seconds * gpus * price / HOUR
