"""What KServe's pod webhook adds to a predictor's pod: the fetcher of weights, mounts, keys, a modelcar.

After `storage_initializer_injector.go`, `utils/storage.go` and the credential builders of kserve/kserve. The
agent and the batcher are not here: the chart asks for neither, and `injected_agents` holds that.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.manifests.stock import KServe

Body = dict[str, Any]
MODELS, PROVISION, CLAIM = "/mnt/models", "kserve-provision-location", "kserve-pvc-source"
ASKS_FOR_AN_AGENT = (
    "serving.kserve.io/enable-metric-aggregation",
    "serving.kserve.io/enable-prometheus-scraping",
    "internal.serving.kserve.io/agent",
    "internal.serving.kserve.io/logger",
    "internal.serving.kserve.io/batcher",
)  # annotations that make the webhook inject or change further containers
NOT_OF_A_POD = {"containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds"}


def pod_of(service: Body, stock: KServe, secrets: tuple[str, ...] = ()) -> Body:
    """The pod of a revision after the webhook. `secrets` are those of its ServiceAccount."""
    template = service["spec"]["template"]
    spec = {k: copy.deepcopy(v) for k, v in template["spec"].items() if k not in NOT_OF_A_POD}
    source = _storage_uri(spec)
    if source and source.startswith("oci://") and stock.modelcar:
        _modelcar(spec, source, stock)
    elif source:
        _weights(spec, source, stock, secrets)
    meta = {"name": "pod", "labels": template["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def injected_agents(service: Body) -> list[str]:
    """The annotations of a revision that would make the webhook add an agent or change queue-proxy."""
    return [
        name for name in ASKS_FOR_AN_AGENT if name in service["spec"]["template"]["metadata"]["annotations"]
    ]


def _storage_uri(spec: Body) -> str | None:
    return next((env["value"] for env in _main(spec).get("env", []) if env["name"] == "STORAGE_URI"), None)


def _main(spec: Body) -> Body:
    return next(c for c in spec["containers"] if c["name"] == "kserve-container")


def _weights(spec: Body, source: str, stock: KServe, secrets: tuple[str, ...]) -> None:
    """A claim is mounted as it is. Everything else is fetched by an init container into a shared volume."""
    mount: Body = {"name": PROVISION, "mountPath": MODELS, "readOnly": True}
    volume: Body = {"name": PROVISION, "emptyDir": {}}
    if source.startswith("pvc://"):
        claim, _, path = source.removeprefix("pvc://").partition("/")
        mount |= {"name": CLAIM, "subPath": path}
        volume = {"name": CLAIM, "persistentVolumeClaim": {"claimName": claim}}
    else:
        spec.setdefault("initContainers", []).append(_fetcher(source, stock, secrets))
    _main(spec).setdefault("volumeMounts", []).append(mount)
    spec.setdefault("volumes", []).append(volume)
    for env in _main(spec)["env"]:
        if env["name"] == "STORAGE_URI":
            env["value"] = MODELS


def _fetcher(source: str, stock: KServe, secrets: tuple[str, ...]) -> Body:
    """No security context: a namespace that enforces `restricted` refuses the pod."""
    return {
        "name": "storage-initializer",
        "image": f"kserve/storage-initializer:v{stock.release}",
        "args": [source, MODELS],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": PROVISION, "mountPath": MODELS}],
        "resources": {
            "requests": dict(zip(("cpu", "memory"), stock.fetch_requests, strict=True)),
            "limits": dict(zip(("cpu", "memory"), stock.fetch_limits, strict=True)),
        },
        "env": [
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}}
            for secret in secrets
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        ],
    }


def _modelcar(spec: Body, source: str, stock: KServe) -> None:
    """The weights are the root of a sidecar, reached through the shared process namespace.

    Where a uid is configured, the webhook puts it in place of the whole security context of our container.
    """
    main, small = _main(spec), {"cpu": "10m", "memory": "15Mi"}
    mount = {"name": PROVISION, "mountPath": "/mnt"}
    car: Body = {
        "name": "modelcar",
        "image": source.removeprefix("oci://"),
        "args": ["sh", "-c", f"ln -sf /proc/$$$$/root/models {MODELS} && sleep infinity"],
        "volumeMounts": [mount],
        "resources": {"requests": small, "limits": small},
    }
    first = {"name": "modelcar-init", "image": car["image"], "resources": car["resources"]}
    main["env"].append({"name": "MODEL_INIT_MODE", "value": "async"})
    main.setdefault("volumeMounts", []).append(dict(mount))
    if stock.modelcar_uid is not None:
        main["securityContext"] = {"runAsUser": stock.modelcar_uid}
        car["securityContext"] = {"runAsUser": stock.modelcar_uid}
    spec["containers"].append(car)
    spec.setdefault("initContainers", []).append(first)
    spec.setdefault("volumes", []).append({"name": PROVISION, "emptyDir": {}})
    spec["shareProcessNamespace"] = True
