"""Where steps run: their settings, their pools, and both kinds of endpoints as one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventing.contract.catalog import load_catalog
from eventing.contract.env import read
from eventing.contract.errors import ConfigurationError
from eventing.dispatch.endpoints import AllEndpoints, RemoteEndpoints, StepEndpoints
from eventing.settings import Settings

STEPS = [
    {"name": "cpu", "types": ["narrate", "film"], "url": "http://cpu.example/", "capacity": 4},
    {"name": "align", "types": ["align"], "url": "http://align.example", "idle_seconds": 90},
]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("REELZERO_ENDPOINTS", '[{"model": "tiny", "url": "http://tiny.example"}]')
    monkeypatch.setenv("REELZERO_STEP_ENDPOINTS", json.dumps(STEPS))
    return read(Settings)


async def test_steps_have_pools_of_their_own_beside_the_models(settings: Settings) -> None:
    models = RemoteEndpoints(settings.endpoints, load_catalog())
    both = AllEndpoints(models, StepEndpoints(settings.step_endpoints))
    pools = {pool.name: (pool.capacity, pool.idle_seconds, pool.routes) for pool in both.pools()}
    assert pools == {
        "tiny/default": (1, 0, (("tiny", "default"),)),
        "steps:cpu": (4, 0, (("narrate", "default"), ("film", "default"))),
        "steps:align": (1, 90, (("align", "default"),)),
    }
    assert settings.routes == tuple(route for pool in both.pools() for route in pool.routes)
    urls = []
    for model in ("tiny", "film", "align"):
        async with both.open(model, "default") as url:
            urls.append(url)
    assert urls == ["http://tiny.example", "http://cpu.example", "http://align.example"]
    assert both.obstacle("film") is both.obstacle("tiny") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "cpu"}, "step_endpoints: a name may appear once"),
        ({"types": ["align", "film"]}, "step_endpoints: the type film may appear once"),
        ({"types": ["tiny"]}, "step_endpoints: tiny is a model of REELZERO_ENDPOINTS"),
        ({"types": []}, "REELZERO_STEP_ENDPOINTS: 1: types: Tuple should have at least 1 item"),
        ({"capacity": 0}, "REELZERO_STEP_ENDPOINTS: 1: capacity: "),
    ],
)
def test_step_endpoints_that_cannot_be_are_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], words: str
) -> None:
    monkeypatch.setenv("REELZERO_STEP_ENDPOINTS", json.dumps([STEPS[0], STEPS[1] | change]))
    with pytest.raises(ConfigurationError) as error:
        read(Settings)
    assert words in error.value.message
