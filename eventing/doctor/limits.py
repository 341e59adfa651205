"""Check the CPU and memory limits of predictors, also of live ones, where KServe has filled in defaults."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.manifests import Body, Manifests, dig, section
from eventing.doctor.workloads import Workload, predictors

BASIC = ("cpu", "memory")
STOCK = {"cpu": "1", "memory": "2Gi"}  # inferenceservice-config as KServe 0.14 to 0.21 install it
UNITS = {
    "": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip

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
    for workload in predictors(manifests):
        if workload.is_inference_service:
            yield from _limits(manifests, workload)
        yield from _requests(workload)


def _limits(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    limits = _resources(workload, "limits")
    missing = [name for name in BASIC if not limits.get(name)]
    if missing:
        yield LIMITS_MISSING.at(workload, missing=", ".join(missing))
        return
    defaults = _defaults(manifests)
    filled = [name for name in BASIC if amount(limits[name]) == amount(defaults[name]) is not None]
    if filled and any(_is_device(name) for name in limits):
        yield LIMITS_DEFAULTED.at(workload, names=_pairs(filled, limits))


def _requests(workload: Workload) -> Iterator[Finding]:
    limits, requests = _resources(workload, "limits"), _resources(workload, "requests")
    over = [name for name in limits if _exceeds(requests.get(name), limits[name])]
    if over:
        yield LIMITS_BELOW_REQUESTS.at(workload, names=", ".join(over))


def _resources(workload: Workload, kind: str) -> Body:
    of_runtime = section(workload.pod, "model", "resources", kind)
    return of_runtime | section(workload.container, "resources", kind)


def _exceeds(request: Any, limit: Any) -> bool:
    one, other = amount(request), amount(limit)
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


def amount(quantity: Any) -> float | None:
    """Read a quantity of Kubernetes as a number; None for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z]{0,2})", str(quantity), re.ASCII)
    if match is None or match[2] not in UNITS:
        return None
    return float(match[1]) * UNITS[match[2]]
