"""What bad values get: the render stops, and the message names the value and says what is wrong with it."""

from __future__ import annotations

from typing import Any

import helm_python
import pytest

from config.render import render
from eventing.contract.catalog import load_catalog
from tests.manifests.value_sets import model, with_values


def triggers(*subscribers: dict[str, Any], name: str = "t") -> dict[str, Any]:
    given = [{"name": name, "types": ["completed"], "subscriber": subscriber} for subscriber in subscribers]
    return with_values(events={"triggers": given})


TWICE = [{"name": "tiny", "storage": {"path": "/models"}}] * 2
REFUSED = {
    "unknown model": (model(name="sora"), ["models[0].name", '"sora"', "cogvideox-2b"]),
    "a model without a name": (with_values(models=[{"maxReplicas": 1}]), ["/models/0", "name"]),
    "negative generation": (model(generationSeconds=-5), ["/models/0/generationSeconds", "-5"]),
    "negative cold start": (model(coldStartSeconds=-1), ["/models/0/coldStartSeconds", "-1"]),
    "budget of zero": (model(generationSeconds=0), ["/models/0/generationSeconds"]),
    "budget as text": (model(generationSeconds="5m"), ["/models/0/generationSeconds", "string"]),
    "budget past the hour": (
        model(generationSeconds=3500),
        ["models[0].generationSeconds", "3770 s", "3600", "3500 + upload 60", "drain 180 + margin 30"],
    ),
    "a sum that adds up with a short cold start": (
        model(coldStartSeconds=1, generationSeconds=3500),
        ["3620 s (generation 3500 + upload 60 + the longer of cold start and drain 30 + margin 30)"],
    ),
    "budget a second past the hour": (
        model(coldStartSeconds=1170, generationSeconds=2341),
        ["models[0].generationSeconds", "3601 s"],
    ),
    "budget past the cluster's maximum": (
        model(generationSeconds=500) | {"knative": {"maxTimeoutSeconds": 600}, "steps": []},
        ["models[0].generationSeconds", "knative.maxTimeoutSeconds", "600 s"],
    ),
    "a maximum past the hour": (
        with_values(knative={"maxTimeoutSeconds": 7200}),
        ["/knative/maxTimeoutSeconds"],
    ),
    "warm for more than an hour": (model(keepWarmSeconds=3601), ["/models/0/keepWarmSeconds"]),
    "a window of five seconds": (model(stableWindowSeconds=5), ["/models/0/stableWindowSeconds"]),
    "no database secret": (
        with_values(database={"secretName": ""}),
        ["database.secretName", "name the Secret"],
    ),
    "a token that a scraper cannot send": (
        model() | {"predictorToken": {"secretName": "t"}, "metrics": {"scrape": "annotations"}},
        ["metrics.scrape", "predictorToken.secretName", "podMonitor"],
    ),
    "a variable of telemetry that is not OpenTelemetry's": (
        model() | {"telemetry": {"otel": {"REELZERO_PORT": "1"}}},
        ["/telemetry/otel", "REELZERO_PORT"],
    ),
    "no S3 secret": (model() | {"s3": {}}, ["s3.secretName", "workloadIdentity"]),
    "two models of one name": (with_values(models=TWICE), ["models[1].name", '"tiny"', "lanes"]),
    "two lanes of one name": (
        model(lanes=[{"name": "a"}, {"name": "a"}]),
        ["models[0].lanes[1].name", '"a"'],
    ),
    "two services of one name": (
        with_values(
            models=[
                {"name": "tiny", "storage": {"path": "/m"}, "lanes": [{"name": "a-b"}]},
                {"name": "tiny-a", "storage": {"path": "/m"}, "lanes": [{"name": "b"}]},
            ],
            catalog={
                "tiny-a": load_catalog()
                .get("tiny")
                .model_dump(mode="json", exclude_none=True, exclude={"name"})
            },
        ),
        ["models[1].lanes[0]", "reelzero-tiny-a-b", "models[0].lanes[0]"],
    ),
    "a lane named grpc": (model(lanes=[{"name": "grpc"}]), ["models[0].lanes[0].name", "gRPC"]),
    "more at least than at most": (model(minReplicas=2), ["models[0].lanes[0].minReplicas", "maxReplicas"]),
    "more to start with than at most": (
        model(initialScale=3, maxReplicas=2),
        ["models[0].lanes[0].initialScale", "3 is more than maxReplicas, 2"],
    ),
    "a heart that beats too slowly": (
        model(settings={"heartbeat_seconds": 12}),
        ["models[0].settings.heartbeat_seconds", "12 s", "at most 10", "heartbeat_timeout_seconds", "36"],
    ),
    "too little patience for the heart": (
        model() | {"eventing": {"settings": {"heartbeat_timeout_seconds": 24}}},
        ["heartbeat_seconds", "10 s", "at most 8", "eventing.settings.heartbeat_timeout_seconds", "24", "30"],
    ),
    "a drain by hand": (
        with_values(eventing={"settings": {"drain_seconds": 10}}),
        ["eventing.settings.drain_seconds", "longest budget", "leave it out"],
    ),
    "less CPU at most than is requested": (
        model(resources={"requests": {"cpu": "8500m"}}),
        ["models[0].lanes[0].resources.limits.cpu", "8 is less than the request, 8500m"],
    ),
    "less memory at most than is requested": (
        model(
            resources={"requests": {"memory": "4Gi"}},
            lanes=[{"name": "a"}, {"name": "b", "resources": {"limits": {"memory": "4000M"}}}],
        ),
        ["models[0].lanes[1].resources.limits.memory", "4000M is less than the request, 4Gi"],
    ),
    "no limit at all": (
        model() | {"modelDefaults": {"resources": {"limits": {"cpu": None}}}},
        ["models[0].lanes[0].resources.limits.cpu", "KServe"],
    ),
    "no replicas at all": (model(maxReplicas=0), ["/models/0/maxReplicas"]),
    "nothing to load": (with_values(models=[{"name": "tiny"}]), ["models[0].storage.uri", "tiny"]),
    "two sources of weights": (
        model(storage={"uri": "s3://models/tiny", "path": "/models"}),
        ["models[0].storage", "not both"],
    ),
    "weights by a strange protocol": (model(storage={"uri": "ftp://models"}), ["/models/0/storage/uri"]),
    "a name too long for DNS": (
        model() | {"fullnameOverride": "a" * 40, "steps": []},
        ["models[0].lanes[0]", "too long"],
    ),
    "a typing error": (model(maxReplica=1), ["/models/0", "maxReplica"]),
    "a password in the values": (
        with_values(database={"secretName": "db", "password": "x"}),
        ["/database", "password"],
    ),
    "our events back to us": (
        with_values(
            events={
                "triggers": [
                    {
                        "name": "loop",
                        "types": ["completed"],
                        "subscriber": {
                            "ref": {"apiVersion": "v1", "kind": "Service", "name": "reelzero-eventing"}
                        },
                    }
                ]
            }
        ),
        ["events.triggers[0].subscriber", "come back"],
    ),
    "our events back to us by address": (
        triggers({"uri": "http://reelzero-eventing.reelzero.svc.cluster.local/events"}),
        ["events.triggers[0].subscriber", "come back"],
    ),
    "a trigger of a name that is taken": (
        triggers({"uri": "http://shop"}, name="requests"),
        ["events.triggers[0].name", '"requests"', "another name"],
    ),
    "two triggers of one name": (
        triggers({"uri": "http://shop"}, {"uri": "http://studio"}),
        ["events.triggers[1].name", '"t"', "another name"],
    ),
    "a trigger on requests": (
        with_values(
            events={"triggers": [{"name": "x", "types": ["requested"], "subscriber": {"uri": "http://x"}}]}
        ),
        ["/events/triggers/0/types/0"],
    ),
    "no retries": (with_values(events={"delivery": {"retry": 0}}), ["/events/delivery/retry"]),
    "a pause that is no duration": (
        with_values(events={"delivery": {"backoffDelay": "2s"}}),
        ["/events/delivery/backoffDelay"],
    ),
    "an unknown setting": (with_values(eventing={"settings": {"rate": 1}}), ["/eventing/settings", "rate"]),
    "an unknown value": (with_values(model=[]), ["model"]),
}


def assert_refused(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises((helm_python.HelmRenderError, helm_python.HelmValuesError)) as caught:
        render(values)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_the_render_stops_and_names_the_value(name: str) -> None:
    assert_refused(*REFUSED[name])


@pytest.mark.parametrize(
    "subscriber",
    [
        {"ref": {"apiVersion": "v1", "kind": "Service", "name": "reelzero-eventing", "namespace": "other"}},
        {"uri": "http://reelzero-eventing.other.svc/events"},
        {"uri": "https://reelzero-eventing.example.org/events"},
    ],
)
def test_another_eventing_may_be_told(subscriber: dict[str, Any]) -> None:
    assert render(triggers(subscriber))


def test_settings_that_are_all_commented_out_are_none() -> None:
    assert render(with_values(eventing={"settings": None}))
