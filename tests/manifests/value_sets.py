"""The values the chart is rendered with in these tests: its examples, and single turns of every switch."""

from __future__ import annotations

import copy
from typing import Any

from config.render import CHART, example

Values = dict[str, Any]
LEAST: Values = {
    "database": {"secretName": "db"},
    "s3": {"secretName": "s3"},
    "events": {"trustedSources": {"urn:example:shop": "shop"}},
}


def with_values(**changes: Any) -> Values:
    """The least values, with some top-level ones changed."""
    return copy.deepcopy(LEAST) | changes


def model(**changes: Any) -> Values:
    """The least values with one CPU model, changed."""
    return with_values(models=[{"name": "tiny", "gpus": 0, "storage": {"path": "/models"}} | changes])


PLACED: Values = {
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [
                            {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}
                        ]
                    }
                ]
            }
        }
    },
    "extraEnv": [{"name": "EXTRA", "value": "1"}],
    "extraVolumes": [{"name": "more", "emptyDir": {"sizeLimit": "1Mi"}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
}
SPREAD = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
ALIGN: Values = {
    "title": "The time of each word",
    "inputs": {"speech": {"media": ["audio/*"]}},
    "outputs": {"timings": {"media": "application/json"}},
    "run": {
        "kind": "command",
        "words": ["align", "{inputs}/speech", "{outputs}/timings"],
        "image": "registry.example.org/aligner:3",
    },
    "gpus": 1,
    "memory_gib": 6,
    "budget": {"cold_start_seconds": 120, "generation_seconds": 900},
}
ELSEWHERE: Values = with_values(
    steps=[
        {"name": "steps", "minReplicas": 1, "topologySpreadConstraints": [SPREAD]},
        {"name": "align", "types": ["align"], "concurrency": 1, "podLabels": {"cost": "video"}, **PLACED},
    ],
    stepTypes={"align": ALIGN, "lips": ALIGN | {"run": {"kind": "http", "url": "http://lips.studio:8000"}}},
    models=[
        {
            "name": "cogvideox-2b",
            "podLabels": {"kueue.x-k8s.io/queue-name": "videos"},
            "topologySpreadConstraints": [SPREAD],
            "priorityClassName": "gpu-jobs",
            **PLACED,
        }
    ],
    eventing={
        "podLabels": {"cost": "video"},
        "topologySpreadConstraints": [SPREAD | {"labelSelector": {"matchLabels": {"mine": "yes"}}}],
        **PLACED,
    },
    proxy={"https": "http://proxy.corp:3128", "except": ["seaweedfs", ".corp"]},
    caBundle={"configMapName": "trust", "key": "bundle.pem"},
    mark={"secretName": "studio", "prompts": True},
    events={
        **LEAST["events"],
        "deadLetterSink": {
            "ref": {"apiVersion": "v1", "kind": "Service", "name": "letters", "namespace": "ops"}
        },
        "triggers": [{"name": "t", "types": ["failed"], "subscriber": {"uri": "http://shop"}}],
    },
    metrics={
        "scrape": "podMonitor",
        "labels": {"release": "kube-prometheus-stack"},
        "alerts": {"enabled": True},
        "dashboard": {"enabled": True, "labels": {"dashboards": "video"}},
    },
    networkPolicy={"identity": "gke"},
    imageCache={"enabled": True},
)

KEDA: Values = with_values(
    models=[
        {
            "name": "cogvideox-2b",
            "scaler": "keda",
            "keepWarmSeconds": 240,
            "lanes": [
                {"name": "short", "maxFrames": 25, "minReplicas": 1, "maxReplicas": 2},
                {"name": "long", "maxReplicas": 12, "podLabels": {"cost": "video"}},
            ],
        },
        {"name": "cogvideox-5b", "scaler": "keda", "storage": {"uri": "pvc://weights/models/cogvideox-5b"}},
        {"name": "tiny", "gpus": 0, "storage": {"path": "/models"}},
    ],
    keda={"databaseSecretName": "queue-reader", "prometheusUrl": "http://prometheus.monitoring:9090"},
    storage={"secretName": "huggingface-token"},
    metrics={"scrape": "podMonitor"},
)

EXAMPLES = {path.stem: example(path.name) for path in sorted((CHART / "examples").glob("*.yaml"))}
VALUE_SETS: dict[str, Values] = {
    **EXAMPLES,
    "least": LEAST,
    "pods by KEDA": KEDA,
    "every model": with_values(
        models=[
            {"name": name}
            for name in ("cogvideox-2b", "cogvideox-5b", "ltx-video", "mochi-1-preview", "wan2.1-t2v-1.3b")
        ],
        grpc={"enabled": True},
    ),
    "shortest budget": model(coldStartSeconds=1, generationSeconds=1),
    "longest budget": model(coldStartSeconds=1170, generationSeconds=2340),
    "always on": model(minReplicas=3, maxReplicas=3),
    "no network policies": model() | {"networkPolicy": {"enabled": False}},
    "predictors with a token": model()
    | {
        "predictorToken": {"secretName": "predictor"},
        "metrics": {"scrape": "podMonitor"},
        "grpc": {"enabled": True},
    },
    "scraped by annotation": model() | {"metrics": {"scrape": "annotations"}},
    "a broker of theirs": model()
    | {"events": LEAST["events"] | {"broker": {"create": False, "name": "default"}}},
    "elsewhere": ELSEWHERE,
    "with the doctor": model() | {"doctor": {"enabled": True}},
    "REST only": model() | {"events": {"enabled": False}},
    "a long release": model() | {"fullnameOverride": "a-release-with-quite-a-name"},
}
