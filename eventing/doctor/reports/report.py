"""Hold the result of a check of manifests, and write it as text or JSON. SARIF is in sarif.py."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from eventing.contract.errors import ConfigurationError
from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Manifests
from eventing.doctor.objects.workloads import workloads
from eventing.doctor.registry import examine, rules

CLUSTER_CONFIG = {
    "config-defaults": "the longest time-out Knative allows",
    "config-autoscaler": "whether an initial scale of 0 is allowed",
    "config-features": "the feature flags that the pods need",
}  # ConfigMaps of knative-serving, and the check that each one makes possible


@dataclass(frozen=True)
class Report:
    """What was found in some objects. `ignored` counts findings of rules that the caller switched off."""

    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...]
    objects: int
    ignored: int

    @property
    def errors(self) -> int:
        """Return how many findings are errors; all others are warnings."""
        return sum(finding.severity == "error" for finding in self.findings)

    def status(self, strict: bool) -> int:
        """Return the exit status: 1 for an error, and with `strict` also for a warning."""
        return 1 if self.errors or (strict and self.findings) else 0


def examined(manifests: Manifests, ignore: Iterable[str], not_read: Iterable[str] = ()) -> Report:
    """Apply every rule that is not ignored. `not_read` says which objects could not be read, and why."""
    off = set(ignore)
    findings = examine(manifests)
    kept = tuple(finding for finding in findings if finding.rule not in off)
    notes = (*not_read, *_missing_config(manifests))
    return Report(kept, notes, len(manifests.objects), len(findings) - len(kept))


def check_names(names: Iterable[str]) -> None:
    """Raise ConfigurationError for a rule that does not exist; the message lists those that do."""
    known = rules()
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigurationError(
                f"--ignore: there is no rule {name!r}{hint} The rules are {', '.join(known)}"
            )


def as_text(report: Report) -> list[tuple[str, str | None]]:
    """Return the lines of a report, each with its colour."""
    lines: list[tuple[str, str | None]] = []
    for finding in report.findings:
        colour = "red" if finding.severity == "error" else "yellow"
        lines += [
            (f"{finding.severity}: {finding.where}: {finding.what} ({finding.rule})", colour),
            (f"  leads to: {finding.consequence}", None),
            (f"  mend it:  {finding.remedy}", None),
        ]
    lines += [(f"not checked: {note}", None) for note in report.not_checked]
    ignored = f", {report.ignored} ignored" if report.ignored else ""
    return [*lines, (f"{report.objects} objects, {len(report.findings)} findings{ignored}", None)]


def as_json(report: Report) -> str:
    """Return a report as one JSON object."""
    body = {
        "findings": [_finding(finding) for finding in report.findings],
        "not_checked": report.not_checked,
        "objects": report.objects,
        "errors": report.errors,
        "warnings": len(report.findings) - report.errors,
        "ignored": report.ignored,
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def rules_as_json() -> str:
    """Return every rule as JSON, with names in capitals in place of values."""
    body = [_rule(rule.in_general()) for rule in rules().values()]
    return json.dumps({"rules": body}, indent=2, ensure_ascii=False)


def _rule(rule: Rule) -> dict[str, Any]:
    names = {"mend": "mend_it"}
    return {names.get(name, name): value for name, value in asdict(rule).items()}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "object": finding.where,
        "what": finding.what,
        "leads_to": finding.consequence,
        "mend_it": finding.remedy,
        "file": finding.source or None,
        "line": finding.line or None,
    }


def _missing_config(manifests: Manifests) -> list[str]:
    if not workloads(manifests):
        return []
    return [
        f"{what} (ConfigMap knative-serving/{name} is not among the manifests)"
        for name, what in CLUSTER_CONFIG.items()
        if manifests.config(name) is None
    ]
