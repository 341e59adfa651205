"""Check that the cluster has room for a pod: quotas, ranges, classes, volumes, pod security."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Manifest, Manifests, dig, environment, items, section
from eventing.doctor.objects.ourpods import OurPod, here, our_pods
from eventing.doctor.objects.quantities import quantity

ENFORCE = "pod-security.kubernetes.io/enforce"
SIDECAR = "queue.sidecar.serving.knative.dev/"
CLASSES = {"runtimeClassName": "RuntimeClass", "priorityClassName": "PriorityClass"}
BUILT_IN = ("system-cluster-critical", "system-node-critical")

SHM_OVER_MEMORY = Rule(
    "shm-over-memory", "error",
    "the volume {volume} may hold {size} of memory, and the container may use {limit}",
    "what is written there counts as the container's memory: the kubelet kills it before the volume is full",
    "set emptyDir.sizeLimit below resources.limits.memory",
)  # fmt: skip
QUOTA_TOO_SMALL = Rule(
    "quota-too-small", "error",
    "it needs {need} of {name}, and ResourceQuota {quota} allows {hard}",
    "Kubernetes refuses every pod of it, and only the ReplicaSet says so",
    "raise {name} in the ResourceQuota, or ask for less",
)  # fmt: skip
QUOTA_BELOW_MAXIMUM = Rule(
    "quota-below-maximum", "warning",
    "its {most} pods need {need} of {name}, and ResourceQuota {quota} allows {hard}",
    "jobs are sent to pods that Kubernetes refuses, and they wait there until they time out",
    "lower maxReplicas with the capacity of its endpoint, or raise {name} in the ResourceQuota",
)  # fmt: skip
QUOTA_NEEDS_LIMITS = Rule(
    "quota-needs-limits", "warning",
    "ResourceQuota {quota} counts {name}, and Knative's queue-proxy has no such limit by default",
    "Kubernetes refuses every pod of it: each container must set what a quota counts",
    "set {key} in ConfigMap knative-serving/config-deployment, or a default in a LimitRange",
)  # fmt: skip
LIMIT_RANGE = Rule(
    "limit-range", "error",
    "its resources.limits.{name} is {limit}, and LimitRange {range} allows {most}",
    "Kubernetes refuses every pod of it",
    "raise spec.limits[].max.{name} in the LimitRange, or lower the limit",
)  # fmt: skip
CLASS_MISSING = Rule(
    "class-missing", "warning",
    "{field} is {name}, and the manifests have other {kind}es but not this one",
    "Kubernetes refuses the pod if the cluster has none of this name",
    "name one of {known}, or create it",
)  # fmt: skip
CLAIM_ON_ONE_NODE = Rule(
    "claim-on-one-node", "warning",
    "up to {most} pods mount PersistentVolumeClaim {claim}, which is {mode}",
    "one node can attach it: pods on other nodes wait for it, and so do the jobs that were sent to them",
    "use a claim with ReadOnlyMany or ReadWriteMany, weights from s3:// or oci://, or maxReplicas 1",
)  # fmt: skip
RESTRICTED_NAMESPACE = Rule(
    "restricted-namespace", "warning",
    "the namespace enforces restricted pod security, and KServe injects a container that fetches weights",
    "by default that container has no security context of its own, and Kubernetes refuses the pod",
    "enforce baseline, or set the securityContext of ClusterStorageContainer default",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file on our pods."""
    for pod in our_pods(manifests):
        yield from _shared_memory(pod)
        yield from _quotas(manifests, pod)
        yield from _ranges(manifests, pod)
        yield from _classes(manifests, pod)
        yield from _claims(manifests, pod)
        yield from _restricted(manifests, pod)


def _shared_memory(pod: OurPod) -> Iterator[Finding]:
    limit = section(pod.main, "resources", "limits").get("memory")
    most = quantity(limit)
    mounted = [mount.get("name") for mount in items(pod.main, "volumeMounts")]
    for volume in items(pod.spec, "volumes"):
        size = dig(volume, "emptyDir", "sizeLimit")
        in_memory = dig(volume, "emptyDir", "medium") == "Memory" and volume.get("name") in mounted
        if in_memory and most is not None and (quantity(size) or 0) > most:
            yield SHM_OVER_MEMORY.at(pod, volume=volume.get("name"), size=size, limit=limit)


