"""An engine in the pod of the predictor: its container is as it is written, and no weights are fetched."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from config.render import example, render
from tests.manifests.test_policy import pods
from tests.manifests.test_refusals import assert_refused
from tests.manifests.value_sets import Values

EXAMPLE = example("engine.yaml")
[MODEL] = EXAMPLE["models"]
POD = "reelzero-wan2-2-ti2v-5b-sglang"


def changed(**changes: Any) -> Values:
    return copy.deepcopy(EXAMPLE) | {"models": [copy.deepcopy(MODEL) | changes]}


def test_the_engine_runs_beside_a_predictor_that_fetches_no_weights_and_has_no_gpu() -> None:
    pod = dict(pods(render(EXAMPLE)))[POD]
    ours, engine = pod["containers"]
    assert engine == MODEL["sidecars"][0]
    names = {variable["name"] for variable in ours["env"]}
    assert not names & {"STORAGE_URI", "REELZERO_MODEL_DIR"}
    assert not any("nvidia" in name for part in ours["resources"].values() for name in part)


def test_an_engine_elsewhere_is_named_and_may_be_reached() -> None:
    rule = {"namespaces": ["engines"], "ports": [30000]}
    values = changed(sidecars=[], settings={"engine_url": "http://wan.engines:30000"})
    objects = render(values | {"networkPolicy": {"egress": {"engines": [rule]}}})
    [ours] = dict(pods(objects))[POD]["containers"]
    assert {"name": "REELZERO_ENGINE_URL", "value": "http://wan.engines:30000"} in ours["env"]
    policies = [body for body in objects if body["kind"] == "NetworkPolicy"]
    reaching = [
        policy["metadata"]["name"] for policy in policies if 30000 in _ports(policy["spec"]["egress"])
    ]
    assert reaching == ["reelzero-predictor"]


def _ports(rules: list[Any]) -> list[int]:
    return [port["port"] for rule in rules for port in rule.get("ports", [])]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "queue-proxy", ["sidecars[0].name", "choose another name"]),
        (
            "ports",
            [{"containerPort": 30000}],
            ["sidecars[0].ports", "Knative allows ports for one container"],
        ),
    ],
)
def test_a_container_that_knative_would_refuse_stops_the_render(
    field: str, value: Any, words: list[str]
) -> None:
    assert_refused(changed(sidecars=[MODEL["sidecars"][0] | {field: value}]), words)
