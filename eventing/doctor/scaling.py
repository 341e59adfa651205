"""Whether the autoscaler sees the work as it is: one request, one pod, one job."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.doctor.findings import Finding
from eventing.doctor.manifests import Manifests, number
from eventing.doctor.workloads import Workload, served, workloads


def check(manifests: Manifests) -> Iterator[Finding]:
    """All of them."""
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
            "a predictor does one job at a time; Knative would send it more, which it refuses as busy"
            " while other pods stay asleep",
            "set containerConcurrency to 1",
        )  # fmt: skip
    if workload.model and not workload.max_scale:
        yield Finding(
            "replicas-unlimited", "error", str(workload),
            "nothing limits how many GPUs the autoscaler takes",
            "set maxReplicas to the capacity that eventing is told",
        )  # fmt: skip


def _utilization(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    default = (manifests.config("config-autoscaler") or {}).get(
        "container-concurrency-target-percentage", "70"
    )
    percentage = str(workload.scaling("target-utilization-percentage") or default)
    if workload.concurrency == 1 and percentage not in ("100", "100.0"):
        yield Finding(
            "utilization-not-100", "error", str(workload),
            f"at {percentage} % of one request per pod, one job wakes two pods and bills two GPUs",
            'annotate it with autoscaling.knative.dev/target-utilization-percentage: "100"',
        )  # fmt: skip


def _metric(workload: Workload) -> Iterator[Finding]:
    metric = workload.pod.get("scaleMetric") or workload.scaling("metric") or "concurrency"
    if metric != "concurrency":
        yield Finding(
            "metric-not-concurrency", "error", str(workload),
            f"scaled on {metric}, a pod looks idle while it generates, or never scales to zero",
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
            f"a new revision wakes {initial} pods, and no more than {maximum} are ever sent a job",
            f"lower initial-scale to at most {maximum}",
        )  # fmt: skip


def _capacity(manifests: Manifests) -> Iterator[Finding]:
    """The dispatcher's cap and the autoscaler's ceiling must be one number."""
    for item, endpoint, workload in served(manifests):
        if workload is None:
            yield Finding(
                "endpoint-unserved", "error", str(item),
                f"jobs of {endpoint.model} go to {endpoint.url}, and nothing here has that address",
                "name an InferenceService of these manifests: http://<name>-predictor.<namespace>.svc.…",
            )  # fmt: skip
            continue
        places = (workload.max_scale or 0) * (workload.concurrency or 0)
        if places and places != endpoint.capacity:
            yield Finding(
                "capacity-mismatch", "error", str(item),
                f"{endpoint.capacity} jobs of {endpoint.model} are sent at once and {places} can run:"
                " the rest wait in the activator until they time out, or GPUs stay unused",
                f"make capacity and maxReplicas x containerConcurrency of {workload} the same",
            )  # fmt: skip
