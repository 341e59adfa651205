"""Pods by KEDA: one number for capacity, a drain by the budget, eventing alone comes in; what cannot work."""

from __future__ import annotations

import copy
import json
from typing import Any

import helm_python
import pytest

from config.render import CHART, example, plain, render
from eventing.contract.budget import DRAIN_SECONDS
from eventing.contract.catalog import load_catalog
from eventing.doctor.objects.manifests import Manifest, Manifests, parse
from eventing.doctor.registry import examine
from eventing.settings import Endpoint
from eventing.store.lanes.circuit_breaker import OPEN_AFTER
from tests.manifests.schemas import validate
from tests.manifests.test_policy import eventing_of, of
from tests.manifests.value_sets import KEDA, Values

Body = dict[str, Any]
BODIES = render(KEDA)
LANES = ("cogvideox-2b-short", "cogvideox-2b-long", "cogvideox-5b")
each_lane = pytest.mark.parametrize("lane", LANES)


def named(kind: str, lane: str) -> Body:
    (body,) = [body for body in of(BODIES, kind) if body["metadata"]["name"] == f"reelzero-{lane}-predictor"]
    return body


def pod(lane: str) -> Body:
    spec: Body = named("Deployment", lane)["spec"]["template"]["spec"]
    return spec


def variables(lane: str) -> dict[str, Any]:
    return {item["name"]: item for item in pod(lane)["containers"][0]["env"]}


