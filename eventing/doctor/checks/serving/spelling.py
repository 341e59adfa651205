"""Check the spelling of annotations and labels: what is not read is ignored silently."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Manifests, section
from eventing.doctor.objects.workloads import Workload, predictors

SCALING = "autoscaling.knative.dev"
KNOWN = {
    SCALING: (
        "class", "min-scale", "max-scale", "initial-scale", "metric", "metric-aggregation-algorithm",
        "target", "target-utilization-percentage", "target-burst-capacity", "window",
        "panic-window-percentage", "panic-threshold-percentage", "activation-scale", "scale-down-delay",
        "scale-to-zero-pod-retention-period", "minScale", "maxScale", "initialScale", "scaleDownDelay",
        "targetUtilizationPercentage", "targetBurstCapacity", "panicWindowPercentage",
        "panicThresholdPercentage", "scaleToZeroPodRetentionPeriod",
    ),
    "serving.knative.dev": ("progress-deadline", "rollout-duration", "creator", "lastModifier", "no-gc"),
    "features.knative.dev": ("http-full-duplex",),
    "networking.knative.dev": ("visibility", "http-protocol", "ingress.class", "certificate.class"),
    "queue.sidecar.serving.knative.dev": (
        "cpu-resource-limit", "cpu-resource-request", "memory-resource-limit", "memory-resource-request",
        "ephemeral-storage-resource-limit", "ephemeral-storage-resource-request", "resource-percentage",
    ),
    "serving.kserve.io": ("deploymentMode", "autoscalerClass", "stop", "enable-prometheus-scraping"),
    "cluster-autoscaler.kubernetes.io": ("safe-to-evict", "safe-to-evict-local-volumes"),
    "karpenter.sh": ("do-not-disrupt",),
    "reelzero.dev": ("always-on", "catalog", "endpoints", "model", "lane"),
}  # fmt: skip
RENAMED = {
    "karpenter.sh/do-not-evict": "karpenter.sh/do-not-disrupt",
    "karpenter.sh/do-not-consolidate": "karpenter.sh/do-not-disrupt",
}
CLOSE = 0.8

ANNOTATION_MISSPELT = Rule(
    "annotation-misspelt", "error",
    "{name} is not read by anything here",
    "it is ignored silently, and the default counts",
    "{mend}",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file on the predictors."""
    for workload in predictors(manifests):
        for name in sorted(_names(workload)):
            mend = _mend(name)
            if mend:
                yield ANNOTATION_MISSPELT.at(workload, name=name, mend=mend)


def _names(workload: Workload) -> set[str]:
    meta = section(workload.manifest.body, "metadata")
    template = section(workload.manifest.spec, "template", "metadata")
    parts = [
        section(part, key) for part in (meta, workload.pod, template) for key in ("annotations", "labels")
    ]
    return {str(name) for part in parts for name in part}


def _mend(name: str) -> str | None:
    """Return what was probably meant; None for a name that is right or somebody else's."""
    domain, _, last = name.rpartition("/")
    if name in RENAMED:
        return f"it was renamed to {RENAMED[name]}"
    if last in KNOWN.get(domain, ()) or last == "visibility":
        return None
    names = difflib.get_close_matches(last, KNOWN.get(domain, ()), n=1, cutoff=CLOSE)
    domains = [at for at in difflib.get_close_matches(domain, KNOWN, n=3, cutoff=CLOSE) if last in KNOWN[at]]
    meant = f"{domain}/{names[0]}" if names else f"{domains[0]}/{last}" if domains else None
    if meant is None and domain == SCALING:
        return "see Knative's list of autoscaling annotations"
    return f"did you mean {meant}?" if meant else None
