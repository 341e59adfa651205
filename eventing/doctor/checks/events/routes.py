"""Check that no request and no dead letter gets lost on its way through Triggers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from eventing.contract.records.events import INCOMING, REQUESTED
from eventing.doctor.checks.events.delivery import SENT, delivery_of, passes
from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.destinations import Destination, behind, destination
from eventing.doctor.objects.manifests import Manifest, Manifests, dig, near, section
from eventing.doctor.objects.ourpods import here
from eventing.doctor.objects.ours import eventing, labelled
from eventing.doctor.objects.subscriptions import (
    EVENTING,
    brokers,
    leads_to_predictor,
    listens,
    subscriber,
    triggers,
)

INGRESS = ("broker-ingress", "kafka-broker-ingress")

TRIGGER_OTHER_BROKER = Rule(
    "trigger-other-broker", "warning",
    "spec.broker is {name}, and the manifests have {known} but no such Broker in its namespace",
    "it gets no event: a Trigger listens to a Broker of its own namespace",
    "name the Broker that producers send to, in the Trigger's namespace",
)  # fmt: skip
TRIGGER_TO_NOWHERE = Rule(
    "trigger-to-nowhere", "error",
    "its subscriber is {name}, which is not the eventing service",
    "no request arrives: the Trigger is not ready, or another service takes the events",
    "name the Service of eventing, apiVersion v1, in its namespace",
)  # fmt: skip
TRIGGER_WRONG_PATH = Rule(
    "trigger-wrong-path", "error",
    "it sends events to {path} of the eventing service",
    "eventing answers 404, and each request is a dead letter or lost",
    "set subscriber.uri to /events",
)  # fmt: skip
TRIGGER_WRONG_TYPE = Rule(
    "trigger-wrong-type", "error",
    "its filters pass no request",
    "no request arrives: an event must pass all filters of the list",
    f"filter on exact type {REQUESTED}",
)  # fmt: skip
DEAD_LETTERS_TO_THEIR_BROKER = Rule(
    "dead-letters-to-their-broker", "error",
    "dead letters go back into Broker {name}",
    "an event that cannot be delivered circles through the same Trigger",
    "send dead letters to eventing's /events/dead-letter",
)  # fmt: skip
DEAD_LETTER_WRONG_PATH = Rule(
    "dead-letter-wrong-path", "error",
    "dead letters go to {path} of the eventing service",
    "eventing does not take them there, and they are lost",
    "set delivery.deadLetterSink.uri to /events/dead-letter",
)  # fmt: skip
DEAD_LETTER_TO_NOWHERE = Rule(
    "dead-letter-to-nowhere", "warning",
    "dead letters go to Service {name}, and the manifests have others of its namespace but not this one",
    "without it the Trigger is not ready, or dead letters are lost",
    "name a Service that is there, such as eventing's with /events/dead-letter",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    own = triggers(manifests)
    yield from _nowhere(manifests, own)
    for trigger in own:
        yield from _broker(manifests, trigger)
        yield from _path(manifests, trigger)
        yield from _dead_letters(manifests, trigger)
        if _circles(
            section(trigger.spec, "delivery").get("deadLetterSink"), trigger.spec.get("broker"), trigger
        ):
            yield DEAD_LETTERS_TO_THEIR_BROKER.at(trigger, name=trigger.spec.get("broker"))
    for broker in brokers(manifests):
        if _circles(section(broker.spec, "delivery").get("deadLetterSink"), broker.name, broker):
            yield DEAD_LETTERS_TO_THEIR_BROKER.at(broker, name=broker.name)


def reaches(manifests: Manifests, reference: Any, home: str) -> list[Manifest]:
    """Return the eventing Deployments that a subscriber or sink leads to."""
    to = destination(reference, home)
    if _is_other_kind(manifests, reference, to):
        return []
    own = eventing(manifests)
    return [item for item in behind(manifests, to) if item in own]


def names_request(trigger: Manifest) -> bool:
    """Tell whether the filter of a Trigger names the type of requests."""
    return any(kind in _filters(trigger) for kind in INCOMING)


def names_output(trigger: Manifest) -> bool:
    """Tell whether the filter of a Trigger names a type that eventing sends."""
    return any(kind in _filters(trigger) for kind in SENT)


def _filters(trigger: Manifest) -> str:
    return json.dumps([trigger.spec.get("filter"), trigger.spec.get("filters")], default=str)


def _is_other_kind(manifests: Manifests, reference: Any, to: Destination) -> bool:
    """Tell whether a reference names a Knative Service where there is only a Service of Kubernetes."""
    group = str(dig(reference, "ref", "apiVersion") or "").rpartition("/")[0]
    kind = dig(reference, "ref", "kind") or "Service"
    if not to.service or (group == "" and kind == "Service"):
        return False
    return not any(
        item.name == to.service and near(item.namespace, to.namespace)
        for item in manifests.kind(str(kind), group)
    )


def _nowhere(manifests: Manifests, own: list[Manifest]) -> Iterator[Finding]:
    """Check that one of the Triggers for requests leads to eventing. Others may lead elsewhere."""
    requests = [item for item in own if names_request(item)]
    if not eventing(manifests) or any(
        reaches(manifests, item.spec.get("subscriber"), item.namespace) for item in requests
    ):
        return
    for item in requests:
        to = subscriber(item)
        if not leads_to_predictor(manifests, to):
            yield TRIGGER_TO_NOWHERE.at(item, name=_text(to, item))


def _text(to: Destination, trigger: Manifest) -> str:
    if not to.service:
        return to.path or "empty"
    version = dig(trigger.spec, "subscriber", "ref", "apiVersion") or "v1"
    return f"{version} {to.namespace + '/' if to.namespace else ''}{to.service}"


def _broker(manifests: Manifests, trigger: Manifest) -> Iterator[Finding]:
    """Check the Broker of a Trigger against those that are surely ours. It may be in no manifest at all."""
    homes = {item.namespace for item in eventing(manifests)} - {""}
    brokers_here = manifests.kind("Broker", EVENTING)
    own = [item for item in brokers_here if labelled(item) or item.namespace in homes]
    name = trigger.spec.get("broker")
    known = [item for item in own if near(item.namespace, trigger.namespace) or item.name == name]
    if name and known and not any(listens(trigger, item) for item in brokers_here):
        yield TRIGGER_OTHER_BROKER.at(trigger, name=name, known=", ".join(map(str, known)))


def _path(manifests: Manifests, trigger: Manifest) -> Iterator[Finding]:
    to = subscriber(trigger)
    if not reaches(manifests, trigger.spec.get("subscriber"), trigger.namespace):
        return
    if not to.path.endswith(("/events", "/events/dead-letter")):
        yield TRIGGER_WRONG_PATH.at(trigger, path=to.path)
    elif to.path.endswith("/events") and not any(passes(trigger.spec, kind) for kind in INCOMING):
        yield TRIGGER_WRONG_TYPE.at(trigger)


def _dead_letters(manifests: Manifests, trigger: Manifest) -> Iterator[Finding]:
    sink = delivery_of(manifests, trigger).get("deadLetterSink")
    to = destination(sink, trigger.namespace)
    if not to.service or dig(sink, "ref", "kind") not in (None, "Service"):
        return
    services = [item for item in here(manifests, "Service", to.namespace) if not item.group]
    if reaches(manifests, sink, trigger.namespace):
        if not to.path.endswith("/events/dead-letter") and not to.same(subscriber(trigger)):
            yield DEAD_LETTER_WRONG_PATH.at(trigger, path=to.path)
    elif services and not any(item.name == to.service for item in services) and dig(sink, "ref"):
        yield DEAD_LETTER_TO_NOWHERE.at(trigger, name=to.service)


def _circles(sink: Any, broker: Any, item: Manifest) -> bool:
    """Tell whether a dead-letter sink is a Broker of an object's namespace, by reference or by address."""
    to = destination(sink, item.namespace)
    if dig(sink, "ref", "kind") == "Broker":
        return to.service == broker and near(to.namespace, item.namespace)
    return to.service in INGRESS and to.path in (f"/{item.namespace}/{broker}", f"/{broker}")
