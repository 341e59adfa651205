"""Check that NetworkPolicies let through what a job needs: Knative, DNS, gateway, Broker and storage."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from eventing.doctor.checks.events.routes import reaches
from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects import ours
from eventing.doctor.objects.manifests import Manifests, dig, items, near, number, section, service_at
from eventing.doctor.objects.ourpods import OurPod, our_pods, value_of
from eventing.doctor.objects.policies import Gate, gate, selected
from eventing.doctor.objects.subscriptions import bindings, triggers

SERVING, EVENTING = "knative-serving", "knative-eventing"
ACTIVATOR, METRICS = {"http1": 8012, "h2c": 8013}, 9090
DNS, DNS_SPACES = (53, 5353), ("kube-system", "openshift-dns")
WEB = (80, 443, 8080, 8081, 8443, 8444, 10000, 15443)  # ports of the gateways and of the Brokers' ingress
NO_GATEWAYS = {SERVING, EVENTING, *DNS_SPACES, "monitoring", "observability"}

NETWORK_DEFAULT_DENY = Rule(
    "network-default-deny", "error",
    "a NetworkPolicy denies its pods all {direction} traffic, and no other one allows any",
    "the pods never become ready, or no job reaches them",
    "install the policies of the chart (networkPolicy.enabled), or allow the same ways",
)  # fmt: skip
NETWORK_SERVING_SHUT = Rule(
    "network-serving-shut", "error",
    f"its NetworkPolicies let nothing in from namespace {SERVING}",
    "neither the activator nor the autoscaler reaches the pods: the revision never becomes ready",
    f"allow ingress from namespace {SERVING} on 8012, 8013, 8112 and 9090",
)  # fmt: skip
NETWORK_ACTIVATOR_SHUT = Rule(
    "network-activator-shut", "error",
    f"its NetworkPolicies do not open port {{port}} to namespace {SERVING}",
    "the activator does not reach queue-proxy: every job waits until it times out",
    f"allow ingress from namespace {SERVING} on port {{port}}",
)  # fmt: skip
NETWORK_METRICS_SHUT = Rule(
    "network-metrics-shut", "error",
    f"its NetworkPolicies do not open port 9090 to namespace {SERVING}",
    "the autoscaler cannot read the load: pods start and end at the wrong time",
    f"allow ingress from namespace {SERVING} on port 9090",
)  # fmt: skip
NETWORK_DNS_SHUT = Rule(
    "network-dns-shut", "error",
    "its NetworkPolicies allow no DNS by UDP",
    "its pods find no address, and fail one request after the other",
    "allow egress to port 53, UDP and TCP (5353 on OpenShift)",
)  # fmt: skip
NETWORK_GATEWAY_SHUT = Rule(
    "network-gateway-shut", "warning",
    "its NetworkPolicies allow no way to a gateway of Knative",
    "no job reaches a predictor that has no pod: the request goes through the gateway to the activator",
    "allow egress to the gateway's namespace, such as kourier-system or istio-system",
)  # fmt: skip
NETWORK_BROKER_SHUT = Rule(
    "network-broker-shut", "error",
    f"its NetworkPolicies let nothing {{way}} namespace {EVENTING}",
    "{effect}",
    f"allow {{direction}} with namespace {EVENTING}",
)  # fmt: skip
NETWORK_STORAGE_SHUT = Rule(
    "network-storage-shut", "error",
    "REELZERO_S3_ENDPOINT is {endpoint}, and its NetworkPolicies open port {port} to nothing",
    "no result is written or found: every job fails at its end",
    "allow egress to the S3 server on port {port}",
)  # fmt: skip
NETWORK_POLICY_IDLE = Rule(
    "network-policy-idle", "warning",
    "its podSelector matches no pod of {component}",
    "the pods are as open as they are without it",
    "select the labels of the pods",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file on our pods."""
    for pod in our_pods(manifests):
        into, out = gate(manifests, pod, "Ingress"), gate(manifests, pod, "Egress")
        for direction, one in (("ingress", into), ("egress", out)):
            if one is not None and not one.rules:
                yield NETWORK_DEFAULT_DENY.at(pod, direction=direction)
        if into is not None and into.rules:
            yield from _into(manifests, pod, into)
        if out is not None and out.rules:
            yield from _out(manifests, pod, out)
    yield from _idle(manifests)


