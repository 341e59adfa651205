"""One view of our predictors: InferenceServices and Knative Services. Those of other people are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eventing.doctor.objects.manifests import (
    Body,
    Manifest,
    Manifests,
    View,
    dig,
    environment,
    items,
    near,
    number,
    section,
    service_at,
)
from eventing.doctor.objects.ours import eventing, labelled, runs_predictor
from eventing.settings import Endpoint

AUTOSCALING = "autoscaling.knative.dev/"
MODE = "serving.kserve.io/deploymentMode"
STEPS = "REELZERO_STEPS"  # a variable that only the runner of steps reads
ON_KNATIVE = ("Knative", "Serverless")  # the mode's name since KServe 0.16, and before


@dataclass(frozen=True)
class Workload(View):
    """One autoscaled service."""

    @property
    def is_inference_service(self) -> bool:
        """Tell whether KServe creates the Knative Service."""
        return self.manifest.kind == "InferenceService"

    @property
    def pod(self) -> Body:
        """Return the pod's description."""
        spec = self.manifest.spec
        return section(spec, "predictor") if self.is_inference_service else section(spec, "template", "spec")

    @cached_property
    def annotations(self) -> Body:
        """Return the annotations that reach the revision."""
        if self.is_inference_service:
            own = section(self.manifest.body, "metadata", "annotations")
            return own | section(self.pod, "annotations")
        return section(self.manifest.spec, "template", "metadata", "annotations")

    @property
    def container(self) -> Body:
        """Return the serving container; empty if a ServingRuntime provides it."""
        containers = items(self.pod, "containers")
        named = [item for item in containers if item.get("name") == "kserve-container"]
        return (named or containers or [{}])[0]

    @property
    def variables(self) -> dict[str, str]:
        """Return the serving container's environment, also if a ServingRuntime provides the container."""
        return environment(section(self.pod, "model")) | environment(self.container)

    @property
    def is_predictor(self) -> bool:
        """Tell whether it runs the predictor of this package."""
        return runs_predictor(self.container) or runs_predictor(section(self.pod, "model"))

    @property
    def is_step(self) -> bool:
        """Tell whether it runs steps of stories, several at once."""
        return STEPS in self.variables

    @property
    def is_on_knative(self) -> bool:
        """Tell whether Knative scales it. KServe's default mode may be another, but a rule names that."""
        return not self.is_inference_service or self.mode in (None, *ON_KNATIVE)

    @property
    def mode(self) -> Any:
        """Return KServe's deployment mode, None if it is not set."""
        return section(self.manifest.body, "metadata", "annotations").get(MODE)

    @property
    def timeout(self) -> int | None:
        """Return the seconds a request may take."""
        return number(self.pod.get("timeout" if self.is_inference_service else "timeoutSeconds"))

    @property
    def concurrency(self) -> int | None:
        """Return how many requests a pod takes at once; None or 0 means no limit."""
        return number(self.pod.get("containerConcurrency"))

    @property
    def max_scale(self) -> int | None:
        """Return the most pods; None or 0 means no limit."""
        own = self.pod.get("maxReplicas") if self.is_inference_service else None
        return number(own if own is not None else self.scaling("max-scale"))

    @property
    def address(self) -> str:
        """Return the first label of its address inside the cluster."""
        return self.manifest.name + ("-predictor" if self.is_inference_service else "")

    @property
    def model(self) -> str | None:
        """Return the model it serves: by its setting, else by the path of its readiness probe."""
        path = str(dig(self.container, "readinessProbe", "httpGet", "path") or "")
        match = re.fullmatch(r"/v2/models/([^/]+)/ready", path)
        return self.variables.get("REELZERO_MODEL") or (match[1] if match else None)

    def scaling(self, name: str) -> Any:
        """Return an autoscaling annotation by the last part of its name, in either spelling of Knative."""
        old = re.sub(r"-(.)", lambda match: match[1].upper(), name)  # the older spelling, as in minScale
        return self.annotations.get(AUTOSCALING + name, self.annotations.get(AUTOSCALING + old))


def predictors(manifests: Manifests) -> list[Workload]:
    """Return our predictors in any deployment mode: by label, by what they run, by eventing's endpoints.

    An InferenceService stands for the Services that KServe makes of it.
    """
    addresses = [service_at(point.url) for item in eventing(manifests) for point in manifests.endpoints(item)]
    return [item for item in _services(manifests) if _is_ours(item, addresses)]


def workloads(manifests: Manifests) -> list[Workload]:
    """Return our predictors that Knative scales."""
    return [item for item in predictors(manifests) if item.is_on_knative]


def _services(manifests: Manifests) -> list[Workload]:
    services = manifests.kind("Service", "serving.knative.dev")
    own = [Workload(item) for item in services if not _made_by_kserve(item)]
    return own + [Workload(item) for item in manifests.kind("InferenceService")]


def _is_ours(item: Workload, addresses: list[tuple[str, str]]) -> bool:
    if labelled(item.manifest) or item.is_predictor:
        return True
    return any(name == item.address and near(item.manifest.namespace, at) for name, at in addresses)


def served(manifests: Manifests) -> Iterator[tuple[Manifest, Endpoint, Workload | None]]:
    """Yield each endpoint on Knative of an eventing service with the workload at its URL, or None.

    An endpoint of steps has the name of its service as its model.
    """
    candidates = workloads(manifests)
    for item in eventing(manifests) if candidates else []:
        for endpoint in (*manifests.endpoints(item), *manifests.step_endpoints(item)):
            if endpoint.scaler != "knative":
                continue
            name, namespace = service_at(endpoint.url)
            here = (at for at in candidates if at.address == name and near(at.manifest.namespace, namespace))
            yield item, endpoint, next(here, None)


def _made_by_kserve(service: Manifest) -> bool:
    owners = items(service.body, "metadata", "ownerReferences")
    return any(owner.get("kind") == "InferenceService" for owner in owners)