@each_lane
def test_eventing_and_keda_agree_on_address_and_capacity(lane: str) -> None:
    (config,) = [body for body in of(BODIES, "ConfigMap") if "endpoints" in body["data"]]
    endpoints = [Endpoint.model_validate(item) for item in json.loads(config["data"]["endpoints"])]
    url = f"http://reelzero-{lane}-predictor.reelzero.svc.cluster.local:8080"
    (endpoint,) = [endpoint for endpoint in endpoints if endpoint.url == url]
    scaled, service = named("ScaledObject", lane)["spec"], named("Service", lane)["spec"]
    assert endpoint.scaler == "keda"
    assert endpoint.capacity == scaled["maxReplicaCount"] >= scaled["minReplicaCount"]
    assert scaled["scaleTargetRef"]["name"] == named("Deployment", lane)["metadata"]["name"]
    assert (service["clusterIP"], service["ports"][0]["port"]) == ("None", 8080)
    labels = named("Deployment", lane)["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert named("Deployment", lane)["spec"]["selector"]["matchLabels"] == service["selector"]
    assert "replicas" not in named("Deployment", lane)["spec"], "an upgrade would take pods from their jobs"


def test_lanes_do_not_share_pods_and_the_others_stay_on_knative() -> None:
    selectors = [json.dumps(named("Service", lane)["spec"]["selector"]) for lane in LANES]
    assert len(set(selectors)) == len(LANES)
    assert [body["metadata"]["name"] for body in of(BODIES, "InferenceService")] == ["reelzero-tiny"]


@each_lane
def test_a_model_that_moves_to_keda_gets_no_job_on_its_old_pods(lane: str) -> None:
    """The same lanes on Knative: while they move over, pods of both are there and ready."""
    models = [model | {"scaler": "knative", "minReplicas": 0} for model in KEDA["models"]]
    before = {
        body["metadata"]["name"]: body for body in of(render(KEDA | {"models": models}), "InferenceService")
    }
    old = before[f"reelzero-{lane}"]["metadata"]["labels"]
    for selector in (
        named("Service", lane)["spec"]["selector"],
        named("Deployment", lane)["spec"]["selector"]["matchLabels"],
    ):
        assert {
            name: old[name] for name in ("reelzero.dev/model", "reelzero.dev/lane")
        }.items() <= selector.items()
        assert not selector.items() <= old.items()


@each_lane
def test_a_pod_that_ends_has_the_time_of_the_budget(lane: str) -> None:
    budget = load_catalog().get(lane.removesuffix("-short").removesuffix("-long")).budget
    (container,) = pod(lane)["containers"]
    assert container["lifecycle"]["preStop"]["exec"]["command"][0] == "sleep"
    before = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert before <= DRAIN_SECONDS
    assert pod(lane)["terminationGracePeriodSeconds"] >= before + budget.drain_grace
    assert budget.pod_wait + budget.predictor_limit < budget.client_timeout
    assert named("ScaledObject", lane)["spec"]["cooldownPeriod"] in (60, 300)


def test_only_eventing_reaches_the_pods_past_all_gateways() -> None:
    (policy,) = [body for body in of(BODIES, "NetworkPolicy") if body["metadata"]["name"].endswith("-pods")]
    (rule,) = policy["spec"]["ingress"]
    (source,) = rule["from"]
    labels = eventing_of(BODIES)["spec"]["template"]["metadata"]["labels"]
    assert source.keys() == {"podSelector"}
    assert source["podSelector"]["matchLabels"].items() <= labels.items()
    selected = policy["spec"]["podSelector"]["matchLabels"].items()
    pods = {lane: named("Deployment", lane)["spec"]["template"]["metadata"]["labels"] for lane in LANES}
    assert all(selected <= labels.items() for labels in pods.values())
    (on_knative,) = of(BODIES, "InferenceService")
    assert not selected <= on_knative["metadata"]["labels"].items()


def test_weights_come_from_the_hub_or_a_volume() -> None:
    assert variables("cogvideox-2b-long")["REELZERO_ALLOW_DOWNLOAD"]["value"] == "true"
    token = variables("cogvideox-2b-long")["HF_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert token == {"name": "huggingface-token", "key": "HF_TOKEN", "optional": True}
    weights = load_catalog().get("cogvideox-2b").weights_gib
    (scratch,) = [item for item in pod("cogvideox-2b-long")["volumes"] if item["name"] == "scratch"]
    assert scratch["emptyDir"]["sizeLimit"] == f"{10 + (weights or 0)}Gi"
    assert variables("cogvideox-5b")["REELZERO_MODEL_DIR"]["value"] == "/mnt/models"
    (mount,) = [item for item in pod("cogvideox-5b")["containers"][0]["volumeMounts"]
                if item["mountPath"] == "/mnt/models"]  # fmt: skip
    assert (mount["readOnly"], mount["subPath"]) == (True, "models/cogvideox-5b")
    assert {"name": "weights", "persistentVolumeClaim": {"claimName": "weights", "readOnly": True}} in pod(
        "cogvideox-5b"
    )["volumes"]


def test_the_chart_knows_when_a_circuit_is_open() -> None:
    (trigger, _) = named("ScaledObject", "cogvideox-5b")["spec"]["triggers"]
    assert f"failures >= {OPEN_AFTER}" in trigger["metadata"]["query"]


def test_the_doctor_has_nothing_to_say_of_it() -> None:
    text = "\n---\n".join(json.dumps(body) for body in BODIES)
    assert [finding.rule for finding in examine(parse([("render", text)]))] == []


def of_keda(*bodies: Body) -> list[str]:
    findings = examine(Manifests(tuple(Manifest(body) for body in bodies)))
    return [finding.rule for finding in findings if finding.rule.startswith("keda-")]


def test_a_scaled_object_is_missing_only_beside_its_pods_or_its_peers() -> None:
    """Where eventing's manifests are alone, the rest may be in another repository."""
    alone = [body for body in plain(KEDA) if body["kind"] not in ("ScaledObject", "Deployment")]
    eventing, scaled = eventing_of(plain(KEDA)), of(plain(KEDA), "ScaledObject")
    assert of_keda(*alone, eventing) == []
    pods = [body for body in of(plain(KEDA), "Deployment") if body != eventing]
    assert of_keda(*alone, eventing, *pods) == ["keda-unscaled"] * len(LANES)
    assert of_keda(*alone, eventing, *scaled[1:]) == ["keda-unscaled"]
    elsewhere = copy.deepcopy(scaled[0]) | {"metadata": {"name": "worker", "namespace": "theirs"}}
    assert of_keda(*alone, eventing, elsewhere) == []


def changed(**changes: Any) -> Values:
    return copy.deepcopy(KEDA) | changes


def of_model(**changes: Any) -> Values:
    return changed(models=[{"name": "cogvideox-2b", "scaler": "keda"} | changes])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (changed(keda={}), "keda: cogvideox-2b is scaled by KEDA, which has nothing to read"),
        (changed(grpc={"enabled": True}), "grpc.enabled: gRPC services are scaled by Knative"),
        (changed(metrics={"scrape": "none"}), "keda.prometheusUrl: KEDA would find no number there"),
        (of_model(storage={"uri": "s3://models/x"}), r"models\[0\].*storage.uri: s3://models/x would be"),
        (of_model(storage={"uri": "oci://models/x"}), "storage.uri"),
        (of_model(scaler="hpa"), "scaler"),
        (of_model(minReplicas=2, maxReplicas=1), "minReplicas"),
        (of_model(podLabels={"reelzero.dev/scaler": "me"}), "podLabels"),
        (of_model(extraVolumes=[{"name": "weights", "emptyDir": {}}]), "weights"),
    ],
)
def test_what_cannot_work_stops_the_render(values: Values, words: str) -> None:
    with pytest.raises((helm_python.HelmRenderError, helm_python.HelmValuesError), match=words):
        render(values)


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        (example("keda.yaml"), "deployments,scaledobjects"),
        (example("lanes.yaml"), "deployments,inferenceservices,triggers,brokers,sinkbindings"),
        (KEDA, "deployments,inferenceservices,scaledobjects,triggers,brokers,sinkbindings"),
    ],
)
def test_the_notes_name_kinds_that_the_cluster_has(values: Values, kinds: str) -> None:
    with helm_python.Chart.load(CHART) as chart:
        (notes,) = [text for path, text in chart.render(values).items() if path.endswith("NOTES.txt")]
    assert f" get {kinds}\n" in notes


@pytest.mark.parametrize("source", ["databaseSecretName", "prometheusUrl"])
def test_one_source_is_enough(source: str) -> None:
    bodies = render(changed(keda={source: KEDA["keda"][source]}))
    triggers = [body["spec"]["triggers"] for body in of(bodies, "ScaledObject")]
    assert [len(each) for each in triggers] == [1, 1, 1]
    assert len(of(bodies, "TriggerAuthentication")) == (source == "databaseSecretName")


@pytest.mark.parametrize(
    "mistake",
    [
        {"maxReplicas": 1},
        {"triggers": []},
        {"triggers": [{"type": "postgresql", "metadata": {"query": "SELECT 1", "targetQueryValue": 1}}]},
        {"triggers": [{"type": "prometheus", "metadata": {"query": "up", "threshold": "1"}}]},
    ],
)
def test_the_schema_of_keda_is_strict(mistake: Body) -> None:
    body = copy.deepcopy(named("ScaledObject", "cogvideox-5b"))
    body["spec"] |= mistake
    with pytest.raises(AssertionError, match="ScaledObject"):
        validate(body)


def test_no_way_to_a_gateway_is_needed_without_knative() -> None:
    values = example("keda.yaml") | {"networkPolicy": {"gatewayNamespaces": []}}
    manifests = Manifests(tuple(Manifest(body) for body in plain(values)))
    assert examine(manifests) == []
