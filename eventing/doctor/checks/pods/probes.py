"""Check the probes: readiness waits for the weights, and liveness never kills a pod that loads or works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Body, Manifests, dig, items, section
from eventing.doctor.objects.workloads import Workload, workloads

DEFAULT_PORT = 8080  # Knative's default for a container without ports
STARTUP_PROBE = Rule(
    "startup-probe", "error",
    "it has a startupProbe",
    "it turns off Knative's fast probing: each cold start waits for the kubelet's next probe",
    "remove the startupProbe; progress-deadline and readiness replace it",
)  # fmt: skip
READINESS_MISSING = Rule(
    "readiness-missing", "error",
    "it has no readinessProbe",
    "an open port counts as ready, so requests arrive while the weights are still loading",
    "set readinessProbe.httpGet.path to {expected}",
)  # fmt: skip
READINESS_WRONG_PATH = Rule(
    "readiness-wrong-path", "error",
    "its readinessProbe does not ask for the model",
    "{path} does not check {model}: it succeeds as soon as KServe's server listens, and requests arrive while"
    " the weights are still loading",
    "set readinessProbe.httpGet.path to {expected}",
)  # fmt: skip
READINESS_PERIOD = Rule(
    "readiness-period", "warning",
    "its readinessProbe has no period",
    "a pod that fails the first probe becomes ready up to 10 s late",
    "set readinessProbe.periodSeconds to 2",
)  # fmt: skip
LIVENESS_ON_READINESS = Rule(
    "liveness-on-readiness", "error",
    "its livenessProbe asks whether the model is ready",
    "the kubelet kills the pod while its weights load, and it never becomes ready",
    "set livenessProbe.httpGet.path to /v2/health/live",
)  # fmt: skip
LIVENESS_OTHER_PORT = Rule(
    "liveness-other-port", "error",
    "its livenessProbe asks another port than the container's",
    "liveness probes port {probed} and the container's is {own}: Knative refuses it, or moves the probe to"
    " {own}, where it fails and the kubelet kills the pod while it works",
    "let the livenessProbe use port {own}, by tcpSocket if the container serves gRPC only",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    for workload in workloads(manifests):
        yield from _startup(workload)
        yield from _liveness_port(workload)
        if workload.model and workload.container:
            yield from _readiness(workload)
            yield from _liveness(workload)


def _startup(workload: Workload) -> Iterator[Finding]:
    if "startupProbe" in workload.container:
        yield STARTUP_PROBE.at(workload)


def _readiness(workload: Workload) -> Iterator[Finding]:
    probe = workload.container.get("readinessProbe")
    expected = f"/v2/models/{workload.model}/ready"
    path = dig(probe, "httpGet", "path")
    if not probe:
        yield READINESS_MISSING.at(workload, expected=expected)
    elif path != expected:
        yield READINESS_WRONG_PATH.at(
            workload, path=path or "a probe without a path", model=workload.model, expected=expected
        )
    elif not dig(probe, "periodSeconds"):
        yield READINESS_PERIOD.at(workload)


def _liveness(workload: Workload) -> Iterator[Finding]:
    path = str(dig(workload.container, "livenessProbe", "httpGet", "path") or "")
    if path.endswith("/ready"):
        yield LIVENESS_ON_READINESS.at(workload)


def _liveness_port(workload: Workload) -> Iterator[Finding]:
    containers = items(workload.pod, "containers")
    for container in containers:
        ports = items(container, "ports")
        if not ports and len(containers) > 1:
            continue  # a sidecar, where Knative allows no probe
        port = ports[0] if ports else {}
        own, probed = port.get("containerPort") or DEFAULT_PORT, _probe_port(container)
        if probed not in (None, 0, "", own, port.get("name")):
            yield LIVENESS_OTHER_PORT.at(workload, probed=probed, own=own)


def _probe_port(container: Body) -> Any:
    """Return the port of the liveness probe, a number or a name."""
    probe = section(container, "livenessProbe")
    return dig(probe, "httpGet", "port") or dig(probe, "tcpSocket", "port")
