"""One view of our pods: those of eventing and those of predictors, with what Knative adds to the latter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eventing.doctor.manifests import Body, Manifest, Manifests, items, section
from eventing.doctor.ours import eventing
from eventing.doctor.workloads import Workload, predictors

OF_KNATIVE = "serving.knative.dev/"


@dataclass(frozen=True)
class OurPod:
    """The description of pods of one kind. `workload` is None for eventing."""

    manifest: Manifest
    spec: Body
    labels: Body
    workload: Workload | None = None

    @property
    def source(self) -> str:
        """Return the file it was read from."""
        return self.manifest.source

    @property
    def line(self) -> int:
        """Return the line where its object starts there."""
        return self.manifest.line

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
        return replicas if isinstance(replicas, int) else 1

    def __str__(self) -> str:
        return str(self.manifest)


def our_pods(manifests: Manifests) -> list[OurPod]:
    """Return the pods of eventing and of predictors in any deployment mode."""
    own = [_of_deployment(item) for item in eventing(manifests)]
    return own + [_of_workload(item) for item in predictors(manifests)]


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


def _of_deployment(item: Manifest) -> OurPod:
    template = section(item.spec, "template")
    return OurPod(item, section(template, "spec"), section(template, "metadata", "labels"))


def _of_workload(item: Workload) -> OurPod:
    own = section(item.manifest.body, "metadata", "labels")
    template = section(item.manifest.spec, "template", "metadata", "labels")
    made = {f"{OF_KNATIVE}service": item.address, "serving.kserve.io/inferenceservice": item.manifest.name}
    labels = (own | section(item.pod, "labels") if item.is_inference_service else template) | made
    return OurPod(item.manifest, item.pod, labels, item)
