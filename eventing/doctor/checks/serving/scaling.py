"""Check that the autoscaler counts correctly: one request is one job on one pod, or one slot of a step's."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Manifests, number
from eventing.doctor.objects.workloads import Workload, served, workloads

CONCURRENCY_NOT_ONE = Rule(
    "concurrency-not-one", "error",
    "its containerConcurrency is not 1",
    "a predictor runs one job at a time: Knative sends it more, it refuses them as busy, and no further pod"
    " starts",
    "set containerConcurrency to 1",
)  # fmt: skip
CONCURRENCY_NOT_SLOTS = Rule(
    "concurrency-not-slots", "error",
    "its containerConcurrency is {concurrency}, and REELZERO_SLOTS is {slots}",
    "Knative sends a pod more steps than it has slots, which it refuses, or fewer, and slots stay empty",
    "set both to the same number",
)  # fmt: skip
REPLICAS_UNLIMITED = Rule(
    "replicas-unlimited", "error",
    "it sets no maxReplicas",
    "nothing limits how many GPUs the autoscaler takes",
    "set maxReplicas to the capacity in REELZERO_ENDPOINTS",
)  # fmt: skip
UTILIZATION_NOT_100 = Rule(
    "utilization-not-100", "error",
    "its target utilization is {percentage} %",
    "at {percentage} % of one request per pod, one job starts two pods and uses two GPUs",
    'annotate it with autoscaling.knative.dev/target-utilization-percentage: "100"',
)  # fmt: skip
METRIC_NOT_CONCURRENCY = Rule(
    "metric-not-concurrency", "error",
    "it scales on {metric}",
    "scaled on {metric}, a pod counts as idle while it generates, or never scales to zero",
    "set scaleMetric to concurrency",
)  # fmt: skip
INITIAL_SCALE_ZERO = Rule(
    "initial-scale-zero", "error",
    "its initial scale is 0, which this cluster does not allow",
    "Knative refuses the revision: an initial scale of 0 is not allowed here",
    "set allow-zero-initial-scale in ConfigMap knative-serving/config-autoscaler, or start with 1",
)  # fmt: skip
INITIAL_SCALE_ABOVE_MAXIMUM = Rule(
    "initial-scale-above-maximum", "error",
    "its initial scale is above its maximum",
    "a new revision starts {initial} pods, of which {maximum} at most ever get a job",
    "lower initial-scale to at most {maximum}",
)  # fmt: skip
ENDPOINT_UNSERVED = Rule(
    "endpoint-unserved", "error",
    "its endpoint of {model} leads nowhere",
    "jobs of {model} go to {url}, which no workload of these manifests serves",
    "name an InferenceService of these manifests: http://<name>-predictor.<namespace>.svc.…",
)  # fmt: skip
CAPACITY_MISMATCH = Rule(
    "capacity-mismatch", "error",
    "its capacity for {model} differs from what the predictor may scale to",
    "{capacity} jobs of {model} are sent at once and {slots} can run: the rest wait in the activator until "
    "they time out, or GPUs stay unused",
    "make capacity and maxReplicas x containerConcurrency of {workload} the same",
)  # fmt: skip


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
    if workload.is_step:
        concurrency, slots = workload.concurrency, number(workload.variables.get("REELZERO_SLOTS") or 1)
        if concurrency != slots:
            yield CONCURRENCY_NOT_SLOTS.at(workload, concurrency=concurrency or "not set", slots=slots)
    elif workload.concurrency != 1:
        yield CONCURRENCY_NOT_ONE.at(workload)
    if not workload.max_scale:
        yield REPLICAS_UNLIMITED.at(workload)


def _utilization(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    default = (manifests.config("config-autoscaler") or {}).get(
        "container-concurrency-target-percentage", "70"
    )
    percentage = str(workload.scaling("target-utilization-percentage") or default)
    if workload.concurrency == 1 and percentage not in ("100", "100.0"):
        yield UTILIZATION_NOT_100.at(workload, percentage=percentage)


def _metric(workload: Workload) -> Iterator[Finding]:
    metric = workload.pod.get("scaleMetric") or workload.scaling("metric") or "concurrency"
    if metric != "concurrency":
        yield METRIC_NOT_CONCURRENCY.at(workload, metric=metric)


def _initial_scale(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    autoscaler = manifests.config("config-autoscaler")
    if autoscaler is None or workload.scaling("initial-scale") != "0":
        return
    if autoscaler.get("allow-zero-initial-scale") != "true":
        yield INITIAL_SCALE_ZERO.at(workload)


def _initial_scale_maximum(workload: Workload) -> Iterator[Finding]:
    initial, maximum = number(workload.scaling("initial-scale")), workload.max_scale
    if initial and maximum and initial > maximum:
        yield INITIAL_SCALE_ABOVE_MAXIMUM.at(workload, initial=initial, maximum=maximum)


def _capacity(manifests: Manifests) -> Iterator[Finding]:
    """Check that the dispatcher's capacity and the autoscaler's maximum are the same number."""
    for item, endpoint, workload in served(manifests):
        model = endpoint.model
        if workload is None:
            yield ENDPOINT_UNSERVED.at(item, model=model, url=endpoint.url)
            continue
        slots = (workload.max_scale or 0) * (workload.concurrency or 0)
        if slots and slots != endpoint.capacity:
            yield CAPACITY_MISMATCH.at(
                item, model=model, capacity=endpoint.capacity, slots=slots, workload=workload
            )
