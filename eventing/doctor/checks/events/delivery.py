"""Check Brokers, Triggers and SinkBindings: every event arrives, arrives once, and has a dead-letter sink."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from eventing.contract.records.events import (
    GROUP_COMPLETED,
    PROGRESSED,
    REJECTED,
    STARTED,
    STORY_STARTED,
    STORY_STEP_COMPLETED,
    STORY_TERMINAL,
    TERMINAL,
)
from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.destinations import binds, destination
from eventing.doctor.objects.manifests import Body, Manifest, Manifests, dig, items, near, section
from eventing.doctor.objects.subscriptions import (
    EVENTING,
    brokers,
    leads_to_predictor,
    listens,
    subscriber,
    triggers,
)

SENT = (  # what eventing itself emits
    *TERMINAL.values(), STARTED, PROGRESSED, REJECTED, GROUP_COMPLETED,
    *STORY_TERMINAL.values(), STORY_STARTED, STORY_STEP_COMPLETED,
)  # fmt: skip
BROKER_RETRIES_BY_DEFAULT = Rule(
    "broker-retries-by-default", "warning",
    "it leaves the retries of its Triggers to Knative",
    "for a Trigger without delivery settings Knative tries 10 times at its own intervals{lost}",
    "set delivery.retry, backoffPolicy and backoffDelay, and a deadLetterSink",
)  # fmt: skip
RETRIES_BY_DEFAULT = Rule(
    "retries-by-default", "error",
    "it leaves the retries to Knative",
    "neither it nor its Broker sets the retries: Knative tries 10 times at its own intervals",
    "set delivery.retry, backoffPolicy and backoffDelay",
)  # fmt: skip
TRIGGER_MATCHES_OWN_OUTPUT = Rule(
    "trigger-matches-own-output", "error",
    "its filter passes the events that its subscriber sends",
    "{service} receives its own {kind} events and emits an event per rejection: a loop",
    "filter on exact type dev.reelzero.video.requested.v1",
)  # fmt: skip
DEAD_LETTER_MISSING = Rule(
    "dead-letter-missing", "error",
    "it has no dead-letter sink",
    "a request that cannot be delivered is lost without a trace",
    "set delivery.deadLetterSink to eventing's /events/dead-letter",
)  # fmt: skip
DEAD_LETTER_CIRCLES = Rule(
    "dead-letter-circles", "error",
    "its dead-letter sink is its subscriber",
    "an event that could not be delivered is delivered to the same address again",
    "send dead letters to a path of their own: /events/dead-letter",
)  # fmt: skip
TRIGGER_TO_PREDICTOR = Rule(
    "trigger-to-predictor", "error",
    "it sends requests to a predictor",
    "the dispatcher of the Broker gives up before the video is done and sends the event again: one request,"
    " several generations",
    "send requests to eventing's /events, which answers when the job is stored",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    for broker in brokers(manifests):
        yield from _inherited(manifests, broker)
    for trigger in triggers(manifests):
        yield from _retries(manifests, trigger)
        yield from _own_output(manifests, trigger)
        yield from _dead_letter(manifests, trigger)
        if leads_to_predictor(manifests, subscriber(trigger)):
            yield TRIGGER_TO_PREDICTOR.at(trigger)


def delivery_of(manifests: Manifests, trigger: Manifest) -> Body:
    """Return the delivery settings of a Trigger: its own, else its Broker's."""
    if "delivery" in trigger.spec:
        return section(trigger.spec, "delivery")
    heard = [broker for broker in manifests.kind("Broker", EVENTING) if listens(trigger, broker)]
    return section(heard[0].spec, "delivery") if heard else {}


def _inherited(manifests: Manifests, broker: Manifest) -> Iterator[Finding]:
    """Check what Triggers inherit. Triggers among the manifests are checked themselves."""
    if any(listens(trigger, broker) for trigger in manifests.kind("Trigger", EVENTING)):
        return
    delivery = section(broker.spec, "delivery")
    if "retry" not in delivery:
        lost = "" if "deadLetterSink" in delivery else ", and then drops the event silently"
        yield BROKER_RETRIES_BY_DEFAULT.at(broker, lost=lost)


def _retries(manifests: Manifests, trigger: Manifest) -> Iterator[Finding]:
    if "retry" not in delivery_of(manifests, trigger):
        yield RETRIES_BY_DEFAULT.at(trigger)


def _own_output(manifests: Manifests, trigger: Manifest) -> Iterator[Finding]:
    to = subscriber(trigger)
    sends_here = [
        binding for binding in manifests.kind("SinkBinding")
        if _feeds(binding, trigger) and binds(manifests, binding, to)
    ]  # fmt: skip
    matched = [kind for kind in SENT if passes(trigger.spec, kind)]
    if to.service and sends_here and matched:
        yield TRIGGER_MATCHES_OWN_OUTPUT.at(trigger, service=to.service, kind=matched[0])


def _feeds(binding: Manifest, trigger: Manifest) -> bool:
    """Tell whether a SinkBinding sends events to the Broker of a Trigger."""
    sink = destination(dig(binding.spec, "sink"), binding.namespace)
    return sink.service == trigger.spec.get("broker") and near(sink.namespace, trigger.namespace)


def passes(spec: Body, kind: str) -> bool:
    """Tell whether a Trigger passes an event type. Filters on other attributes count as passed."""
    if spec.get("filters"):
        return all(_matches(item, kind) for item in items(spec, "filters"))
    only = dig(spec, "filter", "attributes", "type")
    return only in (None, "", kind)


def _matches(expression: Body, kind: str) -> bool:
    return all(TESTS[name](value, kind) for name, value in expression.items() if name in TESTS)


TESTS: dict[str, Callable[[Any, str], bool]] = {  # Knative's filter dialects; an unknown dialect passes
    "exact": lambda value, kind: section(value).get("type", kind) == kind,
    "prefix": lambda value, kind: kind.startswith(str(section(value).get("type", ""))),
    "suffix": lambda value, kind: kind.endswith(str(section(value).get("type", ""))),
    "not": lambda value, kind: not _matches(section(value), kind),
    "all": lambda value, kind: all(_matches(item, kind) for item in items({"of": value}, "of")),
    "any": lambda value, kind: any(_matches(item, kind) for item in items({"of": value}, "of")),
    "cesql": lambda value, kind: "type" not in str(value) or kind in str(value),
}


def _dead_letter(manifests: Manifests, trigger: Manifest) -> Iterator[Finding]:
    sink, to = delivery_of(manifests, trigger).get("deadLetterSink"), subscriber(trigger)
    if sink is None and to.service and to.path == "/events":
        yield DEAD_LETTER_MISSING.at(trigger)
    if sink is not None and to.same(destination(sink, trigger.namespace)):
        yield DEAD_LETTER_CIRCLES.at(trigger)
