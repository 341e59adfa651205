"""Check that the gateway outlasts every stream (docs/decisions/0011-through-the-gateway.md).

Gateways belong to the cluster. A finding needs a workload of ours that is cut and the gateway that Knative
uses: that of `ingress-class` in config-network, or any by its usual name where the manifests have no class.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from eventing.contract.budget import MARGIN_SECONDS
from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import (
    SERVING,
    Body,
    Manifest,
    Manifests,
    dig,
    environment,
    items,
    number,
    seconds,
    section,
)
from eventing.doctor.objects.workloads import workloads

POD_GRACE = 30  # Kubernetes' default
KOURIER, KOURIER_DRAIN = "3scale-kourier-gateway", 15
ISTIO, ISTIO_DRAIN = ("istio-ingressgateway", "cluster-local-gateway", "knative-local-gateway"), 5
ISTIO_CONFIG = "proxy.istio.io/config"
ENVOY, ENVOY_DRAIN = "reelzero-long-streams", 60  # the name in config/platform
INGRESS_KEYS = ("ingress-class", "ingress.class")  # the newer spelling first
GATEWAY_API = "gateway-api"  # net-gateway-api, which may use Istio or Envoy Gateway
ENVOY_REQUEST = 15
REQUEST_TIMEOUT = "HTTPRouteRequestTimeout"
README = "config/platform/README.md (The gateway)"

GATEWAY_DRAIN_SHORT = Rule(
    "gateway-drain-short", "error",
    "a pod of the gateway that is ended keeps its streams for {drain:g} s, and ours may take {longest} s",
    "every rollout, scale-down or node drain of the gateway cuts running jobs; their videos are made twice",
    f"give it a drain of {{longest}} s and a longer grace: {README}",
)  # fmt: skip
GATEWAY_IDLE_SHORT = Rule(
    "gateway-idle-short", "error",
    "the gateway ends streams after {idle:g} s of silence",
    "a cold start is silent for up to {silence} s: its request gets a 504, and the pod that boots for it is"
    " in vain",
    "switch the idle time-out off (0s), or set more than {silence} s",
)  # fmt: skip
GATEWAY_REQUEST_SHORT = Rule(
    "gateway-request-short", "error",
    "the gateway ends requests after {limit:g} s, and ours may take {longest} s",
    "jobs are cut in the middle, and their videos are made twice",
    f"switch the gateway's request time-out off; Knative's own holds: {README}",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file."""
    longest = max((workload.timeout or 0 for workload in workloads(manifests)), default=0)
    if not longest:
        return
    ingress = _ingress(manifests)
    yield from _drains(manifests, longest, ingress)
    if ingress in ("", "kourier"):
        yield from _kourier(manifests)
    if ingress in ("", GATEWAY_API):
        yield from _gateway_api(manifests, longest)
    yield from _virtual_services(manifests)


def _ingress(manifests: Manifests) -> str:
    """Return the first part of Knative's ingress class, such as kourier; empty if no manifest has it."""
    settings = [section(item.body, "data") for item in _configs(manifests, "config-network")]
    classes = (str(data[key]) for data in settings for key in INGRESS_KEYS if data.get(key))
    return next(classes, "").partition(".")[0]


def _drains(manifests: Manifests, longest: int, ingress: str) -> Iterator[Finding]:
    names = {"": (KOURIER, *ISTIO), "kourier": (KOURIER,), "istio": ISTIO, GATEWAY_API: ISTIO}.get(
        ingress, ()
    )
    for item in manifests.kind("Deployment", "apps"):
        drain = _drain(item) if item.name in names else None
        if drain is not None and drain < longest:
            yield GATEWAY_DRAIN_SHORT.at(item, drain=drain, longest=longest)
    for item in manifests.kind("EnvoyProxy"):
        if ingress != GATEWAY_API and (ingress or item.name != ENVOY):
            continue
        text = dig(item.spec, "shutdown", "drainTimeout")
        drain = ENVOY_DRAIN if text is None else seconds(text)
        if drain is not None and drain < longest:
            yield GATEWAY_DRAIN_SHORT.at(item, drain=drain, longest=longest)