def _need(pod: OurPod, name: str) -> float:
    """Return what one pod takes of a name in a quota, such as limits.cpu or requests.nvidia.com/gpu."""
    kind, _, resource = name.partition(".")
    amounts = [
        section(container, "resources", kind).get(resource) for container in items(pod.spec, "containers")
    ]
    return sum(quantity(amount) or 0 for amount in amounts)


def _quotas(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    for quota in here(manifests, "ResourceQuota", pod.namespace):
        hard = section(quota.spec, "hard")
        for name, text in hard.items():
            yield from _quota(pod, quota.name, str(name), text)
        missing = [name for name in ("limits.cpu", "limits.memory") if name in hard and pod.workload]
        for name in missing:
            yield from _sidecar(manifests, pod, quota.name, name)


def _quota(pod: OurPod, quota: str, name: str, text: object) -> Iterator[Finding]:
    most, one = quantity(text), _need(pod, name)
    if most is None or not one:
        return
    if one > most:
        yield QUOTA_TOO_SMALL.at(pod, need=f"{one:g}", name=name, quota=quota, hard=text)
    elif one * pod.most > most:
        need = f"{one * pod.most:g}"
        yield QUOTA_BELOW_MAXIMUM.at(pod, most=pod.most, need=need, name=name, quota=quota, hard=text)


def _sidecar(manifests: Manifests, pod: OurPod, quota: str, name: str) -> Iterator[Finding]:
    resource = name.partition(".")[2]
    key = f"queue-sidecar-{resource}-limit"
    by_range = any(
        resource in section(limit, "default")
        for item in here(manifests, "LimitRange", pod.namespace)
        for limit in items(item.spec, "limits")
    )
    own = pod.workload is not None and f"{SIDECAR}{resource}-resource-limit" in pod.workload.annotations
    if not by_range and not own and key not in (manifests.config("config-deployment") or {}):
        yield QUOTA_NEEDS_LIMITS.at(pod, quota=quota, name=name, key=key)


def _ranges(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    for item in here(manifests, "LimitRange", pod.namespace):
        rules = [limit for limit in items(item.spec, "limits") if limit.get("type") == "Container"]
        for container in pod.containers:
            yield from _range(pod, item, rules, section(container, "resources", "limits"))


def _range(
    pod: OurPod, item: Manifest, rules: list[dict[str, object]], limits: dict[str, object]
) -> Iterator[Finding]:
    for rule in rules:
        for name, most in section(rule, "max").items():
            limit = quantity(limits.get(name))
            if limit is not None and limit > (quantity(most) or limit):
                yield LIMIT_RANGE.at(pod, name=name, limit=limits[name], range=item.name, most=most)


def _classes(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    for field, kind in CLASSES.items():
        name, known = pod.spec.get(field), [item.name for item in manifests.kind(kind)]
        if name and known and name not in (*known, *BUILT_IN):
            yield CLASS_MISSING.at(pod, field=field, name=name, kind=kind, known=", ".join(sorted(known)))


def _claims(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    uri = environment(pod.main).get("STORAGE_URI", "")
    names = [dig(volume, "persistentVolumeClaim", "claimName") for volume in items(pod.spec, "volumes")]
    names.append(uri.removeprefix("pvc://").partition("/")[0] if uri.startswith("pvc://") else None)
    for claim in here(manifests, "PersistentVolumeClaim", pod.namespace):
        modes = claim.spec.get("accessModes")
        if claim.name in names and pod.most != 1 and _once(modes):
            most = pod.most or "any number of"
            yield CLAIM_ON_ONE_NODE.at(pod, most=most, claim=claim.name, mode=", ".join(map(str, modes)))


def _once(modes: object) -> TypeGuard[list[object]]:
    """Tell whether one node or pod at a time may mount a volume of these access modes."""
    return isinstance(modes, list) and bool(modes) and all("Once" in str(mode) for mode in modes)


def _restricted(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    if pod.workload is None or "STORAGE_URI" not in environment(pod.main):
        return
    storage = manifests.kind("ClusterStorageContainer")
    safe = any(dig(item.spec, "container", "securityContext", "runAsNonRoot") for item in storage)
    for item in manifests.kind("Namespace"):
        enforced = section(item.body, "metadata", "labels").get(ENFORCE)
        if item.name in (pod.namespace, "") and enforced == "restricted" and not safe:
            yield RESTRICTED_NAMESPACE.at(pod)
