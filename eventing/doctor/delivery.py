"""Whether events arrive, arrive once, and end somewhere: Brokers, Triggers, SinkBindings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from eventing.doctor.findings import Finding
from eventing.doctor.manifests import Body, Manifest, Manifests, dig, items, section
from eventing.doctor.workloads import workloads
from eventing.events import PROGRESSED, REJECTED, STARTED, TERMINAL

EVENTING = "eventing.knative.dev"
SENT = (*TERMINAL.values(), STARTED, PROGRESSED, REJECTED)  # what eventing itself emits


def check(manifests: Manifests) -> Iterator[Finding]:
    """All of them."""
    for trigger in manifests.kind("Trigger", EVENTING):
        yield from _retries(manifests, trigger)
        yield from _own_output(manifests, trigger)
        yield from _dead_letter(manifests, trigger)
        yield from _predictor(manifests, trigger)


def _delivery(manifests: Manifests, trigger: Manifest) -> Body:
    """What holds for a Trigger: its own delivery, else its Broker's."""
    if "delivery" in trigger.spec:
        return section(trigger.spec, "delivery")
    named = dig(trigger.spec, "broker")
    brokers = [broker for broker in manifests.kind("Broker", EVENTING) if broker.name == named]
    return section(brokers[0].spec, "delivery") if brokers else {}


def _retries(manifests: Manifests, trigger: Manifest) -> Iterator[Finding]:
    if "retry" not in _delivery(manifests, trigger):
        yield Finding(
            "retries-by-default", "error", str(trigger),
            "neither it nor its Broker says how often to retry: Knative tries 10 times in its own rhythm",
            "set delivery.retry, backoffPolicy and backoffDelay",
        )  # fmt: skip


def _own_output(manifests: Manifests, trigger: Manifest) -> Iterator[Finding]:
    service = dig(trigger.spec, "subscriber", "ref", "name")
    sends_here = [
        binding for binding in manifests.kind("SinkBinding")
        if dig(binding.spec, "sink", "ref", "name") == trigger.spec.get("broker")
        and str(dig(binding.spec, "subject", "name")) in _behind(manifests, service)
    ]  # fmt: skip
    matched = [kind for kind in SENT if _passes(trigger.spec, kind)]
    if sends_here and matched:
        yield Finding(
            "trigger-matches-own-output", "error", str(trigger),
            f"{service} is sent its own {matched[0]} events and announces that it refuses them: a loop",
            "filter on exact type dev.reelzero.video.requested.v1",
        )  # fmt: skip


def _behind(manifests: Manifests, service: Any) -> set[str]:
    """Names of the Deployments a Service leads to; the same name counts where the Service is not at hand."""
    names = {str(service)}
    for item in manifests.kind("Service", ""):
        selector = section(item.spec, "selector")
        if item.name != service or not selector:
            continue
        for deployment in manifests.kind("Deployment"):
            labels = section(deployment.spec, "template", "metadata", "labels")
            if selector.items() <= labels.items():
                names.add(deployment.name)
    return names


def _passes(spec: Body, kind: str) -> bool:
    """Whether a Trigger lets a type through. Filters on other attributes are taken to pass."""
    if spec.get("filters"):
        return all(_matches(item, kind) for item in items(spec, "filters"))
    wanted = dig(spec, "filter", "attributes", "type")
    return wanted in (None, "", kind)


def _matches(expression: Body, kind: str) -> bool:
    return all(TESTS[name](given, kind) for name, given in expression.items() if name in TESTS)


TESTS: dict[str, Callable[[Any, str], bool]] = {  # Knative's filter dialects; an unknown one passes
    "exact": lambda given, kind: section(given).get("type", kind) == kind,
    "prefix": lambda given, kind: kind.startswith(str(section(given).get("type", ""))),
    "suffix": lambda given, kind: kind.endswith(str(section(given).get("type", ""))),
    "not": lambda given, kind: not _matches(section(given), kind),
    "all": lambda given, kind: all(_matches(item, kind) for item in items({"of": given}, "of")),
    "any": lambda given, kind: any(_matches(item, kind) for item in items({"of": given}, "of")),
    "cesql": lambda given, kind: "type" not in str(given) or kind in str(given),
}


def _dead_letter(manifests: Manifests, trigger: Manifest) -> Iterator[Finding]:
    sink = _delivery(manifests, trigger).get("deadLetterSink")
    subscriber = section(trigger.spec, "subscriber")
    to_eventing = dig(subscriber, "uri") == "/events"
    if sink is None and to_eventing:
        yield Finding(
            "dead-letter-missing", "error", str(trigger),
            "a request that cannot be delivered is lost without a trace",
            "set delivery.deadLetterSink to eventing's /events/dead-letter",
        )  # fmt: skip
    if sink is not None and _target(sink) == _target(subscriber):
        yield Finding(
            "dead-letter-circles", "error", str(trigger),
            "what could not be delivered is delivered to the same place again",
            "send dead letters to a path of their own: /events/dead-letter",
        )  # fmt: skip


def _target(destination: Any) -> tuple[Any, Any]:
    return dig(destination, "ref", "name"), dig(destination, "uri")


def _predictor(manifests: Manifests, trigger: Manifest) -> Iterator[Finding]:
    ref = section(trigger.spec, "subscriber", "ref")
    names = {name for workload in workloads(manifests) if workload.model
             for name in (workload.manifest.name, workload.address)}  # fmt: skip
    if str(ref.get("name")) in names:
        yield Finding(
            "trigger-to-predictor", "error", str(trigger),
            "the dispatcher of the Broker gives up before the video is done and sends the event again:"
            " one request, several generations",
            "send requests to eventing's /events, which answers when the job is stored",
        )  # fmt: skip