def _drain(deployment: Manifest) -> float:
    """Return the seconds for which a gateway's pod keeps streams once it is ended."""
    template = section(deployment.spec, "template")
    pod = section(template, "spec")
    grace = number(pod.get("terminationGracePeriodSeconds"))
    grace = POD_GRACE if grace is None else grace
    variables: dict[str, str] = {}
    for container in items(pod, "containers"):
        variables |= environment(container)
    if deployment.name == KOURIER:
        drain = number(variables.get("DRAIN_TIME_SECONDS"))
        return min(grace, KOURIER_DRAIN if drain is None else drain)
    to_the_end = variables.get("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "").lower() == "true"
    return grace if to_the_end else min(grace, _istio_drain(template))


def _istio_drain(template: Body) -> float:
    text = dig(template, "metadata", "annotations", ISTIO_CONFIG)
    drain = seconds(dig(_yaml(text), "terminationDrainDuration"))
    return ISTIO_DRAIN if drain is None else drain


def _silence(manifests: Manifests) -> int:
    """Return how long a request of ours may be silent: the longest cold start, or time-out if unknown."""
    silences = [0]
    for workload in workloads(manifests):
        budget = manifests.budget(workload.model, workload.manifest.namespace)
        silences.append(budget.cold_start_seconds + MARGIN_SECONDS if budget else workload.timeout or 0)
    return max(silences)


def _idle(manifests: Manifests, item: Manifest, text: Any) -> Iterator[Finding]:
    idle, silence = seconds(text), _silence(manifests)
    if idle and idle < silence:
        yield GATEWAY_IDLE_SHORT.at(item, idle=idle, silence=silence)


def _request(item: Manifest, text: Any, longest: int) -> Iterator[Finding]:
    limit = seconds(text)
    if limit and limit < longest:
        yield GATEWAY_REQUEST_SHORT.at(item, limit=limit, longest=longest)


def _kourier(manifests: Manifests) -> Iterator[Finding]:
    for item in _configs(manifests, "config-kourier"):
        yield from _idle(manifests, item, section(item.body, "data").get("stream-idle-timeout"))


def _gateway_api(manifests: Manifests, longest: int) -> Iterator[Finding]:
    """Check net-gateway-api's own ConfigMap, and the policies of Envoy Gateway on the gateways it names."""
    for item in _configs(manifests, "config-gateway"):
        gateways = _gateways(item)
        if any(REQUEST_TIMEOUT not in _list(gateway.get("supported-features")) for gateway in gateways):
            yield GATEWAY_REQUEST_SHORT.at(item, limit=ENVOY_REQUEST, longest=longest)
        names = {str(gateway.get("gateway")).rpartition("/")[2] for gateway in gateways}
        for policy in manifests.kind("BackendTrafficPolicy"):
            if names & set(_targets(policy)):
                http = section(policy.spec, "timeout", "http")
                yield from _request(policy, http.get("requestTimeout"), longest)
                yield from _request(policy, http.get("maxStreamDuration"), longest)
                yield from _idle(manifests, policy, http.get("streamIdleTimeout"))


def _virtual_services(manifests: Manifests) -> Iterator[Finding]:
    """Check Istio's routes to a predictor: Knative makes some without a time-out, other people add others."""
    timeouts = {workload.address: workload.timeout or 0 for workload in workloads(manifests)}
    for item in manifests.kind("VirtualService"):
        ours = [
            timeouts[name] for host in _list(item.spec.get("hosts")) if (name := _first(host)) in timeouts
        ]
        for route in items(item.spec, "http") if ours else ():
            yield from _request(item, route.get("timeout"), max(ours))


def _configs(manifests: Manifests, name: str) -> list[Manifest]:
    """Return the ConfigMaps of Knative Serving with a name."""
    maps = manifests.kind("ConfigMap", "")
    return [item for item in maps if item.name == name and item.namespace in ("", SERVING)]


def _gateways(config: Manifest) -> list[Body]:
    """Return the gateways for traffic inside the cluster, which config-gateway holds as YAML text."""
    parsed = _yaml(section(config.body, "data").get("local-gateways"))
    return [gateway for gateway in _list(parsed) if isinstance(gateway, dict)]


def _targets(policy: Manifest) -> list[str]:
    single = section(policy.spec, "targetRef")
    return [str(target.get("name")) for target in [*items(policy.spec, "targetRefs"), single]]


def _first(host: Any) -> str:
    return str(host).partition(".")[0]


def _yaml(text: Any) -> Any:
    try:
        return yaml.safe_load(text) if isinstance(text, str) else None
    except yaml.YAMLError:
        return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
