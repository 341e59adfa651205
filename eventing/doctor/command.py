"""`reelzero doctor`: check manifests or a live installation, print the findings, exit 1 on an error."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from eventing.contract.errors import ReelzeroError
from eventing.doctor import delivery, knative, live, pods, probes, scaling, timing
from eventing.doctor.findings import Finding
from eventing.doctor.manifests import Manifests, parse
from eventing.doctor.workloads import workloads

CHECKS: tuple[Callable[[Manifests], Iterable[Finding]], ...] = (
    timing.check, scaling.check, probes.check, knative.check, delivery.check, pods.check,
)  # fmt: skip
CLUSTER_CONFIG = {
    "config-defaults": "the longest time-out Knative allows",
    "config-autoscaler": "whether an initial scale of 0 is allowed",
    "config-features": "the feature flags that the pods need",
}  # ConfigMaps of knative-serving, and the check that each one makes possible


def doctor(
    manifests: Annotated[
        list[Path] | None,
        typer.Option(help="Rendered or live manifests (YAML); repeatable, - for standard input."),
    ] = None,
    others: Annotated[list[Path] | None, typer.Argument(help="More files of the same kind.")] = None,
) -> None:
    """Check a live installation by its REELZERO_… settings, or manifests before they are applied.

    Without files: database, S3 with conditional writes, sink, clock, time budgets. With files: the known
    mistakes with long GPU jobs on KServe and Knative: helm template … | reelzero doctor --manifests -
    """
    paths = [*(manifests or []), *(others or [])]
    if not paths:
        raise typer.Exit(_live())
    try:
        parsed = parse((str(path), _read(path)) for path in paths)
    except (ReelzeroError, OSError, UnicodeDecodeError) as error:
        typer.secho(f"reelzero: {error}", fg="red", err=True)
        raise typer.Exit(2) from error
    findings = examine(parsed)
    _print(findings, parsed)
    raise typer.Exit(1 if any(finding.severity == "error" for finding in findings) else 0)


def _live() -> int:
    outcomes = asyncio.run(live.examine())
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
