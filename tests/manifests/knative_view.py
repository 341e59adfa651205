"""What Knative Serving's webhook fills into a revision, after `revision_defaults.go` of knative/serving."""

from __future__ import annotations

import copy
from typing import Any

from tests.manifests.stock import Knative

WRITABLE = ("emptyDir", "persistentVolumeClaim")  # mounts of other volumes become read-only


def defaulted(service: dict[str, Any], stock: Knative) -> dict[str, Any]:
    """The Knative Service as the webhook stores it, with the values of a stock config-defaults."""
    stored = copy.deepcopy(service)
    pod = stored["spec"]["template"]["spec"]
    timeout = pod["timeoutSeconds"] = pod.get("timeoutSeconds") or stock.timeout
    for field, seconds in (
        ("idleTimeoutSeconds", stock.idle),
        ("responseStartTimeoutSeconds", stock.response_start),
    ):
        if 0 < seconds < timeout:
            pod.setdefault(field, seconds)
    pod.setdefault("containerConcurrency", stock.concurrency)
    pod.setdefault("enableServiceLinks", stock.service_links)
    for container in pod["containers"]:
        _fill(container, pod)
    return stored


def refusals(service: dict[str, Any], maximum: int) -> list[str]:
    """The time-outs that the webhook refuses under a `max-revision-timeout-seconds`."""
    pod = service["spec"]["template"]["spec"]
    fields = ("timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds")
    return [field for field in fields if pod.get(field, 0) > maximum]


def _fill(container: dict[str, Any], pod: dict[str, Any]) -> None:
    container.setdefault("name", "user-container")
    resources = container.setdefault("resources", {})
    resources.setdefault("requests", {})
    resources.setdefault("limits", {})
    if len(pod["containers"]) == 1 or container.get("ports"):
        probe = container.setdefault("readinessProbe", {})
        if not {"tcpSocket", "httpGet", "exec", "grpc"} & probe.keys():
            probe["tcpSocket"] = {}
        probe.setdefault("successThreshold", 1)
        if probe.get("periodSeconds"):
            probe.setdefault("failureThreshold", 3)
            probe.setdefault("timeoutSeconds", 1)
    writable = {volume["name"] for volume in pod.get("volumes", []) if volume.keys() & set(WRITABLE)}
    for mount in container.get("volumeMounts", []):
        if mount["name"] not in writable:
            mount["readOnly"] = True
