"""Collect the checks and their rules. How to add one: see findings.py."""

from __future__ import annotations

from types import ModuleType

from eventing.doctor.checks.events import delivery, doors, routes, sinks
from eventing.doctor.checks.pods import folders, gpus, limits, privileges, probes, references, room, weights
from eventing.doctor.checks.serving import (
    alerts,
    cuts,
    gateway,
    idle,
    keda,
    knative,
    scaling,
    spelling,
    timing,
)
from eventing.doctor.checks.settings import agreement, network, ownsettings, refused
from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Manifests

MODULES = (
    timing, gateway, cuts, scaling, idle, probes, knative, keda, refused, spelling, gpus, limits, room,
    references, weights, privileges, delivery, routes, sinks, doors, agreement, ownsettings, folders, network,
    alerts,
)  # fmt: skip


def rules_of(module: ModuleType) -> list[Rule]:
    """Return the rules of one file."""
    return [value for value in vars(module).values() if isinstance(value, Rule)]


def rules() -> dict[str, Rule]:
    """Return every rule by its id, in the order of the files."""
    return {rule.id: rule for module in MODULES for rule in rules_of(module)}


def examine(manifests: Manifests) -> list[Finding]:
    """Return every finding of every check, errors first."""
    findings = [finding for module in MODULES for finding in module.check(manifests)]
    return sorted(dict.fromkeys(findings), key=lambda finding: finding.severity)
