"""Check that eventing's own events have somewhere to go, and that its Brokers can keep them."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.doctor.checks.events.routes import names_output
from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects import ours
from eventing.doctor.objects.destinations import destination, selects
from eventing.doctor.objects.manifests import Manifest, Manifests, dig, environment, items, near, section
from eventing.doctor.objects.subscriptions import brokers, triggers

EXCLUDE = "bindings.knative.dev/exclude"
BROKER_CLASS = "eventing.knative.dev/broker.class"
KAFKA_KEYS = ("bootstrap.servers", "default.topic.partitions", "default.topic.replication.factor")

SINK_MISSING = Rule(
    "sink-missing", "error",
    "it has no sink, and {trigger} waits for its events",
    "completion events are sent nowhere",
    "bind its Deployment to the Broker with a SinkBinding, or set REELZERO_SINK_URL",
)  # fmt: skip
SINK_BINDING_ASTRAY = Rule(
    "sink-binding-astray", "error",
    "spec.subject matches no Deployment of eventing: {problem}",
    "eventing gets no K_SINK, and completion events are sent nowhere",
    "name the Deployment of eventing: apiVersion apps/v1, kind Deployment, in the same namespace",
)  # fmt: skip
SINK_BINDING_EXCLUDED = Rule(
    "sink-binding-excluded", "error",
    f"it has the label {EXCLUDE}: true",
    "Knative injects no sink into the pods of {namespace}, and completion events are sent nowhere",
    "remove the label, or set REELZERO_SINK_URL to the Broker's address",
)  # fmt: skip
SINK_ELSEWHERE = Rule(
    "sink-elsewhere", "error",
    "it sends events to Broker {sink}, and {trigger} listens to Broker {broker}",
    "the Trigger gets no completion event",
    "let both name the same Broker",
)  # fmt: skip
KAFKA_CONFIG_INCOMPLETE = Rule(
    "kafka-config-incomplete", "error",
    "its class is Kafka, and ConfigMap {name} lacks {keys}",
    "the Broker does not become ready and takes no event",
    "set {keys} in the ConfigMap (config/platform/kafka-broker.yaml)",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    candidates = _candidates(manifests)
    yield from _astray(manifests, candidates)
    for item in ours.eventing(manifests):
        yield from _sink(manifests, item, candidates)
        yield from _excluded(manifests, item, candidates)
    for broker in brokers(manifests):
        yield from _kafka(manifests, broker)


def _candidates(manifests: Manifests) -> list[Manifest]:
    """Return the SinkBindings with our label, and those into a Broker of ours."""
    own = brokers(manifests)
    return [
        item
        for item in manifests.kind("SinkBinding")
        if ours.labelled(item) or any(_sends_to(item, broker) for broker in own)
    ]


def _sends_to(binding: Manifest, broker: Manifest) -> bool:
    sink = destination(dig(binding.spec, "sink"), binding.namespace)
    kind = dig(binding.spec, "sink", "ref", "kind") == "Broker"
    return kind and sink.service == broker.name and near(sink.namespace, broker.namespace)


def _problem(binding: Manifest, deployment: Manifest) -> str | None:
    """Return why a SinkBinding does not match a Deployment, None if it does."""
    subject = section(binding.spec, "subject")
    kind = f"{subject.get('apiVersion')} {subject.get('kind')}"
    if kind != "apps/v1 Deployment":
        return f"it is a {kind}"
    if not near(str(subject.get("namespace") or binding.namespace), deployment.namespace):
        return f"its namespace is {subject.get('namespace') or binding.namespace}"
    if not near(binding.namespace, deployment.namespace):
        return f"the SinkBinding is in namespace {binding.namespace}"
    if subject.get("name"):
        return None if subject["name"] == deployment.name else f"its name is {subject['name']}"
    labels = section(deployment.body, "metadata", "labels")
    return None if selects(section(subject, "selector"), labels) else "its selector asks for other labels"


def _astray(manifests: Manifests, candidates: list[Manifest]) -> Iterator[Finding]:
    deployments = ours.eventing(manifests)
    for binding in candidates:
        problems = [_problem(binding, item) for item in deployments]
        if problems and None not in problems:
            yield SINK_BINDING_ASTRAY.at(binding, problem=problems[0])


def _sink(manifests: Manifests, item: Manifest, candidates: list[Manifest]) -> Iterator[Finding]:
    waiting = [trigger for trigger in triggers(manifests) if names_output(trigger)]
    containers = items(item.spec, "template", "spec", "containers")
    by_hand = any({"REELZERO_SINK_URL", "K_SINK"} & environment(one).keys() for one in containers)
    if not waiting or by_hand:
        return
    bound = [binding for binding in candidates if _problem(binding, item) is None]
    if not candidates:
        yield SINK_MISSING.at(item, trigger=waiting[0])
    for binding in bound:
        yield from _same_broker(binding, waiting)


def _same_broker(binding: Manifest, waiting: list[Manifest]) -> Iterator[Finding]:
    if dig(binding.spec, "sink", "ref", "kind") != "Broker":
        return
    sink = destination(dig(binding.spec, "sink"), binding.namespace).service
    heard = {str(trigger.spec.get("broker")): trigger for trigger in waiting}
    if sink not in heard:
        broker, trigger = next(iter(heard.items()))
        yield SINK_ELSEWHERE.at(binding, sink=sink, trigger=trigger, broker=broker)


def _excluded(manifests: Manifests, item: Manifest, candidates: list[Manifest]) -> Iterator[Finding]:
    spaces = [space for space in manifests.kind("Namespace") if space.name == item.namespace]
    for place in (*spaces, item) if candidates else ():
        if str(section(place.body, "metadata", "labels").get(EXCLUDE)).lower() == "true":
            yield SINK_BINDING_EXCLUDED.at(place, namespace=item.namespace)


def _kafka(manifests: Manifests, broker: Manifest) -> Iterator[Finding]:
    reference = section(broker.spec, "config")
    kind = section(broker.body, "metadata", "annotations").get(BROKER_CLASS)
    name, namespace = str(reference.get("name")), str(reference.get("namespace") or broker.namespace)
    data = manifests.config(name, namespace)
    if kind == "Kafka" and reference and data is not None:
        missing = [key for key in KAFKA_KEYS if not data.get(key)]
        if missing:
            yield KAFKA_CONFIG_INCOMPLETE.at(broker, name=f"{namespace}/{name}", keys=", ".join(missing))
