"""Objects as a cluster keeps them: with all defaults, and with the objects that controllers made.

Only what the chart uses; written after what running controllers stored.
"""

from __future__ import annotations

import copy
from typing import Any

import yaml

from config.render import ROOT, render
from tests.manifests import knative_view, kserve_view
from tests.manifests.stock import KNATIVE, KSERVE, config_map

Body = dict[str, Any]
NAMESPACE = "video"
POD = {
    "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30, "securityContext": {}, "enableServiceLinks": True,
}  # fmt: skip
CONTAINER = {
    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    "imagePullPolicy": "IfNotPresent", "resources": {},
}  # fmt: skip
PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
SINK = [{"name": "K_SINK", "value": "http://broker"}, {"name": "K_CE_OVERRIDES", "value": ""}]


def platform() -> list[Body]:
    """Knative's ConfigMaps after config/platform, and the activator after its patch."""
    folder = ROOT / "config" / "platform"
    configs = list(yaml.safe_load_all((folder / "knative-serving.yaml").read_text(encoding="utf-8")))
    patch = yaml.safe_load((folder / "activator-grace.yaml").read_text(encoding="utf-8"))
    meta = {"name": "activator", "namespace": "knative-serving"}
    activator = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta} | patch
    return [*configs, activator, config_map("inferenceservice-config", "kserve", {})]


def live(values: dict[str, Any], kserve: str = "0.21") -> list[Body]:
    """A release of the chart as `kubectl get` would show it, with the objects that its controllers made."""
    return [made for body in render(values, NAMESPACE) for made in _kept(body, kserve)]


def _kept(body: Body, kserve: str) -> list[Body]:
    body = copy.deepcopy(body)
    body["metadata"] |= {
        "namespace": NAMESPACE, "uid": "0", "resourceVersion": "1", "generation": 1,
        "creationTimestamp": "2026-11-25T12:00:00Z", "managedFields": [{"manager": "helm"}],
    }  # fmt: skip
    match body["kind"]:
        case "Deployment":
            return [_deployment(body)]
        case "InferenceService":
            return _inference_service(body, kserve)
        case "Trigger":
            body["spec"].setdefault("filter", {})
        case "Broker":
            body["spec"].setdefault("config", {"kind": "ConfigMap", "name": "config-br-default-channel"})
            retries = {"retry": 10, "backoffPolicy": "exponential", "backoffDelay": "PT0.2S"}
            body["spec"].setdefault("delivery", retries)
    return [body]


def _deployment(body: Body) -> Body:
    pod = body["spec"]["template"]["spec"]
    body["spec"]["template"]["spec"] = pod = POD | pod
    for name in ("initContainers", "containers"):
        pod[name] = [_container(container) for container in pod.get(name, [])]
    body["spec"] |= {"revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
    body["status"] = {"replicas": body["spec"].get("replicas", 1)}
    return body


def _container(container: Body) -> Body:
    probes = {
        name: PROBE | container[name] for name in ("livenessProbe", "readinessProbe") if name in container
    }
    return CONTAINER | container | probes | {"env": [*container.get("env", []), *SINK]}


def _inference_service(body: Body, kserve: str) -> list[Body]:
    """With the Knative Service that KServe makes of it and the Deployment that Knative makes of that."""
    stored = kserve_view.defaulted(body, KSERVE[kserve])
    stored["status"] = {"deploymentMode": "Serverless", "url": "http://x.example.com"}
    service = knative_view.defaulted(kserve_view.knative_service(stored), KNATIVE["1.23"])
    service["metadata"] |= {"namespace": NAMESPACE, "ownerReferences": [{"kind": "InferenceService"}]}
    template = copy.deepcopy(service["spec"]["template"])
    queue = {"name": "queue-proxy", "image": "gcr.io/knative-releases/queue", "env": []}
    template["spec"]["containers"].append(queue)
    name = f"{service['metadata']['name']}-00001-deployment"
    meta = {"name": name, "namespace": NAMESPACE, "labels": stored["metadata"]["labels"]}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template}
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
    return [stored, service, _deployment(made)]
