"""Metrics of GPUs: by a fake NVML everywhere, and by the real one where there is a card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from predictor.metrics.cards import Cards, open_nvml
from predictor.testing import MEMORY, FakeNvml


def samples(nvml: Any, environment: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """The value of each card by the name of the metric."""
    return {
        metric.name: {sample.labels["gpu"]: sample.value for sample in metric.samples}
        for metric in Cards(nvml, environment).collect()
    }


@pytest.fixture
def nvml() -> Any:
    module = open_nvml()
    if module is None:
        pytest.skip("no NVIDIA card here: a machine with a driver and nvidia-ml-py runs this test")
    return module


def test_every_card_has_its_memory_and_its_utilisation() -> None:
    assert samples(FakeNvml(1 << 30, 2 << 30), {}) == {
        "reelzero_gpu_memory_used_bytes": {"0": float(1 << 30), "1": float(2 << 30)},
        "reelzero_gpu_memory_size_bytes": {"0": float(MEMORY), "1": float(MEMORY)},
        "reelzero_gpu_utilization_ratio": {"0": 0.5, "1": 0.5},
    }


@pytest.mark.parametrize(
    ("visible", "cards"),
    [("1", ["1"]), ("GPU-00000000", ["0"]), ("0, 1", ["0", "1"]), ("", []), ("-1", [])],
)
def test_only_the_cards_of_this_process_are_shown(visible: str, cards: list[str]) -> None:
    shown = samples(FakeNvml(1, 1), {"CUDA_VISIBLE_DEVICES": visible})
    assert list(shown.get("reelzero_gpu_memory_used_bytes", {})) == cards


def test_a_card_that_does_not_answer_is_left_out() -> None:
    assert list(samples(FakeNvml(None, 1), {})["reelzero_gpu_utilization_ratio"]) == ["1"]
    assert samples(None, {}) == {}


def test_a_real_card_answers_as_the_fake_one_does(nvml: Any) -> None:
    real, fake = samples(nvml, {}), samples(FakeNvml(1), {})
    assert real.keys() == fake.keys()
    for card, size in real["reelzero_gpu_memory_size_bytes"].items():
        assert 0 < real["reelzero_gpu_memory_used_bytes"][card] < size
        assert 0 <= real["reelzero_gpu_utilization_ratio"][card] <= 1
