"""Check that nothing moves, ends or bypasses a pod in the middle of a job."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import (
    Manifest,
    Manifests,
    decimal,
    dig,
    near,
    number,
    seconds,
    section,
)
from eventing.doctor.objects.ourpods import OurPod, our_pods
from eventing.doctor.objects.workloads import Workload, workloads

EVICT = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
INJECT = "sidecar.istio.io/inject"
PROXY_CONFIG = "proxy.istio.io/config"
WAITS = ("terminationDrainDuration", "EXIT_ON_ZERO_ACTIVE_CONNECTIONS")

BURST_CAPACITY = Rule(
    "burst-capacity", "error",
    "target-burst-capacity is 0",
    "the activator leaves the path once a pod runs: jobs are sent to busy pods and wait there, where their"
    " time runs and no further pod starts",
    'annotate it with autoscaling.knative.dev/target-burst-capacity: "-1"',
)  # fmt: skip
EVICTABLE = Rule(
    "evictable", "warning",
    "it lacks the annotation {name}",
    "{scaler} may empty the node of a pod that generates, to save a node: the video is generated again",
    'annotate it with {name}: "{value}"',
)  # fmt: skip
NODE_POOL_GRACE = Rule(
    "node-pool-grace", "warning",
    "spec.template.spec.terminationGracePeriod is {grace}, and the longest request takes {longest} s",
    "Karpenter ends the pods of a node that expires or drifts after that time, in the middle of a job",
    "raise it to {longest}s or more",
)  # fmt: skip
SIDECAR_CUTS = Rule(
    "sidecar-cuts", "warning",
    "Istio's proxy is injected, and nothing tells it to wait for open streams",
    "at the end of a pod the proxy exits after 5 s and cuts the stream of the job that still runs",
    f'annotate it with {INJECT}: "false", or set EXIT_ON_ZERO_ACTIVE_CONNECTIONS in {PROXY_CONFIG}',
)  # fmt: skip
LIVENESS_ON_DATABASE = Rule(
    "liveness-on-database", "error",
    "its liveness probe asks {path}, which needs the database",
    "while the database is away the kubelet kills every pod of eventing, with all its open streams",
    "set livenessProbe.httpGet.path to /healthz",
)  # fmt: skip
DRAIN_BLOCKED = Rule(
    "drain-blocked", "warning",
    "it allows no pod of eventing to be moved",
    "no node with such a pod can be drained or upgraded",
    "set maxUnavailable: 1",
)  # fmt: skip
ROLLOUT_WITHOUT_OVERLAP = Rule(
    "rollout-without-overlap", "error",
    "its strategy ends old pods before new ones start",
    "a pod of eventing that stops waits for its open streams: during a rollout the API is away for up to"
    " {grace} s",
    "set strategy.rollingUpdate to maxSurge 1 and maxUnavailable 0",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    for workload in workloads(manifests):
        yield from _burst(manifests, workload)
        yield from _evictable(workload)
        yield from _sidecar(manifests, workload)
    yield from _node_pools(manifests)
    for pod in our_pods(manifests):
        if not pod.is_predictor:
            yield from _liveness(pod)
            yield from _budgets(manifests, pod)
            yield from _rollout(pod)


def _burst(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    default = (manifests.config("config-autoscaler") or {}).get("target-burst-capacity")
    if decimal(workload.scaling("target-burst-capacity") or default) == 0:
        yield BURST_CAPACITY.at(workload)


def _evictable(workload: Workload) -> Iterator[Finding]:
    for name, value in EVICT.items():
        if str(workload.annotations.get(name, "")).lower() != value:
            scaler = "Karpenter" if "karpenter" in name else "the cluster autoscaler"
            yield EVICTABLE.at(workload, name=name, value=value, scaler=scaler)


def _sidecar(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    labels = section(workload.manifest.body, "metadata", "labels")
    own = str(workload.annotations.get(INJECT, labels.get(INJECT, ""))).lower()
    by_namespace = any(
        section(item.body, "metadata", "labels").get("istio-injection") == "enabled"
        for item in manifests.kind("Namespace")
        if item.name == workload.manifest.namespace
    )
    waits = any(word in str(workload.annotations.get(PROXY_CONFIG, "")) for word in WAITS)
    if (own == "true" or (by_namespace and own != "false")) and not waits:
        yield SIDECAR_CUTS.at(workload)


def _node_pools(manifests: Manifests) -> Iterator[Finding]:
    longest = max((workload.timeout or 0 for workload in workloads(manifests)), default=0)
    for item in manifests.kind("NodePool", "karpenter.sh"):
        grace = dig(item.spec, "template", "spec", "terminationGracePeriod")
        value = seconds(grace)
        if value is not None and value < longest:
            yield NODE_POOL_GRACE.at(item, grace=grace, longest=longest)


def _liveness(pod: OurPod) -> Iterator[Finding]:
    path = str(dig(pod.main, "livenessProbe", "httpGet", "path") or "")
    if path.rstrip("/").endswith("/readyz"):
        yield LIVENESS_ON_DATABASE.at(pod, path=path)


def _budgets(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    for item in manifests.kind("PodDisruptionBudget"):
        wanted = section(item.spec, "selector", "matchLabels")
        if near(item.namespace, pod.namespace) and wanted and wanted.items() <= pod.labels.items():
            yield from _budget(item, pod.most)


def _budget(item: Manifest, replicas: int) -> Iterator[Finding]:
    most, least = item.spec.get("maxUnavailable"), item.spec.get("minAvailable")
    none = str(most) in ("0", "0%")
    all_of_them = str(least) == "100%" or (number(least) or 0) >= replicas > 0
    if none or all_of_them:
        yield DRAIN_BLOCKED.at(item)


def _rollout(pod: OurPod) -> Iterator[Finding]:
    strategy = section(pod.manifest.spec, "strategy")
    gone = dig(strategy, "rollingUpdate", "maxUnavailable")
    if strategy.get("type") == "Recreate" or str(gone) == "100%":
        grace = number(pod.spec.get("terminationGracePeriodSeconds")) or 30
        yield ROLLOUT_WITHOUT_OVERLAP.at(pod, grace=grace)
