"""Check endpoints whose pods KEDA starts: something starts them, one per job, and they end with their job."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Manifest, Manifests, dig, near, number, service_at
from eventing.doctor.objects.ourpods import KEDA, keda_maximum, scaled_objects
from eventing.doctor.objects.ours import eventing
from eventing.settings import Endpoint

DEFAULT_GRACE = 30  # of Kubernetes

KEDA_UNSCALED = Rule(
    "keda-unscaled", "error",
    "no ScaledObject starts pods for its endpoint of {model}",
    "jobs of {model} wait for a pod at {url}, and nothing starts one",
    "add a ScaledObject for the Deployment {name}, or set the endpoint's scaler to knative",
)  # fmt: skip
KEDA_CAPACITY_MISMATCH = Rule(
    "keda-capacity-mismatch", "error",
    "its capacity for {model} differs from what KEDA may scale to",
    "{capacity} jobs of {model} are taken at once and {maximum} pods may start: the rest hold their slots and"
    " wait, or GPUs stay unused",
    "make capacity and maxReplicaCount of {scaled} the same",
)  # fmt: skip
KEDA_GRACE_SHORT = Rule(
    "keda-grace-short", "error",
    "its pods have {grace} s to end",
    "when KEDA takes a pod away, its job is killed after {grace} s, although it may take {needed} s, and is"
    " generated again",
    "set terminationGracePeriodSeconds to {needed}",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    for item in eventing(manifests):
        for endpoint in manifests.endpoints(item):
            if endpoint.scaler == "keda":
                yield from _scaled(manifests, item, endpoint)
                yield from _grace(manifests, endpoint)


def _scaled(manifests: Manifests, item: Manifest, endpoint: Endpoint) -> Iterator[Finding]:
    name, namespace = service_at(endpoint.url)
    objects = scaled_objects(manifests, endpoint)
    if not objects and not _is_whole(manifests, name, namespace or item.namespace):
        return
    if not objects:
        yield KEDA_UNSCALED.at(item, model=endpoint.model, url=endpoint.url, name=name)
        return
    maximum = keda_maximum(objects[0])
    if maximum != endpoint.capacity:
        yield KEDA_CAPACITY_MISMATCH.at(
            item, model=endpoint.model, capacity=endpoint.capacity, maximum=maximum, scaled=objects[0]
        )


def _is_whole(manifests: Manifests, name: str, namespace: str) -> bool:
    """Tell whether the manifests hold what belongs to KEDA here: the pods of the endpoint, or ScaledObjects.

    Manifests of eventing alone say nothing about ScaledObjects that are elsewhere.
    """
    pods = [item for item in manifests.kind("Deployment", "apps") if item.name == name]
    return any(near(item.namespace, namespace) for item in (*pods, *manifests.kind("ScaledObject", KEDA)))


def _grace(manifests: Manifests, endpoint: Endpoint) -> Iterator[Finding]:
    name, namespace = service_at(endpoint.url)
    budget = manifests.budget(endpoint.model, namespace)
    for item in manifests.kind("Deployment", "apps"):
        if item.name == name and near(item.namespace, namespace) and budget:
            pod = dig(item.spec, "template", "spec", "terminationGracePeriodSeconds")
            grace = number(pod) if pod is not None else DEFAULT_GRACE
            if (grace or 0) < budget.revision_timeout:
                yield KEDA_GRACE_SHORT.at(item, grace=grace, needed=budget.revision_timeout)
