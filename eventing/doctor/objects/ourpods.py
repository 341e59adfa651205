"""One view of our pods: those of eventing, and those of predictors that Knative or KEDA starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eventing.doctor.objects.manifests import (
    Body,
    Manifest,
    Manifests,
    View,
    dig,
    items,
    near,
    number,
    section,
    service_at,
)
from eventing.doctor.objects.ours import eventing
from eventing.doctor.objects.workloads import Workload, predictors
from eventing.settings import Endpoint

KEDA, KEDA_MAXIMUM = "keda.sh", 100  # the API group, and KEDA's default

OF_KNATIVE = "serving.knative.dev/"


@dataclass(frozen=True)
class OurPod(View):
    """The description of pods of one kind.

    `workload` is None for a Deployment: of eventing, or of a predictor that KEDA starts `by_keda` of at most.
    """

    spec: Body
    labels: Body
    workload: Workload | None = None
    by_keda: int = 0

    @property
    def is_predictor(self) -> bool:
        """Tell whether it makes videos; if not, it is eventing."""
        return self.workload is not None or self.by_keda > 0

    @property
    def is_step(self) -> bool:
        """Tell whether it runs steps of stories, which have signed addresses and no settings of S3."""
        return self.workload is not None and self.workload.is_step

    @property
    def component(self) -> str:
        """Return the label by which the chart selects it."""
        return "steps" if self.is_step else "predictor" if self.is_predictor else "eventing"

    @property
    def namespace(self) -> str:
        """Return its namespace; empty if the manifest names none."""
        return self.manifest.namespace

    @property
    def containers(self) -> list[Body]:
        """Return all its containers, those that run first included."""
        return items(self.spec, "initContainers") + items(self.spec, "containers")

    @property
    def main(self) -> Body:
        """Return the container that serves; empty if a ServingRuntime provides it."""
        if self.workload is not None:
            return self.workload.container
        return (items(self.spec, "containers") or [{}])[0]

    @property
    def most(self) -> int:
        """Return how many of them may run at once; 0 means without limit."""
        if self.workload is not None:
            return self.workload.max_scale or 0
        replicas = self.manifest.spec.get("replicas", 1)
        return self.by_keda or (replicas if isinstance(replicas, int) else 1)


def our_pods(manifests: Manifests) -> list[OurPod]:
    """Return the pods of eventing and of predictors, in any deployment mode or by KEDA."""
    own = [_of_deployment(item) for item in eventing(manifests)]
    return own + [_of_workload(item) for item in predictors(manifests)] + _of_keda(manifests)


def scaled_objects(manifests: Manifests, endpoint: Endpoint) -> list[Manifest]:
    """Return the ScaledObjects that start pods for an endpoint."""
    name, namespace = service_at(endpoint.url)
    return [
        item
        for item in manifests.kind("ScaledObject", KEDA)
        if dig(item.spec, "scaleTargetRef", "name") == name and near(item.namespace, namespace)
    ]


def keda_maximum(scaled: Manifest) -> int:
    """Return how many pods a ScaledObject starts at most."""
    return number(scaled.spec.get("maxReplicaCount")) or KEDA_MAXIMUM


def variables(container: Body) -> dict[str, Body]:
    """Return the variables of a container by name, each with its value or its reference."""
    return {str(item.get("name")): item for item in items(container, "env")}


def value_of(manifests: Manifests, pod: OurPod, name: str) -> Any:
    """Return a variable of the serving container, read from a ConfigMap where it refers to one.

    None means that it is not set, or is in a Secret or elsewhere.
    """
    variable = variables(pod.main).get(name, {})
    reference = section(variable, "valueFrom", "configMapKeyRef")
    if not reference:
        return variable.get("value")
    data = manifests.config(str(reference.get("name")), pod.namespace)
    return (data or {}).get(str(reference.get("key")))


def here(manifests: Manifests, kind: str, namespace: str) -> list[Manifest]:
    """Return the objects of a kind that are surely in a namespace: both name the same one, or none."""
    return [item for item in manifests.kind(kind) if item.namespace == namespace]


def _of_deployment(item: Manifest, by_keda: int = 0) -> OurPod:
    template = section(item.spec, "template")
    labels = section(template, "metadata", "labels")
    return OurPod(item, section(template, "spec"), labels, by_keda=by_keda)


def _of_keda(manifests: Manifests) -> list[OurPod]:
    """Return the pods behind the endpoints that KEDA scales: Deployments of the Service's name."""
    endpoints = (point for item in eventing(manifests) for point in manifests.endpoints(item))
    pods: list[OurPod] = []
    for endpoint in (point for point in endpoints if point.scaler == "keda"):
        name, namespace = service_at(endpoint.url)
        maximum = next(map(keda_maximum, scaled_objects(manifests, endpoint)), endpoint.capacity)
        for item in manifests.kind("Deployment", "apps"):
            if item.name == name and near(item.namespace, namespace):
                pods.append(_of_deployment(item, maximum))
    return pods


def _of_workload(item: Workload) -> OurPod:
    own = section(item.manifest.body, "metadata", "labels")
    template = section(item.manifest.spec, "template", "metadata", "labels")
    made = {f"{OF_KNATIVE}service": item.address, "serving.kserve.io/inferenceservice": item.manifest.name}
    labels = (own | section(item.pod, "labels") if item.is_inference_service else template) | made
    return OurPod(item.manifest, item.pod, labels, item)