def _into(manifests: Manifests, pod: OurPod, into: Gate) -> Iterator[Finding]:
    if not pod.is_predictor:
        port = number((items(pod.main, "ports") or [{}])[0].get("containerPort")) or 8080
        if _is_subscriber(manifests, pod) and not into.opens([port], EVENTING):
            effect = "no request and no dead letter arrives from the Broker"
            yield NETWORK_BROKER_SHUT.at(pod, way="in from", direction="ingress", effect=effect)
    elif pod.workload is not None and pod.workload.is_on_knative:
        names = [port.get("name") for port in items(pod.main, "ports")]
        port = ACTIVATOR["h2c" if "h2c" in names else "http1"]
        if not into.opens([*ACTIVATOR.values(), METRICS, 8112, 8080], SERVING):
            yield NETWORK_SERVING_SHUT.at(pod)
            return
        if not into.opens([port], SERVING):
            yield NETWORK_ACTIVATOR_SHUT.at(pod, port=port)
        if not into.opens([METRICS], SERVING):
            yield NETWORK_METRICS_SHUT.at(pod)


def _is_subscriber(manifests: Manifests, pod: OurPod) -> bool:
    return any(
        pod.manifest in reaches(manifests, item.spec.get("subscriber"), item.namespace)
        for item in triggers(manifests)
    )


def _out(manifests: Manifests, pod: OurPod, out: Gate) -> Iterator[Finding]:
    if not any(out.opens(DNS, space, "UDP") for space in DNS_SPACES):
        yield NETWORK_DNS_SHUT.at(pod)
    yield from _storage(manifests, pod, out)
    if pod.is_predictor:
        return
    endpoints = (*manifests.endpoints(pod.manifest), *manifests.step_endpoints(pod.manifest))
    by_gateway = any(endpoint.scaler == "knative" for endpoint in endpoints)
    if by_gateway and not out.namespaces(WEB) - NO_GATEWAYS - {pod.namespace}:
        yield NETWORK_GATEWAY_SHUT.at(pod)
    to_broker = any(dig(item.spec, "sink", "ref", "kind") == "Broker" for item in bindings(manifests))
    if to_broker and not out.opens(WEB, EVENTING):
        effect = "completion events do not reach the Broker"
        yield NETWORK_BROKER_SHUT.at(pod, way="out to", direction="egress", effect=effect)


def _storage(manifests: Manifests, pod: OurPod, out: Gate) -> Iterator[Finding]:
    endpoint = str(value_of(manifests, pod, "REELZERO_S3_ENDPOINT") or "")
    try:
        port = urlsplit(endpoint).port
    except ValueError:
        return
    if port and not out.opens([port, *_behind(manifests, pod, endpoint)], None):
        yield NETWORK_STORAGE_SHUT.at(pod, endpoint=endpoint, port=port)


def _behind(manifests: Manifests, pod: OurPod, url: str) -> list[int]:
    """Return the pods' ports of the Service in a URL. Policies see those, not the Service's."""
    name, namespace = service_at(url)
    services = [item for item in manifests.kind("Service", "") if item.name == name]
    near_by = [item for item in services if near(item.namespace, namespace or pod.namespace)]
    targets = [number(port.get("targetPort")) for item in near_by for port in items(item.spec, "ports")]
    return [target for target in targets if target]


def _idle(manifests: Manifests) -> Iterator[Finding]:
    for item in manifests.kind("NetworkPolicy"):
        component = section(item.body, "metadata", "labels").get(ours.COMPONENT)
        pods = [
            pod
            for pod in our_pods(manifests)
            if near(item.namespace, pod.namespace) and component == pod.component
        ]
        if ours.labelled(item) and pods and not any(selected(item, pod) for pod in pods):
            yield NETWORK_POLICY_IDLE.at(item, component=component)
