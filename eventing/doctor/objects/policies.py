"""Compute what NetworkPolicies let through. What a manifest cannot tell counts as let through."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from eventing.doctor.objects.destinations import selects
from eventing.doctor.objects.manifests import Body, Manifest, Manifests, items, listed, near, number, section
from eventing.doctor.objects.ourpods import OurPod

Direction = Literal["Ingress", "Egress"]
NAME_LABEL = "kubernetes.io/metadata.name"
INSIDE = (
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.20.10",
    "fd00::1",
)  # pods, or a node's DNS


@dataclass(frozen=True)
class Gate:
    """All rules of one direction that hold for a pod. `home` is the namespace of the pod."""

    rules: tuple[Body, ...]
    peers: str
    home: str
    spaces: tuple[Manifest, ...]

    def opens(self, ports: Collection[int], namespace: str | None = None, protocol: str = "TCP") -> bool:
        """Tell whether traffic with a namespace (None: with any) passes on one of the ports."""
        return any(
            _has_port(rule, ports, protocol) and self._has_peer(rule, namespace) for rule in self.rules
        )

    def namespaces(self, ports: Collection[int]) -> set[str]:
        """Return the namespaces that the rules name for one of the ports; `*` for any."""
        rules = [rule for rule in self.rules if _has_port(rule, ports, "TCP")]
        if any(not rule.get(self.peers) for rule in rules):
            return {"*"}
        return {name for rule in rules for peer in items(rule, self.peers) for name in self._names(peer)}

    def _names(self, peer: Body) -> set[str]:
        if "ipBlock" in peer:
            return {"*"} if _is_inside(section(peer, "ipBlock")) else set()
        if "namespaceSelector" not in peer:
            return {self.home}
        name = section(peer, "namespaceSelector", "matchLabels").get(NAME_LABEL)
        return {str(name)} if name else {"*"}

    def _has_peer(self, rule: Body, namespace: str | None) -> bool:
        if not rule.get(self.peers) or namespace is None:
            return True
        return any(self._matches(peer, namespace) for peer in items(rule, self.peers))

    def _matches(self, peer: Body, namespace: str) -> bool:
        if "ipBlock" in peer:
            return _is_inside(section(peer, "ipBlock"))
        if "namespaceSelector" not in peer:
            return near(self.home, namespace)
        selector = section(peer, "namespaceSelector")
        labels = self._labels(namespace)
        known = {**labels, NAME_LABEL: namespace}
        wanted = section(selector, "matchLabels").keys()
        return selects(selector, known) or (not labels and bool(wanted - {NAME_LABEL}))

    def _labels(self, namespace: str) -> Body:
        found = [item for item in self.spaces if item.name == namespace]
        return section(found[0].body, "metadata", "labels") if found else {}


def gate(manifests: Manifests, pod: OurPod, direction: Direction) -> Gate | None:
    """Return what holds for a pod in one direction, None if no NetworkPolicy does."""
    own = [item for item in manifests.kind("NetworkPolicy") if _holds(item, pod, direction)]
    if not own:
        return None
    field, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    rules = tuple(rule for item in own for rule in items(item.spec, field))
    return Gate(rules, peers, pod.namespace, tuple(manifests.kind("Namespace")))


def selected(item: Manifest, pod: OurPod) -> bool:
    """Tell whether a NetworkPolicy is about a pod."""
    return near(item.namespace, pod.namespace) and selects(section(item.spec, "podSelector"), pod.labels)


def _holds(item: Manifest, pod: OurPod, direction: Direction) -> bool:
    types = item.spec.get("policyTypes")
    if not isinstance(types, list):
        types = ["Ingress", *(["Egress"] if "egress" in item.spec else [])]
    return direction in types and selected(item, pod)


def _has_port(rule: Body, ports: Collection[int], protocol: str) -> bool:
    listed = items(rule, "ports")
    return not listed or any(_is_among(port, ports, protocol) for port in listed)


def _is_among(port: Body, ports: Collection[int], protocol: str) -> bool:
    if port.get("protocol", "TCP") != protocol:
        return False
    first = number(port.get("port"))
    if first is None:
        return True  # any port, or one by its name
    last = number(port.get("endPort")) or first
    return any(first <= wanted <= last for wanted in ports)


def _is_inside(block: Body) -> bool:
    """Tell whether a block of addresses may hold pods of the cluster."""
    excepted = block.get("except")
    return any(
        _in(address, block.get("cidr")) and not any(_in(address, one) for one in listed(excepted))
        for address in INSIDE
    )


def _in(address: str, cidr: Any) -> bool:
    try:
        network = ip_network(str(cidr), strict=False)
    except ValueError:
        return True
    return network.version == ip_address(address).version and ip_address(address) in network
