"""Adapters of the chart's values: in the catalog that the pods read, for the models that are served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helm_python
import pytest

from config.render import example, key, render
from eventing.contract.catalog import load_catalog

MODEL = "wan2.2-ti2v-5b"
INK = {
    "title": "Ink", "models": [MODEL, "mochi-1-preview"], "folder": "/loras", "file": "ink.safetensors",
    "licence": "MIT",
}  # fmt: skip
OTHER = INK | {"models": ["mochi-1-preview"]}


def objects(**loras: Any) -> dict[tuple[str, str], Any]:
    return {key(body): body for body in render(example("gpu-wan.yaml") | {"loras": loras})}


def test_adapters_are_in_the_catalog_of_the_pods(tmp_path: Path) -> None:
    before, after = objects(), objects(ink=INK, other=OTHER)
    for name, text in after["ConfigMap", "reelzero-catalog"]["data"].items():
        (tmp_path / name).write_text(text)
    loras = load_catalog(tmp_path).get(MODEL).loras
    assert set(loras) == {"ink"}
    assert loras["ink"].models == (MODEL,)  # the other model is not served, so its entry may be missing
    changed = {kind for kind, name in after if after[kind, name] != before[kind, name]}
    assert changed == {"ConfigMap", "Deployment", "InferenceService"}  # pods read it once, when they start
    assert objects(other=OTHER) == before


def test_a_wrong_adapter_stops_the_render() -> None:
    with pytest.raises(helm_python.HelmValuesError, match="additional properties 'fle' not allowed"):
        objects(ink=INK | {"fle": "ink.safetensors"})
