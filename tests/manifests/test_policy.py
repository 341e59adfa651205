"""What must hold for every rendered object, whatever the values: privileges, secrets, probes, capacity."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from config.render import render
from eventing.contract.records.events import INCOMING
from eventing.settings import Endpoint
from tests.manifests.value_sets import EXAMPLES, VALUE_SETS, model

Body = dict[str, Any]
RENDERED = {name: render(values) for name, values in VALUE_SETS.items()}
SECRET = re.compile(r"SECRET|KEY|TOKEN|PASSWORD|DATABASE_URL")
each = pytest.mark.parametrize("bodies", RENDERED.values(), ids=RENDERED.keys())


def of(bodies: list[Body], kind: str) -> list[Body]:
    return [body for body in bodies if body["kind"] == kind]


def pods(bodies: list[Body]) -> Iterator[tuple[str, Body]]:
    for body in bodies:
        spec = body.get("spec", {})
        found = {
            "Deployment": lambda spec=spec: spec["template"]["spec"],
            "DaemonSet": lambda spec=spec: spec["template"]["spec"],
            "InferenceService": lambda spec=spec: spec["predictor"],
            "Job": lambda spec=spec: spec["template"]["spec"],
            "Pod": lambda spec=spec: spec,
            "serving.knative.dev/v1": lambda spec=spec: spec["template"]["spec"],
        }.get(body["apiVersion"] if body["kind"] == "Service" else body["kind"])
        if found:
            yield body["metadata"]["name"], found()


def eventing_of(bodies: list[Body]) -> Body:
    """The Deployment of eventing; with KEDA, predictors have Deployments too."""
    (deployment,) = [
        body for body in of(bodies, "Deployment") if body["metadata"]["name"].endswith("-eventing")
    ]
    return deployment


def step_services(bodies: list[Body]) -> list[Body]:
    """The Knative Services that run steps."""
    return [body for body in of(bodies, "Service") if body["apiVersion"].startswith("serving.")]


def containers(bodies: list[Body]) -> Iterator[Body]:
    for _, pod in pods(bodies):
        yield from pod.get("initContainers", []) + pod["containers"]


@each
def test_no_container_has_a_privilege(bodies: list[dict[str, Any]]) -> None:
    for container in containers(bodies):
        context = container["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}


@each
def test_no_pod_gets_a_token(bodies: list[dict[str, Any]]) -> None:
    """But the doctor's, which asks the API server and does nothing else."""
    reads = [name for name, pod in pods(bodies) if pod["automountServiceAccountToken"] is not False]
    assert all(name.endswith("-doctor") for name in reads)
    assert all(body["automountServiceAccountToken"] is False for body in of(bodies, "ServiceAccount"))


@each
def test_secrets_come_by_reference_only(bodies: list[dict[str, Any]]) -> None:
    assert not of(bodies, "Secret")
    for container in containers(bodies):
        for env in container.get("env", []):
            is_path = str(env.get("value", "")).startswith("/")
            if SECRET.search(env["name"]) and not is_path:
                assert "secretKeyRef" in env["valueFrom"], env["name"]


@each
def test_every_container_is_limited_and_writes_only_to_its_volumes(bodies: list[dict[str, Any]]) -> None:
    for container in containers(bodies):
        assert container["resources"]["requests"]["memory"]
        assert container["resources"]["limits"]["memory"]
    for _, pod in pods(bodies):
        for volume in pod.get("volumes", []):
            outside = {"configMap", "secret", "projected", "persistentVolumeClaim"}
            assert volume.keys() & outside or volume["emptyDir"]["sizeLimit"]


