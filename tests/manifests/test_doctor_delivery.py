"""The doctor on the ways of events: whatever form a manifest gives them, it finds the same mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.manifests.test_doctor import mistake, rules

BROKER = {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": {"name": "video"}}


def test_a_broker_is_checked_for_triggers_that_are_not_at_hand() -> None:
    """Its Triggers inherit what it says; where they are at hand, they are judged one by one."""
    assert rules(BROKER) == []  # nothing says that it is ours
    ours: dict[str, Any] = {"name": "video", "labels": {"app.kubernetes.io/part-of": "reelzero"}}
    assert rules(BROKER | {"metadata": ours}) == ["broker-retries-by-default"]
    assert rules(BROKER | {"metadata": ours, "spec": {"delivery": {"retry": 3}}}) == []
    (trigger,) = mistake("retries-by-default")
    assert rules(BROKER, trigger) == ["retries-by-default"]
    trigger["spec"]["delivery"]["retry"] = 3
    assert rules(BROKER, trigger) == []
    trigger["spec"]["broker"] = "another"
    both = ["broker-retries-by-default", "trigger-other-broker"]
    assert rules(BROKER | {"metadata": ours}, trigger) == both


def test_a_trigger_inherits_from_the_broker_of_its_own_namespace() -> None:
    (trigger,) = mistake("dead-letter-missing")
    del trigger["spec"]["delivery"]
    kind = {"retry": 3, "deadLetterSink": {"uri": "http://letters.other.svc"}}
    theirs = BROKER | {"metadata": {"name": "video", "namespace": "other"}, "spec": {"delivery": kind}}
    assert rules(theirs, trigger) == ["retries-by-default", "dead-letter-missing"]
    ours = theirs | {"metadata": {"name": "video", "namespace": "video"}}
    assert rules(ours, trigger) == []


RESTRICTED = {
    "runAsNonRoot": True, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}  # fmt: skip
POD = {
    "automountServiceAccountToken": False,
    "containers": [
        {
            "image": "registry.example.org/reelzero/eventing:0.1.0",
            "securityContext": RESTRICTED,
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        }
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}
DEPLOYMENT = {
    "apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "eventing-v2", "namespace": "video", "labels": {"app": "eventing", "track": "b"}},
    "spec": {"template": {"metadata": {"labels": {"app": "eventing"}}, "spec": POD}},
}  # fmt: skip
SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "eventing", "namespace": "video"},
    "spec": {"selector": {"app": "eventing"}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ({"matchLabels": {"app": "eventing"}}, True),
        ({"matchLabels": {"app": "shop"}}, False),
        ({"matchExpressions": [{"key": "track", "operator": "In", "values": ["a", "b"]}]}, True),
        ({"matchExpressions": [{"key": "track", "operator": "NotIn", "values": ["a", "b"]}]}, False),
        ({"matchExpressions": [{"key": "track", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "track", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_a_sink_binding_by_labels_hides_no_loop(selector: dict[str, Any], found: bool) -> None:
    trigger, binding = mistake("trigger-matches-own-output")
    del binding["spec"]["subject"]["name"]
    binding["spec"]["subject"]["selector"] = selector
    assert rules(trigger, binding, DEPLOYMENT, SERVICE) == ["trigger-matches-own-output"] * found


@pytest.mark.parametrize(
    "host", ["eventing.video", "eventing.video.svc", "eventing.video.svc.cluster.local:80"]
)
@pytest.mark.parametrize("name", ["trigger-matches-own-output", "dead-letter-missing", "dead-letter-circles"])
def test_a_subscriber_by_address_hides_nothing(name: str, host: str) -> None:
    trigger, *others = mistake(name)
    trigger["spec"]["subscriber"] = {"uri": f"http://{host}/events"}
    assert rules(trigger, *others) == [name]


def test_a_predictor_by_address_is_one() -> None:
    *others, trigger = sorted(mistake("trigger-to-predictor"), key=lambda body: body["kind"])
    name = trigger["spec"]["subscriber"]["ref"]["name"]
    trigger["spec"]["subscriber"] = {"uri": f"http://{name}.video.svc.cluster.local/v1/jobs"}
    assert rules(*others, trigger) == ["trigger-to-predictor"]


def test_an_address_elsewhere_is_not_ours() -> None:
    trigger, binding = mistake("trigger-matches-own-output")
    for uri in ("https://eventing.example.org/events", "http://eventing.other.svc/letters"):
        trigger["spec"]["subscriber"] = {"uri": uri}
        trigger["spec"]["delivery"].pop("deadLetterSink", None)
        assert rules(trigger, binding) == []
