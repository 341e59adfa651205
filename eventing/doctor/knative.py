"""Check that Knative and KServe accept a workload and run it as intended."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.doctor.findings import Finding
from eventing.doctor.manifests import Manifests, environment, items, section
from eventing.doctor.workloads import MODE, ON_KNATIVE, Workload, workloads

FEATURES = {
    "nodeSelector": "nodeselector",
    "tolerations": "tolerations",
    "affinity": "affinity",
    "runtimeClassName": "runtimeclassname",
    "priorityClassName": "priorityclassname",
    "securityContext": "securitycontext",
    "initContainers": "init-containers",
    "topologySpreadConstraints": "topologyspreadconstraints",
    "schedulerName": "schedulername",
    "hostIPC": "hostipc",
    "shareProcessNamespace": "shareprocessnamespace",
}  # field of the pod: the flag's name after kubernetes.podspec-
FULL_DUPLEX = "features.knative.dev/http-full-duplex"


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    yield from _mode(manifests)
    for workload in workloads(manifests):
        yield from _features(manifests, workload)
        yield from _ports(workload)
        yield from _storage(workload)
        yield from _agents(workload)
        if workload.is_predictor:
            yield from _full_duplex(workload)
            yield from _limits(workload)


def _mode(manifests: Manifests) -> Iterator[Finding]:
    for item in manifests.kind("InferenceService"):
        mode = section(item.body, "metadata", "annotations").get(MODE)
        if mode not in ON_KNATIVE:
            yield Finding(
                "mode-not-knative", "error" if mode is None else "warning", str(item),
                "without a deployment mode the cluster's default decides whether it scales to zero"
                if mode is None else f"mode {mode} keeps pods and GPUs when there are no jobs",
                f"annotate it with {MODE}: Knative",
            )  # fmt: skip


def _features(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    flags = manifests.config("config-features")
    if flags is None:
        return
    for name in sorted(_needed(workload)):
        flag = f"kubernetes.podspec-{name}"
        if str(flags.get(flag, "disabled")).lower() == "disabled":
            yield Finding(
                "feature-off", "error", str(workload),
                f"Knative refuses it: {flag} is off",
                f"set {flag}: enabled in ConfigMap knative-serving/config-features (config/platform)",
            )  # fmt: skip


def _needed(workload: Workload) -> set[str]:
    needed = {flag for field, flag in FEATURES.items() if workload.pod.get(field)}
    claims = [volume for volume in items(workload.pod, "volumes") if "persistentVolumeClaim" in volume]
    if claims or environment(workload.container).get("STORAGE_URI", "").startswith("pvc://"):
        needed.add("persistent-volume-claim")
    return needed


def _ports(workload: Workload) -> Iterator[Finding]:
    ports = [port for container in items(workload.pod, "containers") for port in items(container, "ports")]
    wrong = [port for port in ports if port.get("name", "") not in ("", "http1", "h2c")]
    if len(ports) > 1 or wrong:
        yield Finding(
            "port-not-one", "error", str(workload),
            "Knative takes a single port, named http1 or h2c, and refuses the revision otherwise",
            "keep one port; gRPC is a service of its own (grpc.enabled in the chart)",
        )  # fmt: skip


def _storage(workload: Workload) -> Iterator[Finding]:
    if not workload.is_inference_service:
        return
    for container in items(workload.pod, "containers"):
        if "STORAGE_URI" in environment(container) and container.get("name") != "kserve-container":
            yield Finding(
                "storage-uri-ignored", "error", str(workload),
                "KServe fetches weights only for the container kserve-container; /mnt/models stays empty",
                "name the container kserve-container",
            )  # fmt: skip


def _agents(workload: Workload) -> Iterator[Finding]:
    agents = sorted({"logger", "batcher"} & workload.pod.keys()) if workload.is_inference_service else []
    if agents:
        yield Finding(
            "agent-in-the-way", "error", str(workload),
            f"KServe's {agents[0]} buffers the stream and hides closed connections: no progress, no cancel",
            f"remove {agents[0]}",
        )  # fmt: skip


def _full_duplex(workload: Workload) -> Iterator[Finding]:
    if str(workload.annotations.get(FULL_DUPLEX, "")).lower() != "enabled":
        yield Finding(
            "full-duplex-off", "error", str(workload),
            "queue-proxy cuts some streams just after their start, mostly on busy nodes",
            f"annotate it with {FULL_DUPLEX}: Enabled",
        )  # fmt: skip


def _limits(workload: Workload) -> Iterator[Finding]:
    served_by_runtime = section(workload.pod, "model", "resources", "limits")
    limits = served_by_runtime | section(workload.container, "resources", "limits")
    missing = [name for name in ("cpu", "memory") if not limits.get(name)]
    if workload.is_inference_service and missing:
        yield Finding(
            "limits-missing", "error", str(workload),
            f"KServe sets what is missing ({', '.join(missing)}), by default to 1 CPU and 2Gi: the model"
            " is throttled or killed, and a larger request is refused",
            f"set resources.limits of the container: {', '.join(missing)}",
        )  # fmt: skip
