"""What KServe makes of an InferenceService with its own containers: its defaults, then a Knative Service.

Only what the chart uses, after its sources. It exists so that the pods of the chart are also held against
Knative's own schema, which takes much less than Kubernetes'. What its second webhook makes of the pods is
in pod_webhook.py.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from tests.manifests.stock import KServe

UNITS = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
OF_KSERVE = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "timeout", "labels"}


def knative_service(inference: dict[str, Any]) -> dict[str, Any]:
    """The Knative Service KServe would create."""
    meta, predictor = inference["metadata"], inference["spec"]["predictor"]
    scaling = {
        "autoscaling.knative.dev/min-scale": str(predictor["minReplicas"]),
        "autoscaling.knative.dev/max-scale": str(predictor["maxReplicas"]),
        "autoscaling.knative.dev/metric": predictor["scaleMetric"],
        "autoscaling.knative.dev/target": str(predictor["scaleTarget"]),
    }
    pod = {key: value for key, value in predictor.items() if key not in OF_KSERVE}
    pod |= {
        "timeoutSeconds": predictor["timeout"],
        "responseStartTimeoutSeconds": predictor["timeout"],
    }
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": f"{meta['name']}-predictor", "labels": meta["labels"]},
        "spec": {
            "template": {
                "metadata": {
                    "annotations": meta["annotations"] | scaling,
                    "labels": meta["labels"] | predictor.get("labels", {}),
                },
                "spec": pod,
            }
        },
    }


def defaulted(inference: dict[str, Any], stock: KServe) -> dict[str, Any]:
    """The InferenceService as KServe's mutating webhook stores it, with the values that it installs."""
    stored = copy.deepcopy(inference)
    container = stored["spec"]["predictor"]["containers"][0]  # the others are left alone
    resources = container.setdefault("resources", {})
    for kind in ("requests", "limits"):
        resources[kind] = {"cpu": stock.cpu, "memory": stock.memory} | resources.get(kind, {})
    return stored


def quantity(text: Any) -> float:
    """A quantity of Kubernetes as a number."""
    match = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(text))
    assert match, text
    return float(match[1]) * UNITS[match[2]]


def above_their_limits(resources: dict[str, Any]) -> list[str]:
    """The resources whose requests exceed their limits: Kubernetes refuses such pods."""
    requests, limits = resources["requests"], resources["limits"]
    return [name for name in requests if name in limits and quantity(requests[name]) > quantity(limits[name])]
