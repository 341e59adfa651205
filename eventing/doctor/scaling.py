"""Check that the autoscaler counts correctly: one request is one job on one pod."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.doctor.findings import Finding
from eventing.doctor.manifests import Manifests, number
from eventing.doctor.workloads import Workload, served, workloads


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    for workload in workloads(manifests):
        yield from _concurrency(workload)
        yield from _utilization(manifests, workload)
        yield from _metric(workload)
        yield from _initial_scale(manifests, workload)
        yield from _initial_scale_maximum(workload)
    yield from _capacity(manifests)


def _concurrency(workload: Workload) -> Iterator[Finding]:
    if workload.model and workload.concurrency != 1:
        yield Finding(
            "concurrency-not-one", "error", str(workload),
            "a predictor runs one job at a time: Knative sends it more, it refuses them as busy, and"
            " no further pod starts",
            "set containerConcurrency to 1",
        )  # fmt: skip
    if workload.model and not workload.max_scale:
        yield Finding(
            "replicas-unlimited", "error", str(workload),
            "nothing limits how many GPUs the autoscaler takes",
            "set maxReplicas to the capacity in REELZERO_ENDPOINTS",
        )  # fmt: skip


def _utilization(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    default = (manifests.config("config-autoscaler") or {}).get(
        "container-concurrency-target-percentage", "70"
    )
    percentage = str(workload.scaling("target-utilization-percentage") or default)
    if workload.concurrency == 1 and percentage not in ("100", "100.0"):
        yield Finding(
            "utilization-not-100", "error", str(workload),
            f"at {percentage} % of one request per pod, one job starts two pods and uses two GPUs",
            'annotate it with autoscaling.knative.dev/target-utilization-percentage: "100"',
        )  # fmt: skip


def _metric(workload: Workload) -> Iterator[Finding]:
    metric = workload.pod.get("scaleMetric") or workload.scaling("metric") or "concurrency"
    if metric != "concurrency":
        yield Finding(
            "metric-not-concurrency", "error", str(workload),
            f"scaled on {metric}, a pod counts as idle while it generates, or never scales to zero",
            "set scaleMetric to concurrency",
        )  # fmt: skip


def _initial_scale(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    autoscaler = manifests.config("config-autoscaler")
    if autoscaler is None or workload.scaling("initial-scale") != "0":
        return
    if autoscaler.get("allow-zero-initial-scale") != "true":
        yield Finding(
            "initial-scale-zero", "error", str(workload),
            "Knative refuses the revision: an initial scale of 0 is not allowed here",
            "set allow-zero-initial-scale in ConfigMap knative-serving/config-autoscaler, or start with 1",
        )  # fmt: skip


def _initial_scale_maximum(workload: Workload) -> Iterator[Finding]:
    initial, maximum = number(workload.scaling("initial-scale")), workload.max_scale
    if initial and maximum and initial > maximum:
        yield Finding(
            "initial-scale-above-maximum", "error", str(workload),
            f"a new revision starts {initial} pods, of which {maximum} at most ever get a job",
            f"lower initial-scale to at most {maximum}",
        )  # fmt: skip


def _capacity(manifests: Manifests) -> Iterator[Finding]:
    """Check that the dispatcher's capacity and the autoscaler's maximum are the same number."""
    for item, endpoint, workload in served(manifests):
        if workload is None:
            yield Finding(
                "endpoint-unserved", "error", str(item),
                f"jobs of {endpoint.model} go to {endpoint.url}, which no workload of these manifests serves",
                "name an InferenceService of these manifests: http://<name>-predictor.<namespace>.svc.…",
            )  # fmt: skip
            continue
        slots = (workload.max_scale or 0) * (workload.concurrency or 0)
        if slots and slots != endpoint.capacity:
            yield Finding(
                "capacity-mismatch", "error", str(item),
                f"{endpoint.capacity} jobs of {endpoint.model} are sent at once and {slots} can run:"
                " the rest wait in the activator until they time out, or GPUs stay unused",
                f"make capacity and maxReplicas x containerConcurrency of {workload} the same",
            )  # fmt: skip
