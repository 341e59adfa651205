"""Run the checks of the doctor and print what they find."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import typer

from eventing.contract.errors import ReelzeroError
from eventing.doctor import live
from eventing.doctor.findings import Finding
from eventing.doctor.manifests import Manifests, parse
from eventing.doctor.registry import examine, rules
from eventing.doctor.workloads import workloads
from eventing.settings import Settings

CLUSTER_CONFIG = {
    "config-defaults": "the longest time-out Knative allows",
    "config-autoscaler": "whether an initial scale of 0 is allowed",
    "config-features": "the feature flags that the pods need",
}  # ConfigMaps of knative-serving, and the check that each one makes possible


def check_manifests(paths: list[Path]) -> int:
    """Print the findings in files; the exit status: 1 for an error among them, 2 for an unreadable file."""
    try:
        parsed = parse((str(path), _read(path)) for path in paths)
    except (ReelzeroError, OSError, UnicodeDecodeError) as error:
        typer.secho(f"reelzero: {error}", fg="red", err=True)
        return 2
    findings = examine(parsed)
    _print(findings, parsed)
    return 1 if any(finding.severity == "error" for finding in findings) else 0


def list_rules() -> int:
    """Print every rule, what it leads to and how to mend it; the exit status is 0."""
    for rule in (rule.in_general() for rule in rules().values()):
        typer.secho(f"{rule.id} ({rule.severity}): {rule.what}", bold=True)
        typer.echo(f"  leads to: {rule.leads_to}\n  mend it:  {rule.mend}")
    return 0


def check_live(settings: Settings, storage_away: str | None) -> int:
    """Print the outcome of every check of an installation; the exit status: 1 if one failed."""
    outcomes = asyncio.run(live.examine(settings, storage_away))
    for outcome in outcomes:
        typer.secho(
            f"{'ok  ' if outcome.ok else 'FAIL'} {outcome.name}: {outcome.text}",
            fg=None if outcome.ok else "red",
        )
        if not outcome.ok and outcome.remedy:
            typer.echo(f"     mend it: {outcome.remedy}")
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def _read(path: Path) -> str:
    return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")


def _print(findings: list[Finding], manifests: Manifests) -> None:
    for finding in findings:
        colour = "red" if finding.severity == "error" else "yellow"
        typer.secho(f"{finding.severity}: {finding.where}: {finding.what} ({finding.rule})", fg=colour)
        typer.echo(f"  leads to: {finding.consequence}\n  mend it:  {finding.remedy}")
    for name, what in CLUSTER_CONFIG.items() if workloads(manifests) else ():
        if manifests.config(name) is None:
            typer.echo(f"not checked: {what} (ConfigMap knative-serving/{name} is not among the manifests)")
    typer.echo(f"{len(manifests.objects)} objects, {len(findings)} findings")
