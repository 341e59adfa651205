"""Check that Knative and KServe accept a workload and run it as intended."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Manifests, environment, items
from eventing.doctor.objects.workloads import MODE, ON_KNATIVE, Workload, predictors, workloads

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
    "hostPID": "hostpid",
    "hostNetwork": "hostnetwork",
    "hostAliases": "hostaliases",
    "dnsPolicy": "dnspolicy",
    "dnsConfig": "dnsconfig",
    "shareProcessNamespace": "shareprocessnamespace",
}  # field of the pod: the flag's name after kubernetes.podspec-
VOLUMES = {
    "persistentVolumeClaim": "persistent-volume-claim",
    "hostPath": "volumes-hostpath",
    "csi": "volumes-csi",
    "ephemeral": "volumes-ephemeral",
    "image": "volumes-image",
}  # kind of volume: the same
FULL_DUPLEX = "features.knative.dev/http-full-duplex"

MODE_NOT_KNATIVE = Rule(
    "mode-not-knative", "error",
    "it names no deployment mode",
    "without a deployment mode the cluster's default decides whether it scales to zero",
    f"annotate it with {MODE}: Knative",
)  # fmt: skip
MODE_KEEPS_PODS = Rule(
    "mode-keeps-pods", "warning",
    "its deployment mode is {mode}",
    "mode {mode} keeps pods and GPUs when there are no jobs",
    f"annotate it with {MODE}: Knative",
)  # fmt: skip
FEATURE_OFF = Rule(
    "feature-off", "error",
    "it needs a feature of Knative that is off here: {flag}",
    "Knative refuses it: {flag} is off",
    "set {flag}: enabled in ConfigMap knative-serving/config-features (config/platform)",
)  # fmt: skip
PORT_NOT_ONE = Rule(
    "port-not-one", "error",
    "it has more than one port, or one with a name that Knative does not know",
    "Knative takes a single port, named http1 or h2c, and refuses the revision otherwise",
    "keep one port; gRPC is a service of its own (grpc.enabled in the chart)",
)  # fmt: skip
STORAGE_URI_IGNORED = Rule(
    "storage-uri-ignored", "error",
    "STORAGE_URI is on a container that is not kserve-container",
    "KServe fetches weights only for the container kserve-container; /mnt/models stays empty",
    "name the container kserve-container",
)  # fmt: skip
AGENT_IN_THE_WAY = Rule(
    "agent-in-the-way", "error",
    "it has a {agent}",
    "KServe's {agent} buffers the stream and hides closed connections: no progress, no cancel",
    "remove {agent}",
)  # fmt: skip
FULL_DUPLEX_OFF = Rule(
    "full-duplex-off", "error",
    "full duplex is not enabled",
    "queue-proxy cuts some streams just after their start, mostly on busy nodes",
    f"annotate it with {FULL_DUPLEX}: Enabled",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    yield from _mode(manifests)
    for workload in workloads(manifests):
        yield from _features(manifests, workload)
        yield from _ports(workload)
        yield from _storage(workload)
        yield from _agents(workload)
        yield from _full_duplex(workload)


def _mode(manifests: Manifests) -> Iterator[Finding]:
    for workload in predictors(manifests):
        if workload.is_inference_service and workload.mode is None:
            yield MODE_NOT_KNATIVE.at(workload)
        elif workload.is_inference_service and workload.mode not in ON_KNATIVE:
            yield MODE_KEEPS_PODS.at(workload, mode=workload.mode)


def _features(manifests: Manifests, workload: Workload) -> Iterator[Finding]:
    flags = manifests.config("config-features")
    if flags is None:
        return
    for name in sorted(_needed(workload)):
        flag = f"kubernetes.podspec-{name}"
        if str(flags.get(flag, "disabled")).lower() == "disabled":
            yield FEATURE_OFF.at(workload, flag=flag)


def _needed(workload: Workload) -> set[str]:
    needed = {flag for field, flag in FEATURES.items() if workload.pod.get(field)}
    volumes = items(workload.pod, "volumes")
    needed |= {flag for kind, flag in VOLUMES.items() if any(kind in volume for volume in volumes)}
    if environment(workload.container).get("STORAGE_URI", "").startswith("pvc://"):
        needed.add("persistent-volume-claim")
    return needed


def _ports(workload: Workload) -> Iterator[Finding]:
    ports = [port for container in items(workload.pod, "containers") for port in items(container, "ports")]
    wrong = [port for port in ports if port.get("name", "") not in ("", "http1", "h2c")]
    if len(ports) > 1 or wrong:
        yield PORT_NOT_ONE.at(workload)


def _storage(workload: Workload) -> Iterator[Finding]:
    if not workload.is_inference_service:
        return
    for container in items(workload.pod, "containers"):
        if "STORAGE_URI" in environment(container) and container.get("name") != "kserve-container":
            yield STORAGE_URI_IGNORED.at(workload)


def _agents(workload: Workload) -> Iterator[Finding]:
    agents = sorted({"logger", "batcher"} & workload.pod.keys()) if workload.is_inference_service else []
    if agents:
        yield AGENT_IN_THE_WAY.at(workload, agent=agents[0])


def _full_duplex(workload: Workload) -> Iterator[Finding]:
    if str(workload.annotations.get(FULL_DUPLEX, "")).lower() != "enabled":
        yield FULL_DUPLEX_OFF.at(workload)
