"""The doctor holds gateways against the longest stream: as installed, as config/platform has them, others."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from eventing.doctor.objects.manifests import parse
from eventing.doctor.registry import examine
from tests.manifests import stock
from tests.manifests.test_platform import PLATFORM

Body = dict[str, Any]
OURS = next(yaml.safe_load_all((Path(__file__).parent / "mistakes" / "gateway-drain-short.yaml").read_text()))
DRAIN, IDLE, REQUEST = "gateway-drain-short", "gateway-idle-short", "gateway-request-short"


def rules(*bodies: Body) -> list[str]:
    return [finding.rule for finding in examine(parse([("x", yaml.safe_dump_all(bodies))]))]


def istio(grace: int, env: dict[str, str] | None = None, drain: str | None = None) -> Body:
    """Istio's gateway, by its grace, its environment and its terminationDrainDuration."""
    variables = [{"name": name, "value": value} for name, value in (env or {}).items()]
    config = {"proxy.istio.io/config": f"terminationDrainDuration: {drain}"} if drain else {}
    pod = {
        "terminationGracePeriodSeconds": grace,
        "containers": [{"name": "istio-proxy", "env": variables}],
    }
    template = {"metadata": {"annotations": config}, "spec": pod}
    meta = {"name": "istio-ingressgateway", "namespace": "istio-system"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": template}}


def envoy_proxy(shutdown: Body, name: str = "reelzero-long-streams") -> Body:
    meta = {"name": name, "namespace": "envoy-gateway-system"}
    api = "gateway.envoyproxy.io/v1alpha1"
    return {"apiVersion": api, "kind": "EnvoyProxy", "metadata": meta, "spec": {"shutdown": shutdown}}


def policy(gateway: str, **http: str) -> Body:
    """A BackendTrafficPolicy of Envoy Gateway."""
    spec = {"targetRefs": [{"kind": "Gateway", "name": gateway}], "timeout": {"http": http}}
    meta = {"name": "policy", "namespace": "envoy-gateway-system"}
    api = "gateway.envoyproxy.io/v1alpha1"
    return {"apiVersion": api, "kind": "BackendTrafficPolicy", "metadata": meta, "spec": spec}


def gateway_config(*features: str) -> Body:
    local = [{"class": "eg", "gateway": "envoy-gateway-system/local", "supported-features": list(features)}]
    return stock.config_map("config-gateway", "knative-serving", {"local-gateways": yaml.safe_dump(local)})


def network(ingress: str, key: str = "ingress-class") -> Body:
    """config-network of Knative Serving with an ingress class."""
    data = {key: f"{ingress}.ingress.networking.knative.dev"} if ingress else {}
    return stock.config_map("config-network", "knative-serving", data)


def merged(body: Body, patch: Body) -> Body:
    """A strategic merge patch, as far as the files of config/platform go."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(body)
    for key, value in patch.items():
        if isinstance(value, list):
            result[key] = [merged(old, new) for old, new in zip(result[key], value, strict=True)]
        else:
            result[key] = merged(result.get(key, {}), value)
    return result


def patched(body: Body, file: str) -> Body:
    return merged(body, yaml.safe_load((PLATFORM / file).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "stock_gateway",
    [stock.kourier_gateway(), istio(30, {"A": "1"}), envoy_proxy({}), envoy_proxy({"drainTimeout": "60s"})],
    ids=["kourier", "istio", "envoy", "envoy in words"],
)
def test_a_gateway_as_installed_cuts_streams(stock_gateway: Body) -> None:
    assert rules(OURS, stock_gateway) == [DRAIN]
    assert rules(stock_gateway) == [], "without a workload of ours it is nobody's mistake"


def test_config_platform_mends_each_of_them() -> None:
    assert rules(OURS, patched(stock.kourier_gateway(), "gateway-kourier.yaml")) == []
    assert rules(OURS, patched(istio(30, {"A": "1"}), "gateway-istio.yaml")) == []
    assert rules(OURS, yaml.safe_load((PLATFORM / "gateway-envoy.yaml").read_text(encoding="utf-8"))) == []


def test_the_shorter_of_drain_and_grace_counts() -> None:
    kourier = patched(stock.kourier_gateway(), "gateway-kourier.yaml")
    kourier["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 60
    assert rules(OURS, kourier) == [DRAIN]
    assert rules(OURS, istio(3660, drain="3600s")) == []
    assert rules(OURS, istio(60, drain="3600s")) == [DRAIN]
    assert rules(OURS, istio(3660, drain="30s")) == [DRAIN]
    assert rules(OURS, istio(3660)) == [DRAIN]


def test_a_neighbours_gateway_is_no_finding() -> None:
    other = istio(30)
    other["metadata"]["name"] = "their-own-gateway"
    assert rules(OURS, other) == []
    assert rules(OURS, gateway_config("HTTPRouteRequestTimeout"), policy("theirs", requestTimeout="1s")) == []


GATEWAYS = {
    "kourier": stock.kourier_gateway(),
    "istio": istio(30),
    "gateway-api": envoy_proxy({}, name="anything"),
}


@pytest.mark.parametrize("key", ["ingress-class", "ingress.class"])
@pytest.mark.parametrize("used", GATEWAYS)
def test_only_the_gateway_that_knative_uses_is_held_against_the_streams(used: str, key: str) -> None:
    assert rules(OURS, network(used, key), GATEWAYS[used]) == [DRAIN]
    others = [
        body for name, body in GATEWAYS.items() if name != used and (used, name) != ("gateway-api", "istio")
    ]
    assert rules(OURS, network(used, key), *others) == []
    assert rules(OURS, network("contour", key), *GATEWAYS.values()) == []


def test_where_no_class_is_known_the_usual_names_count() -> None:
    assert rules(OURS, network(""), stock.kourier_gateway(), istio(30)) == [DRAIN, DRAIN]
    assert rules(OURS, network(""), envoy_proxy({}, name="theirs")) == []
    assert rules(OURS, envoy_proxy({}, name="theirs")) == []


def test_settings_of_a_gateway_that_knative_does_not_use_are_no_finding() -> None:
    kourier = stock.config_map("config-kourier", "knative-serving", {"stream-idle-timeout": "120s"})
    assert rules(OURS, network("kourier"), kourier, gateway_config()) == [IDLE]
    assert rules(OURS, network("gateway-api"), kourier, gateway_config()) == [REQUEST]
    assert rules(OURS, network("istio"), kourier, gateway_config()) == []


@pytest.mark.parametrize(("idle", "found"), [("0s", []), ("120s", [IDLE]), ("1h", []), ("", []), ("x", [])])
def test_an_idle_time_out_must_outlast_a_cold_start(idle: str, found: list[str]) -> None:
    config = stock.config_map("config-kourier", "knative-serving", {"stream-idle-timeout": idle})
    assert rules(OURS, config) == found


def test_envoy_gateway_needs_the_feature_and_long_policies() -> None:
    good = gateway_config("HTTPRouteRequestTimeout")
    assert rules(OURS, good) == []
    assert rules(OURS, gateway_config()) == [REQUEST]
    assert rules(OURS, good, policy("local", requestTimeout="0s", streamIdleTimeout="0s")) == []
    assert rules(OURS, good, policy("local", requestTimeout="60s")) == [REQUEST]
    assert rules(OURS, good, policy("local", maxStreamDuration="60s")) == [REQUEST]
    assert rules(OURS, good, policy("local", streamIdleTimeout="60s")) == [IDLE]


@pytest.mark.parametrize(("timeout", "found"), [("30s", [REQUEST]), ("0s", []), (None, []), ("1h", [])])
def test_a_virtual_service_to_a_predictor_may_not_end_it(timeout: str | None, found: list[str]) -> None:
    host = f"{OURS['metadata']['name']}-predictor.{OURS['metadata']['namespace']}.svc.cluster.local"
    route = {"timeout": timeout} if timeout else {}
    body = {
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "v"}, "spec": {"hosts": [host], "http": [route]},
    }  # fmt: skip
    assert rules(OURS, body) == found
    body["spec"] = {"hosts": ["theirs.video.svc"], "http": [route]}
    assert rules(OURS, body) == []
