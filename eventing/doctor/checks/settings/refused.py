"""Check for fields and values that Knative, KServe or Kubernetes refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventing.doctor.checks.serving.timing import PROGRESS
from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import (
    Body,
    Manifest,
    Manifests,
    decimal,
    items,
    number,
    seconds,
    section,
)
from eventing.doctor.objects.ourpods import our_pods
from eventing.doctor.objects.quantities import is_iso_duration
from eventing.doctor.objects.subscriptions import brokers, triggers
from eventing.doctor.objects.workloads import Workload, workloads

POD_FIELDS = (
    "activeDeadlineSeconds", "hostname", "nodeName", "overhead", "os", "preemptionPolicy", "priority",
    "readinessGates", "resourceClaims", "restartPolicy", "schedulingGates", "setHostnameAsFQDN", "subdomain",
    "terminationGracePeriodSeconds",
)  # fmt: skip
CONTAINER_FIELDS = ("lifecycle", "stdin", "stdinOnce", "tty", "volumeDevices")
VOLUMES = {
    "name", "configMap", "csi", "emptyDir", "ephemeral", "hostPath", "image", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
RANGES: dict[str, tuple[float, float]] = {
    "target": (0.01, float("inf")),
    "target-utilization-percentage": (1, 100),
    "panic-window-percentage": (1, 100),
    "panic-threshold-percentage": (110, 1000),
    "activation-scale": (2, float("inf")),
    "min-scale": (0, float("inf")),
    "max-scale": (0, float("inf")),
    "initial-scale": (0, float("inf")),
    "target-burst-capacity": (-1, float("inf")),
}
POLICIES = ("linear", "exponential")
KNATIVE_MAPS = ("knative-serving", "knative-eventing")

FIELD_REFUSED = Rule(
    "field-refused", "error",
    "it sets {field}, which Knative does not take",
    "Knative refuses the revision: must not set the field(s)",
    "remove {field}{hint}",
)  # fmt: skip
SCALING_REFUSED = Rule(
    "scaling-refused", "error",
    "{field} is {value}",
    "Knative refuses the revision, or KServe the object",
    "{mend}",
)  # fmt: skip
DEADLINE_REFUSED = Rule(
    "deadline-refused", "error",
    f"the annotation {PROGRESS} is {{value}}",
    "Knative refuses the revision: it takes whole seconds as Go writes them",
    "write it as 900s or 15m",
)  # fmt: skip
DELIVERY_REFUSED = Rule(
    "delivery-refused", "error",
    "delivery.{field} is {value}",
    "Knative refuses the object",
    "{mend}",
)  # fmt: skip
MAXIMUM_OVER_LIMIT = Rule(
    "maximum-over-limit", "error",
    "it may have {most} pods, and max-scale-limit of the cluster is {limit}",
    "Knative refuses the revision",
    "lower maxReplicas with the capacity of its endpoint, or raise max-scale-limit in ConfigMap"
    " knative-serving/config-autoscaler",
)  # fmt: skip
VALUE_NOT_TEXT = Rule(
    "value-not-text", "error",
    "{field} is {value}, which YAML reads as a {kind}",
    "Kubernetes refuses the object: it takes text there",
    'put it into quotes: "{quoted}"',
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    for workload in workloads(manifests):
        yield from _fields(workload)
        yield from _ranges(workload)
        yield from _replicas(manifests, workload)
        yield from _deadline(workload)
    for item in (*brokers(manifests), *triggers(manifests)):
        yield from _delivery(item)
    yield from _texts(manifests)


def _fields(workload: Workload) -> Iterator[Finding]:
    for field in POD_FIELDS:
        if workload.pod.get(field) not in (None, "", []):
            hint = "; the timeout makes the grace" if field.startswith("termination") else ""
            yield FIELD_REFUSED.at(workload, field=field, hint=hint)
    for field in CONTAINER_FIELDS:
        if workload.container.get(field):
            hint = "; Knative's own preStop hook waits for requests" if field == "lifecycle" else ""
            yield FIELD_REFUSED.at(workload, field=f"containers[].{field}", hint=hint)
    for volume in items(workload.pod, "volumes"):
        for kind in sorted(map(str, volume.keys() - VOLUMES)):
            hint = "; use a PersistentVolumeClaim"
            yield FIELD_REFUSED.at(workload, field=f"volumes[].{kind} of {volume.get('name')}", hint=hint)


def _ranges(workload: Workload) -> Iterator[Finding]:
    for name, (least, most) in RANGES.items():
        text = workload.scaling(name)
        value = decimal(text)
        if text is None:
            continue
        wrong = value is None or not least <= value <= most
        if wrong or (name == "target-burst-capacity" and -1 < (value or 0) < 0):
            upper = "" if most == float("inf") else f" and at most {most:g}"
            field = f"the annotation autoscaling.knative.dev/{name}"
            yield SCALING_REFUSED.at(workload, field=field, value=text, mend=f"set at least {least:g}{upper}")


def _replicas(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    least, most = workload.pod.get("minReplicas"), workload.max_scale
    low = number(least if workload.is_inference_service else workload.scaling("min-scale"))
    if low and most and low > most:
        mend = f"set at most {most}, the maximum"
        yield SCALING_REFUSED.at(workload, field="the minimum of pods", value=low, mend=mend)
    limit = number((manifests.config("config-autoscaler") or {}).get("max-scale-limit"))
    if limit and ((most or 0) > limit or most == 0):
        yield MAXIMUM_OVER_LIMIT.at(workload, most=most or "any number of", limit=limit)


def _deadline(workload: Workload) -> Iterator[Finding]:
    text = workload.annotations.get(PROGRESS)
    value = seconds(text)
    if text is not None and (value is None or value <= 0 or value != int(value)):
        yield DEADLINE_REFUSED.at(workload, value=text)


def _delivery(item: Manifest) -> Iterator[Finding]:
    delivery = section(item.spec, "delivery")
    for field in ("backoffDelay", "timeout", "retryAfterMax"):
        if field in delivery and not is_iso_duration(delivery[field]):
            mend = "write it as ISO 8601: PT2S is two seconds, PT1M a minute"
            yield DELIVERY_REFUSED.at(item, field=field, value=delivery[field], mend=mend)
    policy, retry = delivery.get("backoffPolicy"), delivery.get("retry")
    if policy is not None and policy not in POLICIES:
        yield DELIVERY_REFUSED.at(item, field="backoffPolicy", value=policy, mend="set linear or exponential")
    if retry is not None and (not isinstance(retry, int) or retry < 0):
        yield DELIVERY_REFUSED.at(item, field="retry", value=retry, mend="set a whole number from 0")


def _texts(manifests: Manifests) -> Iterator[Finding]:
    """Check that what must be text is not read as a number or a truth value."""
    for pod in our_pods(manifests):
        yield from _values(pod.manifest, "the label", section(pod.manifest.body, "metadata", "labels"))
        annotations = section(pod.manifest.body, "metadata", "annotations")
        template = section(pod.manifest.spec, "template", "metadata", "annotations")
        yield from _values(pod.manifest, "the annotation", annotations | template)
        for container in pod.containers:
            texts = {str(item.get("name")): item.get("value") for item in items(container, "env")}
            yield from _values(pod.manifest, "the variable", texts)
    for item in manifests.kind("ConfigMap"):
        if item.namespace in KNATIVE_MAPS:
            yield from _values(item, "the key", section(item.body, "data"))


def _values(item: Manifest, what: str, values: Body) -> Iterator[Finding]:
    for name, value in values.items():
        if isinstance(value, bool | int | float):
            kind = "truth value" if isinstance(value, bool) else "number"
            yield VALUE_NOT_TEXT.at(
                item, field=f"{what} {name}", value=_yaml(value), kind=kind, quoted=_yaml(value)
            )


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