@each
def test_eventing_is_probed_disrupted_gently_and_rolled_without_a_gap(bodies: list[dict[str, Any]]) -> None:
    deployment = eventing_of(bodies)
    serve = deployment["spec"]["template"]["spec"]["containers"][0]
    assert serve["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert serve["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    (budget,) = of(bodies, "PodDisruptionBudget")
    selector = budget["spec"]["selector"]["matchLabels"]
    assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert budget["spec"]["maxUnavailable"] == 1


@each
def test_predictors_are_probed_as_knative_needs_it(bodies: list[dict[str, Any]]) -> None:
    for body in of(bodies, "InferenceService"):
        container, *sidecars = body["spec"]["predictor"]["containers"]
        assert not any(sidecar.keys() & {"ports", "readinessProbe"} for sidecar in sidecars)
        named = next(env["value"] for env in container["env"] if env["name"] == "REELZERO_MODEL")
        assert container["readinessProbe"]["httpGet"] == {"path": f"/v2/models/{named}/ready", "port": 8080}
        (port,) = container["ports"]
        (asked,) = (container["livenessProbe"][how] for how in ("httpGet", "tcpSocket")
                    if how in container["livenessProbe"])  # fmt: skip
        assert asked["port"] == port["containerPort"], "Knative takes a liveness probe on this port only"
        assert asked.get("path", "/v2/health/live") == "/v2/health/live"
        assert "startupProbe" not in container
        assert body["metadata"]["labels"]["networking.knative.dev/visibility"] == "cluster-local"
        assert (
            body["metadata"]["annotations"]["autoscaling.knative.dev/target-utilization-percentage"] == "100"
        )


@each
def test_one_number_for_capacity(bodies: list[dict[str, Any]]) -> None:
    config = next(body for body in of(bodies, "ConfigMap") if "endpoints" in body["data"])
    endpoints = [Endpoint.model_validate(item) for item in json.loads(config["data"]["endpoints"])]
    http = [
        b for b in of(bodies, "InferenceService") if b["metadata"]["labels"]["reelzero.dev/lane"] != "grpc"
    ]
    on_knative = [endpoint for endpoint in endpoints if endpoint.scaler == "knative"]
    for endpoint, body in zip(on_knative, http, strict=True):
        predictor, labels = body["spec"]["predictor"], body["metadata"]["labels"]
        assert endpoint.capacity == predictor["maxReplicas"] * predictor["containerConcurrency"]
        assert (endpoint.model, endpoint.lane) == (labels["reelzero.dev/model"], labels["reelzero.dev/lane"])
        assert endpoint.url.startswith(f"http://{body['metadata']['name']}-predictor.reelzero.svc.")


@each
def test_requests_come_in_and_nothing_circles(bodies: list[dict[str, Any]]) -> None:
    if not of(bodies, "Trigger"):
        pytest.skip("no events in this value set")
    (requests,) = [body for body in of(bodies, "Trigger") if body["metadata"]["name"].endswith("-requests")]
    assert requests["spec"]["filters"] == [{"any": [{"exact": {"type": kind}} for kind in INCOMING]}]
    assert requests["spec"]["subscriber"]["uri"] == "/events"
    delivery = requests["spec"]["delivery"]
    sink = delivery["deadLetterSink"]
    assert sink.get("uri") == "/events/dead-letter" or sink["ref"]["name"] != "reelzero-eventing"
    assert {"retry", "backoffPolicy", "backoffDelay", "timeout"} <= delivery.keys()
    for body in of(bodies, "Broker"):
        assert body["spec"]["delivery"]["retry"] >= 1
    for body in of(bodies, "Trigger"):
        if body is not requests:
            assert not any(kind in json.dumps(body["spec"]["filters"]) for kind in INCOMING)
            assert body["spec"]["subscriber"] != requests["spec"]["subscriber"]


@each
def test_every_pod_has_a_network_policy_of_both_directions(bodies: list[dict[str, Any]]) -> None:
    policies = of(bodies, "NetworkPolicy")
    if not policies:
        pytest.skip("switched off in this value set")
    covered = {body["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for body in policies}
    assert covered == {"eventing", "predictor", "test"} | {
        body["metadata"]["labels"]["app.kubernetes.io/component"]
        for body in of(bodies, "DaemonSet") + of(bodies, "Job") + step_services(bodies)
    }
    assert all(body["spec"]["policyTypes"] == ["Ingress", "Egress"] for body in policies)
    predictor = next(body for body in policies if body["metadata"]["name"].endswith("-predictor"))
    knative, *others = predictor["spec"]["ingress"]
    assert 8080 not in [port["port"] for port in knative["ports"]], "only queue-proxy counts requests"
    assert all("namespaceSelector" in source for rule in [knative, *others] for source in rule["from"])


def test_labels_of_pods_survive_an_upgrade_of_the_chart() -> None:
    """A label that changes makes a new revision, and every model is loaded again."""
    for body in RENDERED["lanes"]:
        if body["kind"] == "InferenceService":
            assert "helm.sh/chart" not in body["metadata"]["labels"]


def test_grpc_is_a_service_of_its_own_and_counted() -> None:
    (http, grpc) = of(RENDERED["mochi-80gb"], "InferenceService")
    (port,) = grpc["spec"]["predictor"]["containers"][0]["ports"]
    assert (port["name"], port["containerPort"]) == ("h2c", 8081)
    assert grpc["metadata"]["name"] == http["metadata"]["name"] + "-grpc"
    assert "--enable_grpc" in grpc["spec"]["predictor"]["containers"][0]["args"]


def test_grpc_keeps_no_pods_for_its_model() -> None:
    """Pods that are always there are meant for jobs; a second set for gRPC would be paid and idle."""
    values = model(minReplicas=2, maxReplicas=3, initialScale=3) | {"grpc": {"enabled": True}}
    (http, grpc) = of(render(values), "InferenceService")
    assert (http["spec"]["predictor"]["minReplicas"], grpc["spec"]["predictor"]["minReplicas"]) == (2, 0)
    assert http["metadata"]["annotations"]["autoscaling.knative.dev/initial-scale"] == "3"
    assert grpc["metadata"]["annotations"]["autoscaling.knative.dev/initial-scale"] == "1"
    assert grpc["spec"]["predictor"]["maxReplicas"] == 1


def test_gpus_are_requested_as_they_are_limited() -> None:
    (body,) = of(RENDERED["gpu-cogvideox"], "InferenceService")
    resources = body["spec"]["predictor"]["containers"][0]["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"
    assert "nvidia.com/gpu" not in json.dumps(of(RENDERED["cpu-trial"], "InferenceService"))


def test_a_changed_budget_makes_a_new_revision() -> None:
    def annotations(seconds: int) -> Body:
        (body,) = of(render(model(generationSeconds=seconds)), "InferenceService")
        found: Body = body["metadata"]["annotations"]
        return found

    assert annotations(10) != annotations(11)


def test_a_changed_catalog_entry_reaches_running_pods_of_that_model() -> None:
    """They read it once, when they start; a new ConfigMap alone would leave them with the old one."""

    def annotations(steps: int) -> dict[str, Body]:
        values = copy.deepcopy(EXAMPLES["extreme"])
        values["catalog"]["our-own-1.0"]["quality"]["low"]["steps"] = steps
        bodies = render(values)
        deployment = eventing_of(bodies)
        found = {body["metadata"]["name"]: body for body in of(bodies, "InferenceService")}
        found["eventing"] = deployment["spec"]["template"]
        return {name: body["metadata"]["annotations"] for name, body in found.items()}

    before, after = annotations(10), annotations(11)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"eventing", *(name for name in before if "our-own" in name)}
    assert "rz-tiny" in before


def test_a_change_of_the_pods_alone_does_not_roll_eventing() -> None:
    """A rollout of eventing waits for open streams, up to the longest budget."""

    def template(**changes: Any) -> Body:
        (deployment,) = of(render(model(**changes)), "Deployment")
        pod: Body = deployment["spec"]["template"]
        return pod

    assert template() == template(nodeSelector={"pool": "gpu"}, shmSize="2Gi")


def test_lanes_override_their_model() -> None:
    by_name = {
        body["metadata"]["name"]: body["spec"]["predictor"]
        for body in of(RENDERED["lanes"], "InferenceService")
    }
    assert by_name["reelzero-cogvideox-5b-short"]["minReplicas"] == 1
    assert by_name["reelzero-cogvideox-5b-long"]["maxReplicas"] == 3
    assert EXAMPLES["lanes"]["models"][0]["lanes"][0]["maxFrames"] == 25


def test_a_trigger_asks_for_the_token_that_eventing_takes() -> None:
    bodies = RENDERED["extreme"]
    (requests,) = [body for body in of(bodies, "Trigger") if body["metadata"]["name"].endswith("-requests")]
    deployment = eventing_of(bodies)
    env = {e["name"]: e.get("value") for e in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert requests["spec"]["subscriber"]["audience"] == env["REELZERO_OIDC_AUDIENCE"] == "reelzero"
    assert requests["spec"]["delivery"]["deadLetterSink"]["audience"] == "reelzero"
    assert env["REELZERO_OIDC_OWNERS"] == "system:serviceaccount:shop:checkout=shop"


def test_both_sides_and_the_scraper_read_the_predictors_token_from_one_secret() -> None:
    bodies = RENDERED["predictors with a token"]
    reference = {"name": "predictor", "key": "token"}
    for container in containers(bodies):
        env = {item["name"]: item for item in container.get("env", [])}
        if "REELZERO_S3_BUCKET" in env:
            assert env["REELZERO_PREDICTOR_TOKEN"]["valueFrom"]["secretKeyRef"] == reference
    monitors = {body["metadata"]["name"]: body for body in of(bodies, "PodMonitor")}
    (of_predictors,) = [body for name, body in monitors.items() if name.endswith("-predictor")]
    assert of_predictors["spec"]["podMetricsEndpoints"][0]["authorization"]["credentials"] == reference
