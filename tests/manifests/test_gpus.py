"""A pod with several GPUs: what it asks for, what the predictor reads, and what the chart refuses."""

from __future__ import annotations

import json
from typing import Any

import yaml

from config.render import CHART, render
from tests.manifests.value_sets import with_values

Body = dict[str, Any]
FAMILIES = CHART.parents[1] / "predictor/models/pipelines"


def of(bodies: list[Body], kind: str) -> list[Body]:
    return [body for body in bodies if body["kind"] == kind]


def test_two_gpus_of_a_pod_share_each_video() -> None:
    """The pod asks for both, with memory for a process each, and the predictor reads that there are two."""
    bodies = render(with_values(models=[{"name": "wan2.2-ti2v-5b", "gpus": 2}]))
    (body,) = of(bodies, "InferenceService")
    resources = body["spec"]["predictor"]["containers"][0]["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "2"
    assert resources["limits"]["memory"] == "64Gi"
    entries = [yaml.safe_load(text) for map_ in of(bodies, "ConfigMap") for text in map_["data"].values()]
    (entry,) = [entry for entry in entries if "name" in entry and entry["name"] == "wan2.2-ti2v-5b"]
    assert entry["gpus"] == 2


def test_a_family_of_ones_own_may_use_all_gpus_of_a_pod() -> None:
    values = with_values(
        models=[{"name": "mochi-1-preview", "gpus": 2, "settings": {"families": "mochi=our.mochi"}}]
    )
    (body,) = of(render(values), "InferenceService")
    assert body["spec"]["predictor"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"


def test_the_chart_knows_the_families_that_use_one_gpu() -> None:
    template = (CHART / "templates/_checks.tpl").read_text()
    listed = json.loads(template.split('"reelzero.unshared" -}}', 1)[1].split("\n", 2)[1])
    texts = {path.stem: path.read_text() for path in FAMILIES.glob("*.py")}
    assert listed == sorted(
        name
        for name, text in texts.items()
        if "\nclass Family(" in text and "\n    SHARED = True\n" not in text
    )
