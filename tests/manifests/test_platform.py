"""config/platform is applied to stock installations without a conflict, and says what an upgrade undoes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from config.render import ROOT, example, render
from eventing.contract.budget import KNATIVE_WINDOW_LIMIT
from eventing.contract.catalog import load_catalog
from tests.manifests import stock
from tests.manifests.field_managers import Cluster, Conflict
from tests.manifests.test_config import kustomize
from tests.manifests.value_sets import EXAMPLES

Body = dict[str, Any]
PLATFORM = ROOT / "config" / "platform"
MANAGER = "reelzero-platform"
README = (PLATFORM / "README.md").read_text(encoding="utf-8")
KAFKA = stock.config_map("kafka-broker-config", "knative-eventing", stock.KAFKA_BROKER)
GRACE = ("spec", "template", "spec", "terminationGracePeriodSeconds")
INSTALLERS: dict[str, Callable[[Cluster, Body], None]] = {
    "kubectl apply": lambda cluster, body: cluster.client_side(body),
    "kubectl apply --server-side": lambda cluster, body: cluster.server_side(body, "kubectl"),
    "an operator": lambda cluster, body: cluster.patch(body, "manifestival"),
}


@pytest.fixture(params=INSTALLERS)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Knative Serving, Kourier and the Kafka Broker as a release installs them."""
    cluster = Cluster()
    for body in [*stock.serving_configs(), stock.activator(), stock.kourier_gateway(), KAFKA]:
        INSTALLERS[request.param](cluster, body)
    return cluster


def patch(name: str, target: Body) -> Body:
    """A patch file as an object, for the object that its command names."""
    body = yaml.safe_load((PLATFORM / name).read_text(encoding="utf-8"))
    return {"kind": target["kind"], "metadata": target["metadata"], **body}


def test_nothing_conflicts_and_nothing_of_others_is_lost(cluster: Cluster) -> None:
    for _ in range(2):  # again, as after a change
        for body in kustomize("platform"):
            cluster.server_side(body, MANAGER)
    for body in kustomize("platform"):
        for key, value in body["data"].items():
            assert cluster.value(body, "data", key) == value
    assert cluster.value(KAFKA, "data", "bootstrap.servers") == stock.KAFKA_BROKER["bootstrap.servers"]
    assert all(cluster.value(body, "data", "_example") for body in stock.serving_configs())


def test_the_name_of_the_stock_kafka_config_would_conflict(cluster: Cluster) -> None:
    (ours,) = (body for body in kustomize("platform") if body["metadata"]["namespace"] == "knative-eventing")
    ours["metadata"]["name"] = KAFKA["metadata"]["name"]
    with pytest.raises(Conflict, match=r"data\.bootstrap\.servers"):
        cluster.server_side(ours, MANAGER)


def test_a_key_that_someone_else_applies_is_a_conflict_that_names_them(cluster: Cluster) -> None:
    """The README says who owns which key, and what to do then."""
    theirs = stock.config_map("config-defaults", "knative-serving", {"max-revision-timeout-seconds": "900"})
    cluster.server_side(theirs, "argocd-controller")
    (ours,) = (body for body in kustomize("platform") if body["metadata"]["name"] == "config-defaults")
    with pytest.raises(Conflict, match="argocd-controller"):
        cluster.server_side(ours, MANAGER)
    assert "--force-conflicts" in README


def test_the_chart_names_the_config_map_that_the_platform_makes() -> None:
    made = {body["metadata"]["name"] for body in kustomize("platform")}
    brokers = [body for values in EXAMPLES.values() for body in render(values) if body["kind"] == "Broker"]
    named = {body["spec"]["config"]["name"] for body in brokers if "config" in body["spec"]}
    assert named <= made
    assert "kafka" in str(named), "an example shows it"


@pytest.mark.parametrize(
    ("file", "target"),
    [("activator-grace.yaml", stock.activator()), ("gateway-kourier.yaml", stock.kourier_gateway())],
)
def test_an_upgrade_with_kubectl_undoes_a_patch_and_the_readme_says_so(file: str, target: Body) -> None:
    """Client-side apply writes the release's own grace back, which it has in its manifest."""
    cluster = Cluster()
    cluster.client_side(target)
    cluster.patch(patch(file, target))
    assert cluster.value(target, *GRACE) >= KNATIVE_WINDOW_LIMIT
    cluster.client_side(target)
    assert cluster.value(target, *GRACE) < KNATIVE_WINDOW_LIMIT
    assert re.search(rf"patch-file config/platform/{file}", README)
    assert "after every upgrade" in README


def test_keys_survive_an_upgrade_with_kubectl() -> None:
    cluster = Cluster()
    for upgrade in range(2):
        for body in stock.serving_configs():
            body["data"] = {"_example": f"release {upgrade}"}
            cluster.client_side(body)
        for body in kustomize("platform"):
            cluster.server_side(body, MANAGER)
    for body in kustomize("platform"):
        assert all(cluster.value(body, "data", key) == value for key, value in body["data"].items())


def test_a_key_that_older_versions_do_not_know_says_since_when() -> None:
    unknown = [minor for minor, version in stock.KNATIVE.items() if not version.always_schedulable]
    known = [minor for minor in stock.KNATIVE if minor not in unknown]
    (row,) = (line for line in README.splitlines() if "`pod-is-always-schedulable`" in line)
    assert f"since {known[0]}" in row
    assert unknown[-1] not in row


def test_the_gateways_outlast_every_stream() -> None:
    """Grace and drain of each gateway are as long as the longest time-out that the chart takes."""
    kourier = patch("gateway-kourier.yaml", stock.kourier_gateway())["spec"]["template"]["spec"]
    (container,) = kourier["containers"]
    drain = int({env["name"]: env["value"] for env in container["env"]}["DRAIN_TIME_SECONDS"])
    istio = yaml.safe_load((PLATFORM / "gateway-istio.yaml").read_text(encoding="utf-8"))
    envoy = yaml.safe_load((PLATFORM / "gateway-envoy.yaml").read_text(encoding="utf-8"))
    assert envoy["spec"]["shutdown"]["drainTimeout"] == f"{KNATIVE_WINDOW_LIMIT}s"
    assert drain >= KNATIVE_WINDOW_LIMIT
    assert kourier["terminationGracePeriodSeconds"] > drain
    assert istio["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > KNATIVE_WINDOW_LIMIT
    assert all(entry.budget.revision_timeout <= drain for entry in load_catalog().entries())
    longest = example("extreme.yaml")
    timeouts = [b["spec"]["predictor"]["timeout"] for b in render(longest) if b["kind"] == "InferenceService"]
    assert max(timeouts) <= drain
