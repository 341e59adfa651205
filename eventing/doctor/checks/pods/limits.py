"""Check the limits of our pods, also of live ones, where KServe has filled in defaults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Body, Manifests, dig, section
from eventing.doctor.objects.ourpods import OurPod, our_pods
from eventing.doctor.objects.quantities import quantity
from eventing.doctor.objects.workloads import Workload

BASIC = ("cpu", "memory")
STOCK = {"cpu": "1", "memory": "2Gi"}  # inferenceservice-config as KServe 0.14 to 0.21 install it

LIMITS_MISSING = Rule(
    "limits-missing", "error",
    "its container has no limit of {missing}",
    "KServe sets what is missing ({missing}), by default to 1 CPU and 2Gi: the model is throttled or killed,"
    " and a larger request is refused",
    "set resources.limits of the container: {missing}",
)  # fmt: skip
LIMITS_DEFAULTED = Rule(
    "limits-defaulted", "error",
    "it has a GPU and the limits that KServe fills in where none are set ({names})",
    "a GPU waits for one CPU core, or the kernel kills the model while it loads",
    "set resources.limits of the container ({names}) as the model needs them; in the chart:"
    " models[].resources.limits",
)  # fmt: skip
LIMITS_BELOW_REQUESTS = Rule(
    "limits-below-requests", "error",
    "its request of {names} is more than its limit",
    "Kubernetes refuses every pod of it; jobs wait until they time out",
    "raise the limit or lower the request: {names}",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    for pod in our_pods(manifests):
        if pod.workload is not None and pod.workload.is_inference_service:
            yield from _limits(manifests, pod.workload)
        yield from _requests(pod)


def _limits(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    limits = _resources(workload, "limits")
    missing = [name for name in BASIC if not limits.get(name)]
    if missing:
        yield LIMITS_MISSING.at(workload, missing=", ".join(missing))
        return
    defaults = _defaults(manifests)
    filled = [name for name in BASIC if quantity(limits[name]) == quantity(defaults[name]) is not None]
    if filled and any(_is_device(name) for name in limits):
        yield LIMITS_DEFAULTED.at(workload, names=_pairs(filled, limits))


def _requests(pod: OurPod) -> Iterator[Finding]:
    for container in (*pod.containers, section(pod.spec, "model")):
        limits = section(container, "resources", "limits")
        requests = section(container, "resources", "requests")
        over = [name for name in limits if _exceeds(requests.get(name), limits[name])]
        if over:
            yield LIMITS_BELOW_REQUESTS.at(pod, names=", ".join(map(str, over)))


def _resources(workload: Workload, kind: str) -> Body:
    of_runtime = section(workload.pod, "model", "resources", kind)
    return of_runtime | section(workload.container, "resources", kind)


def _exceeds(request: Any, limit: Any) -> bool:
    one, other = quantity(request), quantity(limit)
    return one is not None and other is not None and one > other


def _is_device(name: Any) -> bool:
    """Tell whether a resource comes from a device plugin: those have a domain in their name."""
    return "/" in str(name)


def _pairs(names: list[str], values: Body) -> str:
    return ", ".join(f"{name} {values[name]}" for name in names)


def _defaults(manifests: Manifests) -> dict[str, Any]:
    """Return the limits that KServe fills in here, by its ConfigMap if that is among the manifests."""
    config = manifests.config("inferenceservice-config", "kserve") or {}
    try:
        resource = dig(json.loads(config.get("inferenceService", "{}")), "resource")
    except (TypeError, ValueError):
        resource = None
    own = section({"resource": resource}, "resource")
    return {name: own.get(f"{name}Limit") or STOCK[name] for name in BASIC}
