"""What KServe makes of an InferenceService with its own containers in Knative mode: a Knative Service.

Only what the chart uses, as seen on a running controller. It exists so that the pods of the chart are also
held against Knative's own schema, which takes much less than Kubernetes'.
"""

from __future__ import annotations

from typing import Any

OF_KSERVE = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "timeout"}


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
                "metadata": {"annotations": meta["annotations"] | scaling, "labels": meta["labels"]},
                "spec": pod,
            }
        },
    }
