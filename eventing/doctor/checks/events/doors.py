"""Check that requests get through the door of eventing: its Service, and whom it trusts."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.doctor.checks.events.routes import names_request, reaches
from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects import ours
from eventing.doctor.objects.manifests import Manifest, Manifests, dig, environment, items, near, section
from eventing.doctor.objects.ourpods import OurPod, our_pods, value_of, variables
from eventing.doctor.objects.subscriptions import subscriber, triggers

SOURCES, ISSUER = "REELZERO_TRUSTED_SOURCES", "REELZERO_OIDC_ISSUER"
OWNERS, AUDIENCE = "REELZERO_OIDC_OWNERS", "REELZERO_OIDC_AUDIENCE"

REQUESTS_UNTRUSTED = Rule(
    "requests-untrusted", "warning",
    "{trigger} brings requests, and {missing}",
    "eventing refuses every request that comes as an event: a Broker shows no API key",
    f"set {SOURCES} to source=owner, or {ISSUER} with {OWNERS}",
)  # fmt: skip
AUDIENCE_DIFFERS = Rule(
    "audience-differs", "error",
    "subscriber.audience is {audience}, and eventing takes tokens for {wanted}",
    "eventing answers 401, and each request is a dead letter",
    f"set subscriber.audience to the value of {AUDIENCE}",
)  # fmt: skip
SERVICE_WITHOUT_PODS = Rule(
    "service-without-pods", "error",
    "spec.selector asks for {labels}, which the pods of eventing do not have",
    "the Service leads nowhere: requests, events and dead letters fail",
    "give it the labels of the Deployment's pods",
)  # fmt: skip
SERVICE_WRONG_PORT = Rule(
    "service-wrong-port", "error",
    "targetPort is {port}, which the container of eventing does not have",
    "the Service leads nowhere: requests, events and dead letters fail",
    "set targetPort to one of {known}",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    pods = [pod for pod in our_pods(manifests) if not pod.is_predictor]
    for pod in pods:
        yield from _trust(manifests, pod)
    yield from _services(manifests, pods)


def _trust(manifests: Manifests, pod: OurPod) -> Iterator[Finding]:
    bringing = [
        item
        for item in triggers(manifests)
        if names_request(item)
        and subscriber(item).path.endswith("/events")
        and pod.manifest in reaches(manifests, item.spec.get("subscriber"), item.namespace)
    ]
    if not bringing or environment(pod.main).get("REELZERO_AUTH") == "open":
        return
    by_token = _is_set(pod, ISSUER)
    if not _is_set(pod, SOURCES) and not (by_token and _is_set(pod, OWNERS)):
        missing = f"{OWNERS} is empty" if by_token else "no source is trusted, and no issuer of tokens"
        yield REQUESTS_UNTRUSTED.at(pod, trigger=bringing[0], missing=missing)
    wanted = value_of(manifests, pod, AUDIENCE)
    for item in bringing if by_token and wanted else ():
        audience = dig(item.spec, "subscriber", "audience")
        if audience != wanted and (audience or not _is_set(pod, SOURCES)):
            yield AUDIENCE_DIFFERS.at(item, audience=audience or "not set", wanted=wanted)


def _is_set(pod: OurPod, name: str) -> bool:
    """Tell whether a variable has a value or comes from elsewhere."""
    variable = variables(pod.main).get(name, {})
    return bool(variable.get("value") or variable.get("valueFrom"))


def _services(manifests: Manifests, pods: list[OurPod]) -> Iterator[Finding]:
    for item in manifests.kind("Service", ""):
        own = [pod for pod in pods if near(item.namespace, pod.namespace)]
        selector = section(item.spec, "selector")
        matched = [pod for pod in own if selector.items() <= pod.labels.items()]
        if own and not matched and _is_of_eventing(item):
            labels = ", ".join(f"{name}: {value}" for name, value in selector.items())
            yield SERVICE_WITHOUT_PODS.at(item, labels=labels or "nothing")
        for pod in matched if selector else ():
            yield from _ports(item, pod)


def _is_of_eventing(item: Manifest) -> bool:
    labels = section(item.body, "metadata", "labels")
    return ours.labelled(item) and labels.get(ours.COMPONENT) == "eventing"


def _ports(item: Manifest, pod: OurPod) -> Iterator[Finding]:
    ports = items(pod.main, "ports")
    known = [value for port in ports for value in (port.get("name"), port.get("containerPort")) if value]
    for port in items(item.spec, "ports"):
        target = port.get("targetPort", port.get("port"))
        if known and target not in known:
            yield SERVICE_WRONG_PORT.at(item, port=target, known=", ".join(map(str, known)))
