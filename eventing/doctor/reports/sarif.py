"""Write a report as SARIF 2.1.0, which code hosts show beside the lines of a file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from eventing import __version__
from eventing.doctor.findings import Finding, Rule
from eventing.doctor.registry import rules
from eventing.doctor.reports.report import Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
PAGE = "https://github.com/reelzero/reelzero/blob/main/docs/doctor.md"
STANDARD_INPUT = "-"


def as_sarif(report: Report) -> str:
    """Return a report as a SARIF log with one run."""
    known = list(rules())
    driver = {
        "name": "reelzero doctor",
        "version": __version__,
        "informationUri": PAGE,
        "rules": [_rule(rule.in_general()) for rule in rules().values()],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _notes(report)}],
        "results": [_result(finding, known.index(finding.rule)) for finding in report.findings],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False)


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": rule.leads_to},
        "help": {"text": f"Leads to: {rule.leads_to}.\nMend it: {rule.mend}."},
        "helpUri": PAGE,
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    text = f"{finding.where}: {finding.what}. Leads to: {finding.consequence}. Mend it: {finding.remedy}."
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": text},
        "locations": [_location(finding)],
        "partialFingerprints": {"reelzeroObject/v1": _fingerprint(finding)},
    }


def _location(finding: Finding) -> dict[str, Any]:
    """Return the object, and its place in a file where it came from one."""
    location: dict[str, Any] = {
        "logicalLocations": [{"fullyQualifiedName": finding.where, "kind": "resource"}]
    }
    if finding.source:
        region = {"region": {"startLine": finding.line}} if finding.line else {}
        location["physicalLocation"] = {"artifactLocation": {"uri": _uri(finding.source)}} | region
    return location


def _fingerprint(finding: Finding) -> str:
    """Return what stays the same when lines move: the rule and the object."""
    return hashlib.sha256(f"{finding.rule} {finding.where}".encode()).hexdigest()


def _uri(source: str) -> str:
    if source == STANDARD_INPUT:
        return "stdin"
    path = Path(source)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _notes(report: Report) -> list[dict[str, Any]]:
    return [{"level": "note", "message": {"text": f"not checked: {note}"}} for note in report.not_checked]
