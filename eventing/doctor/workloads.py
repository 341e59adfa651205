"""What scales on Knative, seen in one way: InferenceServices and Knative Services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eventing.doctor.manifests import (
    Body,
    Manifest,
    Manifests,
    dig,
    environment,
    items,
    near,
    number,
    section,
    service_at,
)
from eventing.settings import Endpoint

AUTOSCALING = "autoscaling.knative.dev/"
MODE = "serving.kserve.io/deploymentMode"
ON_KNATIVE = ("Knative", "Serverless")  # its name since KServe 0.16, and before


@dataclass(frozen=True)
class Workload:
    """One autoscaled service."""

    manifest: Manifest

    @property
    def is_inference_service(self) -> bool:
        """Whether KServe makes the Knative Service."""
        return self.manifest.kind == "InferenceService"

    @property
    def pod(self) -> Body:
        """Where the pod is described."""
        spec = self.manifest.spec
        return section(spec, "predictor") if self.is_inference_service else section(spec, "template", "spec")

    @cached_property
    def annotations(self) -> Body:
        """The annotations that reach the revision."""
        if self.is_inference_service:
            own = section(self.manifest.body, "metadata", "annotations")
            return own | section(self.pod, "annotations")
        return section(self.manifest.spec, "template", "metadata", "annotations")

    @property
    def container(self) -> Body:
        """The container that serves; empty where a ServingRuntime brings it."""
        containers = items(self.pod, "containers")
        named = [item for item in containers if item.get("name") == "kserve-container"]
        return (named or containers or [{}])[0]

    @property
    def variables(self) -> dict[str, str]:
        """The environment of what serves, also where the container is a ServingRuntime's."""
        return environment(section(self.pod, "model")) | environment(self.container)

    @property
    def timeout(self) -> int | None:
        """Seconds a request may take."""
        return number(self.pod.get("timeout" if self.is_inference_service else "timeoutSeconds"))

    @property
    def concurrency(self) -> int | None:
        """Requests a pod takes at once; None or 0: any number."""
        return number(self.pod.get("containerConcurrency"))

    @property
    def max_scale(self) -> int | None:
        """Most pods; None or 0: any number."""
        given = self.pod.get("maxReplicas") if self.is_inference_service else None
        return number(given if given is not None else self.scaling("max-scale"))

    @property
    def address(self) -> str:
        """The first label of its address inside the cluster."""
        return self.manifest.name + ("-predictor" if self.is_inference_service else "")

    @property
    def model(self) -> str | None:
        """The model it serves: its own setting, else what its readiness probe asks for."""
        path = str(dig(self.container, "readinessProbe", "httpGet", "path") or "")
        found = re.fullmatch(r"/v2/models/([^/]+)/ready", path)
        return self.variables.get("REELZERO_MODEL") or (found[1] if found else None)

    def scaling(self, name: str) -> Any:
        """An autoscaling annotation by its last part, in either spelling that Knative takes."""
        old = re.sub(r"-(.)", lambda match: match[1].upper(), name)  # minScale, as it was spelled first
        return self.annotations.get(AUTOSCALING + name, self.annotations.get(AUTOSCALING + old))

    def __str__(self) -> str:
        return str(self.manifest)


def workloads(manifests: Manifests) -> list[Workload]:
    """Everything that Knative scales here; Services that KServe made are seen as their InferenceService."""
    services = manifests.kind("Service", "serving.knative.dev")
    own = [Workload(item) for item in services if not _made_by_kserve(item)]
    inference = [Workload(item) for item in manifests.kind("InferenceService")]
    return own + [item for item in inference if item.annotations.get(MODE, "Knative") in ON_KNATIVE]


def served(manifests: Manifests) -> Iterator[tuple[Manifest, Endpoint, Workload | None]]:
    """Each endpoint that an eventing service is told of, with what has its address here, if anything."""
    found = workloads(manifests)
    for item in manifests.eventing() if found else []:
        for endpoint in manifests.endpoints(item):
            name, namespace = service_at(endpoint.url)
            here = (at for at in found if at.address == name and near(at.manifest.namespace, namespace))
            yield item, endpoint, next(here, None)


def _made_by_kserve(service: Manifest) -> bool:
    owners = items(service.body, "metadata", "ownerReferences")
    return any(owner.get("kind") == "InferenceService" for owner in owners)
