"""The chart's doctor: a Job that may read what `reelzero doctor --live` reads, and nothing more."""

from __future__ import annotations

from typing import Any

import pytest

from config.render import render
from tests.manifests.test_policy import of
from tests.manifests.value_sets import KEDA, LEAST, model
from tests.support.rules_page import NAMESPACE, roles

Body = dict[str, Any]
ON = {"doctor": {"enabled": True}}


def rules(bodies: list[Body]) -> dict[str, list[Body]]:
    """The rules of all Roles, by namespace."""
    return {body["metadata"].get("namespace", NAMESPACE): body["rules"] for body in of(bodies, "Role")}


@pytest.mark.parametrize("values", [LEAST, model(), KEDA], ids=["least", "knative", "keda"])
def test_it_is_off_by_default(values: Body) -> None:
    kinds = {body["kind"] for body in render(values)}
    assert not kinds & {"Job", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def test_its_rights_are_those_that_it_uses() -> None:
    bodies = render(model() | ON, NAMESPACE)
    assert rules(bodies) == rules(roles())
    for rule in (rule for group in rules(bodies).values() for rule in group):
        assert set(rule["verbs"]) <= {"get", "list"}
        assert "secrets" not in rule["resources"] and "*" not in rule["resources"] + rule["apiGroups"]


@pytest.mark.parametrize("values", [LEAST, KEDA | {"models": KEDA["models"][:1]}], ids=["none", "keda"])
def test_namespaces_that_may_not_exist_get_no_role(values: Body) -> None:
    assert rules(render(values | ON, NAMESPACE)).keys() == {NAMESPACE}


def test_each_role_is_bound_to_its_account_only() -> None:
    bodies = render(model() | ON, NAMESPACE)
    (job,) = of(bodies, "Job")
    account = job["spec"]["template"]["spec"]["serviceAccountName"]
    assert account in {body["metadata"]["name"] for body in of(bodies, "ServiceAccount")}
    bindings = {
        (body["metadata"].get("namespace"), body["roleRef"]["name"]) for body in of(bodies, "RoleBinding")
    }
    assert bindings == {
        (body["metadata"].get("namespace"), body["metadata"]["name"]) for body in of(bodies, "Role")
    }
    for body in of(bodies, "RoleBinding"):
        assert body["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}]


def test_it_reads_its_own_namespace_and_reaches_only_the_api_server() -> None:
    bodies = render(model() | ON, NAMESPACE)
    (job,) = of(bodies, "Job")
    template = job["spec"]["template"]
    assert template["spec"]["containers"][0]["args"] == ["doctor", "--live", "--namespace", NAMESPACE]
    labels = template["metadata"]["labels"].items()
    policies = [
        body["spec"]
        for body in of(bodies, "NetworkPolicy")
        if body["spec"]["podSelector"]["matchLabels"].items() <= labels
    ]
    (policy,) = policies
    assert policy["policyTypes"] == ["Ingress", "Egress"] and "ingress" not in policy
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert ports >= {53, 443, 6443}
    assert {port["port"] for port in policy["egress"][-1]["ports"]} == {443, 6443}
