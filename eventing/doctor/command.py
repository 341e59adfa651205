"""Run the checks of the doctor and print what they find."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from eventing.contract.errors import ReelzeroError
from eventing.doctor import delivery, knative, live, pods, probes, scaling, timing
from eventing.doctor.findings import Finding
from eventing.doctor.manifests import Manifests, parse
from eventing.doctor.workloads import workloads
from eventing.settings import Settings

CHECKS: tuple[Callable[[Manifests], Iterable[Finding]], ...] = (
    timing.check, scaling.check, probes.check, knative.check, delivery.check, pods.check,
)  # fmt: skip
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


def examine(manifests: Manifests) -> list[Finding]:
    """Return every finding of every check, errors first."""
    findings = [finding for check in CHECKS for finding in check(manifests)]
    return sorted(dict.fromkeys(findings), key=lambda finding: finding.severity)


def _read(path: Path) -> str:
    return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")


def _print(findings: list[Finding], manifests: Manifests) -> None:
    for finding in findings:
        colour = "red" if finding.severity == "error" else "yellow"
        typer.secho(f"{finding.severity}: {finding.where} ({finding.rule})", fg=colour)
        typer.echo(f"  leads to: {finding.consequence}\n  mend it:  {finding.remedy}")
    for name, what in CLUSTER_CONFIG.items() if workloads(manifests) else ():
        if manifests.config(name) is None:
            typer.echo(f"not checked: {what} (ConfigMap knative-serving/{name} is not among the manifests)")
    typer.echo(f"{len(manifests.objects)} objects, {len(findings)} findings")
