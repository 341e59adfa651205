"""Check that nothing outside the cluster reaches a GPU, and that no GPU is held without a job."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.doctor.checks.pods.gpus import gpus
from eventing.doctor.checks.pods.weights import kserve_config
from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Manifest, Manifests, dig, listed, near, number, section
from eventing.doctor.objects.workloads import AUTOSCALING, Workload, workloads

VISIBILITY = "networking.knative.dev/visibility"
ALWAYS_ON = "reelzero.dev/always-on"
KPA = "kpa.autoscaling.knative.dev"
CLASS = "config-autoscaler"
SCALERS = ("ScaledObject", "HorizontalPodAutoscaler", "VerticalPodAutoscaler")

PREDICTOR_PUBLIC = Rule(
    "predictor-public", "error",
    f"it has no label {VISIBILITY}: cluster-local",
    "Knative gives it an address outside the cluster: everyone who finds that uses your GPUs without a key",
    f"set metadata.labels {VISIBILITY}: cluster-local",
)  # fmt: skip
MINIMUM_MISSING = Rule(
    "minimum-missing", "error",
    "spec.predictor.minReplicas is not set",
    "KServe's default is 1: one pod holds its GPU all the time",
    "set minReplicas to 0",
)  # fmt: skip
ALWAYS_ON_PODS = Rule(
    "always-on", "warning",
    "minReplicas is {least}, and its pods hold GPUs",
    "{least} of its pods hold their GPUs while there is no job",
    f'set minReplicas to 0; if this is meant, annotate it with {ALWAYS_ON}: "{{least}}"',
)  # fmt: skip
SCALE_TO_ZERO_OFF = Rule(
    "scale-to-zero-off", "error",
    "enable-scale-to-zero is false",
    "every model keeps a pod with its GPUs, whatever its minimum says",
    'set enable-scale-to-zero: "true"',
)  # fmt: skip
AUTOSCALER_CLASS = Rule(
    "autoscaler-class", "error",
    "its autoscaler is {name}",
    "only Knative's own autoscaler scales to zero and counts requests: GPUs are held, and jobs wait",
    f"set the annotation {AUTOSCALING}class to {KPA}",
)  # fmt: skip
ACTIVATION_SCALE = Rule(
    "activation-scale", "warning",
    f"the annotation {AUTOSCALING}activation-scale is {{scale}}",
    "one job after a quiet time starts {scale} pods with their GPUs",
    "remove the annotation",
)  # fmt: skip
ANNOTATION_DROPPED = Rule(
    "annotation-dropped", "error",
    "KServe drops its {names}, as ConfigMap inferenceservice-config says",
    "the pods get Knative's defaults instead",
    "take {names} out of serviceAnnotationDisallowedList or serviceLabelDisallowedList",
)  # fmt: skip
ANNOTATION_WITHOUT_EFFECT = Rule(
    "annotation-without-effect", "warning",
    "it has the annotation {name}",
    "KServe drops it and sets the value of spec.predictor.{field} in its place",
    "set spec.predictor.{field}",
)  # fmt: skip
SECOND_AUTOSCALER = Rule(
    "second-autoscaler", "error",
    "it scales {target}, which Knative scales",
    "each undoes what the other sets: busy pods are ended, and idle ones stay",
    "remove it; Knative counts the requests",
)  # fmt: skip
CANARY_SPLITS = Rule(
    "canary-splits", "warning",
    "canaryTrafficPercent is {percent}",
    "two revisions may each have the maximum of pods, and eventing cannot tell which one makes a video",
    "remove canaryTrafficPercent; serve the new model in a lane of its own",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file on the predictors."""
    own = workloads(manifests)
    for workload in own:
        yield from _public(manifests, workload)
        yield from _minimum(workload)
        yield from _class(manifests, workload)
        yield from _annotations(manifests, workload)
        yield from _canary(workload)
    if own:
        yield from _cluster(manifests)
        yield from _second(manifests, own)


def _public(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    domains = manifests.config("config-domain") or {}
    inside = any(str(domain).startswith("svc.") and not domains[domain] for domain in domains)
    labels = section(workload.manifest.body, "metadata", "labels")
    if not inside and labels.get(VISIBILITY) != "cluster-local":
        yield PREDICTOR_PUBLIC.at(workload)


def _minimum(workload: Workload) -> Iterator[Finding]:
    scale = number(workload.scaling("activation-scale"))
    if scale and scale > 1:
        yield ACTIVATION_SCALE.at(workload, scale=scale)
    if workload.is_inference_service and workload.pod.get("minReplicas") is None:
        yield MINIMUM_MISSING.at(workload)
        return
    field = (
        workload.pod.get("minReplicas") if workload.is_inference_service else workload.scaling("min-scale")
    )
    least = number(field) or 0
    meant = str(workload.annotations.get(ALWAYS_ON)) == str(least)
    if least > 0 and gpus(workload.container) and not meant and least <= (workload.max_scale or least):
        yield ALWAYS_ON_PODS.at(workload, least=least)


def _class(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    default = (manifests.config(CLASS) or {}).get("pod-autoscaler-class", KPA)
    name = str(workload.scaling("class") or default)
    if name != KPA:
        yield AUTOSCALER_CLASS.at(workload, name=name)


def _annotations(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    if not workload.is_inference_service:
        return
    own = section(workload.manifest.body, "metadata", "annotations")
    for name, field in (("min-scale", "minReplicas"), ("max-scale", "maxReplicas")):
        if AUTOSCALING + name in own:
            yield ANNOTATION_WITHOUT_EFFECT.at(workload, name=AUTOSCALING + name, field=field)
    deploy = kserve_config(manifests, "deploy")
    dropped = {
        str(name)
        for key in ("serviceAnnotationDisallowedList", "serviceLabelDisallowedList")
        for name in listed(deploy.get(key))
        if ("knative.dev/" in str(name) and not str(name).endswith(("/min-scale", "/max-scale")))
    }
    lost = sorted(dropped & (own.keys() | section(workload.manifest.body, "metadata", "labels").keys()))
    if lost:
        yield ANNOTATION_DROPPED.at(workload, names=", ".join(lost))


def _canary(workload: Workload) -> Iterator[Finding]:
    percent = number(workload.pod.get("canaryTrafficPercent")) if workload.is_inference_service else None
    if percent is not None and percent < 100:
        yield CANARY_SPLITS.at(workload, percent=percent)


def _cluster(manifests: Manifests) -> Iterator[Finding]:
    for item in manifests.kind("ConfigMap"):
        off = str(dig(item.body, "data", "enable-scale-to-zero") or "").lower() == "false"
        if item.name == CLASS and near(item.namespace, "knative-serving") and off:
            yield SCALE_TO_ZERO_OFF.at(item)


def _second(manifests: Manifests, own: list[Workload]) -> Iterator[Finding]:
    for item in (scaler for kind in SCALERS for scaler in manifests.kind(kind)):
        if dig(item.spec, "updatePolicy", "updateMode") == "Off":
            continue  # a VerticalPodAutoscaler that recommends, and changes no pod
        reference = section(item.spec, "scaleTargetRef") or section(item.spec, "targetRef")
        if any(_scaled(item, str(reference.get("name")), workload) for workload in own):
            yield SECOND_AUTOSCALER.at(item, target=reference.get("name"))


def _scaled(item: Manifest, target: str, workload: Workload) -> bool:
    """Tell whether a target is a Deployment or revision that Knative makes of a workload."""
    made = target == workload.address or target.startswith(f"{workload.address}-0")
    return made and near(item.namespace, workload.manifest.namespace)
