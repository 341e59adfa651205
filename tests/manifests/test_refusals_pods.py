"""Values that no cluster could run: the render stops before Kubernetes, Knative or KServe refuses them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.manifests.test_refusals import assert_refused
from tests.manifests.value_sets import model, with_values


def s3(**rule: Any) -> dict[str, Any]:
    return with_values(networkPolicy={"egress": {"s3": [rule | {"ports": [443]}]}})


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "less memory for eventing than it requests": (
        with_values(eventing={"resources": {"limits": {"memory": "128Mi"}}}),
        ["eventing.resources.limits.memory", "128Mi is less than the request, 256Mi"],
    ),
    "shared memory over the memory": (
        model(shmSize="4Gi"),
        ["models[0].lanes[0].shmSize", "4Gi", "whose limit is 4Gi", "resources.limits.memory"],
    ),
    "a model for GPUs without one": (
        with_values(models=[{"name": "cogvideox-2b", "gpus": 0}]),
        ["models[0].lanes[0].gpus", "cogvideox-2b needs 1", "leave gpus out"],
    ),
    "two GPUs for a family that uses one": (
        with_values(models=[{"name": "mochi-1-preview", "gpus": 2}]),
        ["models[0].lanes[0].gpus", "the family mochi, which uses one GPU; 1 would be paid for nothing"],
    ),
    "GPUs among the resources": (
        model(resources={"limits": {"nvidia.com/gpu": 1}}),
        ["models[0].lanes[0].resources", "nvidia.com/gpu follows from gpus"],
    ),
    "a lane below the shortest video": (
        model(lanes=[{"name": "short", "maxFrames": 5}]),
        ["models[0].lanes[0].maxFrames", "5 is less than", "tiny, 9 frames"],
    ),
    "a default model that is not served": (
        model() | {"eventing": {"settings": {"default_model": "cogvideox-2b"}}},
        ["eventing.settings.default_model", '"cogvideox-2b" is not served', "has tiny"],
    ),
    "an alias of a model that is not served": (
        model() | {"eventing": {"settings": {"model_aliases": "sora-2=tiny, sora-2-pro=mochi-1-preview"}}},
        ["eventing.settings.model_aliases", '"mochi-1-preview" is not served'],
    ),
    "an annotation that the chart sets": (
        model(annotations={"karpenter.sh/do-not-disrupt": "false"}),
        ["models[0].lanes[0].annotations", '"karpenter.sh/do-not-disrupt" is set', "leave it out"],
    ),
    "an annotation that a value sets": (
        model(annotations={"autoscaling.knative.dev/window": "5m"}),
        ["models[0].lanes[0].annotations", "use stableWindowSeconds"],
    ),
    "an annotation that KServe sets, in its old spelling": (
        model(lanes=[{"name": "a", "annotations": {"autoscaling.knative.dev/minScale": "1"}}]),
        ["models[0].lanes[0].annotations", '"autoscaling.knative.dev/minScale"', "use minReplicas"],
    ),
    "a label that the chart sets": (
        model(podLabels={"app.kubernetes.io/name": "x"}),
        ["models[0].lanes[0].podLabels", '"app.kubernetes.io/name"'],
    ),
    "a label of eventing that the chart sets": (
        with_values(eventing={"podLabels": {"app.kubernetes.io/instance": "x"}}),
        ["eventing.podLabels", '"app.kubernetes.io/instance"'],
    ),
    "a label of the monitors that the chart sets": (
        with_values(metrics={"scrape": "podMonitor", "labels": {"helm.sh/chart": "x"}}),
        ["metrics.labels", '"helm.sh/chart"'],
    ),
    "a label of the dashboard that the chart sets": (
        with_values(
            metrics={
                "scrape": "podMonitor",
                "dashboard": {"enabled": True, "labels": {"helm.sh/chart": "x"}},
            }
        ),
        ["metrics.dashboard.labels", '"helm.sh/chart"'],
    ),
    "alerts on numbers that nothing scrapes": (
        with_values(metrics={"alerts": {"enabled": True}}),
        ["metrics.alerts.enabled", "metrics.scrape is none", "podMonitor"],
    ),
    "a dashboard of numbers that nothing scrapes": (
        with_values(metrics={"dashboard": {"enabled": True}}),
        ["metrics.dashboard.enabled", "metrics.scrape is none", "podMonitor"],
    ),
    "a variable that the chart sets": (
        model(extraEnv=[{"name": "A", "value": "1"}, {"name": "HOME", "value": "/"}]),
        ["models[0].lanes[0].extraEnv[1].name", '"HOME"'],
    ),
    "a variable twice": (
        with_values(eventing={"extraEnv": [{"name": "A"}, {"name": "A"}]}),
        ["eventing.extraEnv[1].name", "twice"],
    ),
    "a volume of a name that is taken": (
        model(extraVolumes=[{"name": "shm", "emptyDir": {}}]),
        ["models[0].lanes[0].extraVolumes[0].name", '"shm"', "another name"],
    ),
    "a mount over one of ours": (
        model(
            extraVolumes=[{"name": "m", "emptyDir": {}}],
            extraVolumeMounts=[{"name": "m", "mountPath": "/scratch/"}],
        ),
        ["models[0].lanes[0].extraVolumeMounts[0].mountPath", "/scratch has a volume"],
    ),
    "two mounts at one path": (
        with_values(
            eventing={
                "extraVolumes": [{"name": "m", "emptyDir": {}}],
                "extraVolumeMounts": [
                    {"name": "m", "mountPath": "/more"},
                    {"name": "m", "mountPath": "/more"},
                ],
            }
        ),
        ["eventing.extraVolumeMounts[1].mountPath", "/more has a volume"],
    ),
    "a claim without a name": (
        model(scaler="keda", storage={"uri": "pvc:///folder"}) | {"keda": {"databaseSecretName": "queue"}},
        ["models[0].lanes[0].storage.uri", "pvc://CLAIM"],
    ),
    "a folder outside of the claim": (
        model(scaler="keda", storage={"uri": "pvc://claim/../x"}) | {"keda": {"databaseSecretName": "queue"}},
        ["models[0].lanes[0].storage.uri", "pvc://CLAIM"],
    ),
    "a mount without a volume": (
        with_values(eventing={"extraVolumeMounts": [{"name": "certs", "mountPath": "/certs"}]}),
        ["eventing.extraVolumeMounts[0].name", '"certs"', "extraVolumes"],
    ),
    "a network that is none": (
        with_values(networkPolicy={"egress": {"s3": [{"cidrs": ["10.0.0.300/8"], "ports": [443]}]}}),
        ["/networkPolicy/egress/s3/0/cidrs/0", "10.0.0.300/8"],
    ),
    "an address without its length": (
        with_values(networkPolicy={"egress": {"s3": [{"cidrs": ["fd00::1"], "ports": [443]}]}}),
        ["/networkPolicy/egress/s3/0/cidrs/0", "fd00::1"],
    ),
    "a network as a namespace": (
        with_values(networkPolicy={"egress": {"s3": [{"namespaces": ["10.0.0.0/8"], "ports": [443]}]}}),
        ["/networkPolicy/egress/s3/0/namespaces/0", "10.0.0.0/8"],
    ),
    "an exception outside of its network": (
        s3(cidrs=["10.0.0.0/8", "192.0.2.0/24"], **{"except": ["10.1.0.0/16", "172.16.0.0/12"]}),
        ["networkPolicy.egress.s3[0].except", "172.16.0.0/12 is no part of 10.0.0.0/8, 192.0.2.0/24"],
    ),
    "an exception of all that it belongs to": (
        s3(cidrs=["10.0.0.0/16"], **{"except": ["10.0.0.0/8"]}),
        ["networkPolicy.egress.s3[0].except", "10.0.0.0/8 covers all of 10.0.0.0/16"],
    ),
    "an exception that equals its network": (
        s3(cidrs=["0.0.0.0/0"], **{"except": ["0.0.0.0/0"]}),
        ["networkPolicy.egress.s3[0].except", "0.0.0.0/0 covers all of 0.0.0.0/0"],
    ),
    "an exception of no network": (
        s3(namespaces=["*"], **{"except": ["10.0.0.0/8"]}),
        ["networkPolicy.egress.s3[0].except", "no cidrs"],
    ),
    "a variable with its value in its name": (
        with_values(eventing={"extraEnv": [{"name": "A=B", "value": "c"}]}),
        ["/eventing/extraEnv/0/name", "A=B"],
    ),
    "a variable that is a number": (
        with_values(eventing={"extraEnv": [{"name": "A", "value": 1}]}),
        ["/eventing/extraEnv/0/value", "string"],
    ),
    "the same of a model": (model(extraEnv=[{"name": "A=B"}]), ["/models/0/extraEnv/0/name", "A=B"]),
    "an Ingress for no host": (with_values(ingress={"enabled": True}), ["ingress.host", "name the host"]),
    "a route to no Gateway": (
        with_values(httpRoute={"enabled": True, "host": "videos.example.org"}),
        ["httpRoute.gateways", "name the Gateway"],
    ),
    "a host that is an address": (
        with_values(ingress={"enabled": True, "host": "https://videos.example.org"}),
        ["/ingress/host"],
    ),
    "Triggers without a Broker": (
        with_values(
            events={
                "enabled": False,
                "triggers": [{"name": "t", "types": ["failed"], "subscriber": {"uri": "http://x"}}],
            }
        ),
        ["events.triggers", "events.enabled is false"],
    ),
    "dead letters into their own Broker": (
        with_values(
            events={
                "deadLetterSink": {
                    "ref": {
                        "apiVersion": "eventing.knative.dev/v1",
                        "kind": "Broker",
                        "name": "reelzero",
                    }
                }
            }
        ),
        ["events.deadLetterSink", "circles"],
    ),
    "dead letters into their own Broker by address": (
        with_values(
            events={"deadLetterSink": {"uri": "http://broker-ingress.knative-eventing.svc/reelzero/reelzero"}}
        ),
        ["events.deadLetterSink", "circles"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_render_stops_and_names_the_value(name: str) -> None:
    assert_refused(*REFUSED[name])
