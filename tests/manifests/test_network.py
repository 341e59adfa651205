"""Where pods may go: policies add up, so one rule without a destination undoes what the others except."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import pytest

from config.render import render
from eventing.contract.http.reserved import RESERVED_IPV4, RESERVED_IPV6, UNICAST_IPV6
from tests.manifests.test_policy import RENDERED, Body, of
from tests.manifests.value_sets import model

DNS = {53, 5353}  # a resolver may be anywhere, also at a link-local address of its node
INSIDE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"]
INSIDE += ["fc00::/7", "fe80::/10"]
Network = IPv4Network | IPv6Network


def reached(block: Body) -> Iterator[str]:
    """What an ipBlock reaches of the inside without naming it."""
    cidr = ip_network(block["cidr"])
    excepted = [ip_network(text) for text in block.get("except", [])]
    for text in INSIDE:
        inside = ip_network(text)
        if within(inside, cidr) and inside != cidr and not any(within(inside, net) for net in excepted):
            yield text


def within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def unnamed(policy: Body) -> Iterator[str]:
    """Every way a policy opens to private addresses that it does not name."""
    for rule in policy["spec"].get("egress", []):
        ports = [port["port"] for port in rule.get("ports", [])]
        if not rule.get("to") and not set(ports) <= DNS:
            yield f"every address on {ports}"
        for peer in rule.get("to", []):
            yield from (
                f"{text} on {ports}" for text in reached(peer.get("ipBlock", {"cidr": "192.0.2.0/24"}))
            )


@pytest.mark.parametrize("bodies", RENDERED.values(), ids=RENDERED.keys())
def test_no_rule_reaches_private_addresses_that_it_does_not_name(bodies: list[dict[str, Any]]) -> None:
    assert {body["metadata"]["name"]: list(unnamed(body)) for body in of(bodies, "NetworkPolicy")} == {
        body["metadata"]["name"]: [] for body in of(bodies, "NetworkPolicy")
    }


def test_an_open_rule_is_seen() -> None:
    values = model() | {"networkPolicy": {"egress": {"s3": [{"cidrs": ["0.0.0.0/0"], "ports": [443]}]}}}
    assert any(list(unnamed(body)) for body in of(render(values), "NetworkPolicy"))


def test_everything_switched_on_keeps_webhooks_outside() -> None:
    """The rules of all features of one pod together."""
    values = model() | {
        "webhooks": {"secretName": "hooks"},
        "events": {"sinkUri": "https://sink.example.org", "oidc": {"issuer": "https://issuer.example.org"}},
        "telemetry": {"otlpEndpoint": "http://collector.observability:4318"},
    }
    policies = of(render(values), "NetworkPolicy")
    assert [list(unnamed(body)) for body in policies] == [[]] * len(policies)
    public = [peer["ipBlock"]["cidr"] for body in policies for rule in body["spec"].get("egress", [])
               for peer in rule.get("to", []) if "ipBlock" in peer
               and {port["port"] for port in rule["ports"]} & {80, 443}]  # fmt: skip
    assert set(public) == {"0.0.0.0/0", UNICAST_IPV6}


def eventing_rules(egress: Body) -> list[Body]:
    """The egress rules of eventing, with S3 inside the cluster and no webhooks, over these values."""
    inside = {"s3": [{"namespaces": ["minio"], "ports": [9000]}]}
    values = model() | {"webhooks": {"secretName": ""}, "networkPolicy": {"egress": inside | egress}}
    policies = {body["metadata"]["name"]: body for body in of(render(values), "NetworkPolicy")}
    rules: list[Body] = policies["reelzero-eventing"]["spec"]["egress"]
    return [rule for rule in rules if {"port": 443, "protocol": "TCP"} in rule.get("ports", [])]


def test_pictures_are_fetched_from_public_addresses_where_neither_s3_nor_webhooks_open_them() -> None:
    (rule,) = eventing_rules({})
    assert rule["ports"] == [{"port": 443, "protocol": "TCP"}]
    assert [peer["ipBlock"] for peer in rule["to"]] == [
        {"cidr": "0.0.0.0/0", "except": list(RESERVED_IPV4)},
        {"cidr": UNICAST_IPV6, "except": list(RESERVED_IPV6)},
    ]


def test_an_empty_list_keeps_pictures_inside() -> None:
    assert eventing_rules({"pictures": []}) == []
    (rule,) = eventing_rules({"pictures": [{"cidrs": ["192.0.2.0/24"], "ports": [443]}]})
    assert rule["to"] == [{"ipBlock": {"cidr": "192.0.2.0/24"}}]


def test_a_database_in_any_namespace_is_reached_by_its_labels() -> None:
    """Some networks match no pod by its address."""
    (policy,) = [
        body for body in of(render(model()), "NetworkPolicy") if body["metadata"]["name"].endswith("eventing")
    ]
    rules = [
        rule
        for rule in policy["spec"]["egress"]
        if {"port": 5432, "protocol": "TCP"} in rule.get("ports", [])
    ]
    assert {"namespaceSelector": {}} in rules[0]["to"]


@pytest.mark.parametrize("bodies", RENDERED.values(), ids=RENDERED.keys())
def test_rules_to_the_internet_except_what_the_code_calls_reserved(bodies: list[dict[str, Any]]) -> None:
    blocks = [
        peer["ipBlock"] for body in of(bodies, "NetworkPolicy") for rule in body["spec"].get("egress", [])
        for peer in rule.get("to", []) if "except" in peer.get("ipBlock", {})
    ]  # fmt: skip
    reserved = {"0.0.0.0/0": list(RESERVED_IPV4), UNICAST_IPV6: list(RESERVED_IPV6)}
    for block in blocks:
        assert block["except"] == reserved.get(block["cidr"], block["except"])


@pytest.mark.parametrize("bodies", RENDERED.values(), ids=RENDERED.keys())
def test_each_exception_is_a_part_of_its_network(bodies: list[dict[str, Any]]) -> None:
    """The API server refuses any other, an IPv4 network under an IPv6 one too."""
    for body in of(bodies, "NetworkPolicy"):
        for rule in body["spec"].get("egress", []):
            for block in (peer["ipBlock"] for peer in rule.get("to", []) if "ipBlock" in peer):
                excepted = [ip_network(text) for text in block.get("except", [])]
                assert all(within(network, ip_network(block["cidr"])) for network in excepted)


def test_an_exception_is_under_the_networks_that_it_is_a_part_of() -> None:
    cidrs = ["10.0.0.0/8", "10.1.0.0/16", "192.168.128.0/17", "fd00::/8"]
    excepted = ["10.1.2.0/24", "10.200.0.0/16", "192.168.255.255/32", "fd00:1::/32"]
    (rule,) = eventing_rules({"pictures": [{"cidrs": cidrs, "except": excepted, "ports": [443]}]})
    assert [peer["ipBlock"] for peer in rule["to"]] == [
        {"cidr": "10.0.0.0/8", "except": ["10.1.2.0/24", "10.200.0.0/16"]},
        {"cidr": "10.1.0.0/16", "except": ["10.1.2.0/24"]},
        {"cidr": "192.168.128.0/17", "except": ["192.168.255.255/32"]},
        {"cidr": "fd00::/8", "except": ["fd00:1::/32"]},
    ]
