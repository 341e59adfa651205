"""KServe's defaulter finds nothing to fill in our predictors, in any version that the chart supports."""

from __future__ import annotations

import copy

import pytest

from config.render import render
from tests.manifests.kserve_view import STOCK_OF_KSERVE, above_their_limits, defaulted
from tests.manifests.value_sets import EXAMPLES, VALUE_SETS


@pytest.mark.parametrize("name", VALUE_SETS)
def test_what_kserve_stores_is_what_we_rendered(name: str) -> None:
    for body in render(VALUE_SETS[name]):
        if body["kind"] == "InferenceService":
            assert not above_their_limits(body)
            for version in STOCK_OF_KSERVE:
                assert defaulted(body, version) == body


@pytest.mark.parametrize("version", STOCK_OF_KSERVE)
def test_without_limits_the_gpu_example_would_be_refused(version: str) -> None:
    bodies = render(EXAMPLES["gpu-cogvideox"])
    body = copy.deepcopy(next(body for body in bodies if body["kind"] == "InferenceService"))
    for name in ("cpu", "memory"):
        del body["spec"]["predictor"]["containers"][0]["resources"]["limits"][name]
    assert set(above_their_limits(defaulted(body, version))) == {"cpu", "memory"}
