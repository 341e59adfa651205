"""The recipes for weights that are on the node fit what the chart renders and what their tools take."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from config.render import ROOT, render
from tests.manifests.test_images import lint
from tests.manifests.test_policy import of
from tests.manifests.value_sets import EXAMPLES

FOLDER = ROOT / "config" / "model-cache"
MODELCAR = (FOLDER / "modelcar.Dockerfile").read_text(encoding="utf-8")


def test_the_cache_has_what_the_inference_service_asks_for() -> None:
    (service,) = of(render(EXAMPLES["gpu-cogvideox"]), "InferenceService")
    env = {e["name"]: e.get("value") for e in service["spec"]["predictor"]["containers"][0]["env"]}
    group, cache = yaml.safe_load_all((FOLDER / "local-model-cache.yaml").read_text(encoding="utf-8"))
    assert cache["spec"]["sourceModelUri"] == env["STORAGE_URI"]
    assert cache["spec"]["nodeGroups"] == [group["metadata"]["name"]]
    (term,) = group["spec"]["persistentVolumeSpec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    labels = {rule["key"]: rule["values"] for rule in term["matchExpressions"]}
    assert labels == {key: [value] for key, value in service["spec"]["predictor"]["nodeSelector"].items()}


def test_its_volume_and_claim_meet_kubernetes_schemas() -> None:
    group, _ = yaml.safe_load_all((FOLDER / "local-model-cache.yaml").read_text(encoding="utf-8"))
    for kind, part in (("PersistentVolume", "Spec"), ("PersistentVolumeClaim", "ClaimSpec")):
        spec: dict[str, Any] = group["spec"][f"persistentVolume{part}"]
        body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
        kubernetes_validate.validate(body, "1.29", strict=True)


def test_hadolint_finds_nothing_in_the_modelcar() -> None:
    assert lint(MODELCAR) == ""


def test_the_download_uses_options_that_the_pinned_tool_has() -> None:
    (version,) = re.findall(r"huggingface-hub==(\S+)", MODELCAR)
    assert f"huggingface-hub=={version}\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")
    (command,) = re.findall(r"hf download (.+?) &&", MODELCAR)
    tool = Path(sys.executable).with_name("hf")
    helped = subprocess.run([tool, "download", "--help"], capture_output=True, text=True, check=True)
    for option in re.findall(r"--[a-z-]+", command):
        assert f"{option} " in helped.stdout


def test_a_modelcar_runs_as_a_user_and_has_the_weights_where_kserve_looks() -> None:
    last = MODELCAR.rpartition("FROM ")[2]
    assert last.startswith("busybox:"), "KServe starts it with a shell"
    assert re.search(r"^COPY .* /models$", last, re.MULTILINE)
    assert re.search(r"^USER [1-9]\d*:\d+$", last, re.MULTILINE), "runAsNonRoot needs a number"
