"""Check that alerts that a release switched on are in the cluster: it may lack the Prometheus operator."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Manifest, Manifests, dig, near
from eventing.doctor.objects.ours import eventing, labelled

MONITORING = "monitoring.coreos.com"
SWITCH = "reelzero.dev/alerts"  # on the Deployment of eventing: the name of the PrometheusRule

ALERTS_ABSENT = Rule(
    "alerts-absent", "warning",
    "its alerts are switched on, and there is no PrometheusRule {name}",
    "no alert fires: the cluster has no Prometheus operator (API group monitoring.coreos.com), or the object"
    " is gone",
    "install the Prometheus operator (docs/monitoring.md) and upgrade the release, or set"
    " metrics.alerts.enabled to false",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run the check of this file."""
    for item in eventing(manifests):
        name = str(dig(item.body, "metadata", "annotations", SWITCH) or "")
        if name and _is_whole(manifests, item) and not _has(manifests, item, name):
            yield ALERTS_ABSENT.at(item, name=name)


def _is_whole(manifests: Manifests, item: Manifest) -> bool:
    """Tell whether the manifests hold a release, not some of its kinds: its ServiceAccounts are there."""
    accounts = manifests.kind("ServiceAccount", "")
    return any(labelled(account) and near(account.namespace, item.namespace) for account in accounts)


def _has(manifests: Manifests, item: Manifest, name: str) -> bool:
    rules = manifests.kind("PrometheusRule", MONITORING)
    return any(rule.name == name and near(rule.namespace, item.namespace) for rule in rules)
