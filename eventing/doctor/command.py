"""Run the checks of the doctor, print what they find, and return the exit status.

0: no error. 1: an error, or with --strict a warning. 2: the call or a file is wrong, or the cluster cannot be
read.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import typer

from eventing.contract.errors import ConfigurationError, ReelzeroError
from eventing.doctor.clusters import installation
from eventing.doctor.clusters.api_server import ApiServer, in_cluster
from eventing.doctor.clusters.cluster import Reading, read
from eventing.doctor.clusters.kubectl import Kubectl
from eventing.doctor.objects.manifests import Manifests, parse
from eventing.doctor.registry import rules
from eventing.doctor.reports.report import Report, as_json, as_text, check_names, examined, rules_as_json
from eventing.doctor.reports.sarif import as_sarif
from eventing.settings import Settings


class Format(StrEnum):
    """How to print."""

    text = "text"
    json = "json"
    sarif = "sarif"


@dataclass(frozen=True)
class Options:
    """How to judge and to print findings."""

    format: Format = Format.text
    ignore: tuple[str, ...] = ()
    strict: bool = False

    def only(self, *formats: Format) -> None:
        """Raise ConfigurationError unless the format is one of these and nothing else is set."""
        if self.format not in formats:
            raise ConfigurationError(
                f"--format {self.format} is for manifests and clusters; here: text or json"
            )
        if self.ignore or self.strict:
            raise ConfigurationError("--ignore and --strict are about rules; name manifests")


@dataclass(frozen=True)
class Place:
    """Which cluster and namespace to read; None means kubectl's own defaults, and all namespaces."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None

    async def read(self) -> Reading:
        """Read it through kubectl, else from inside."""
        if self.kubeconfig or self.context or Kubectl.is_here():
            return await read(Kubectl(self.kubeconfig, self.context), self.namespace)
        if not ApiServer.is_here():
            raise ConfigurationError(
                "--live needs kubectl on the PATH, or a pod with a ServiceAccount's token"
            )
        async with in_cluster() as source:
            return await read(source, self.namespace)


def check_manifests(paths: list[Path], options: Options = Options()) -> int:
    """Print the findings in files."""
    return _checked(lambda: (parse((str(path), _read(path)) for path in paths), ()), options)


def check_cluster(place: Place, options: Options = Options()) -> int:
    """Print the findings in a cluster."""

    def read() -> tuple[Manifests, Iterable[str]]:
        reading = asyncio.run(place.read())
        return Manifests(reading.objects), reading.not_read

    return _checked(read, options)


def list_rules(options: Options = Options()) -> int:
    """Print every rule, what it leads to and how to mend it."""

    def work() -> int:
        options.only(Format.text, Format.json)
        if options.format is Format.json:
            typer.echo(rules_as_json())
            return 0
        for rule in (rule.in_general() for rule in rules().values()):
            typer.secho(f"{rule.id} ({rule.severity}): {rule.what}", bold=True)
            typer.echo(f"  leads to: {rule.leads_to}\n  mend it:  {rule.mend}")
        return 0

    return _guarded(work)


def check_installation(settings: Settings, storage_away: str | None, options: Options = Options()) -> int:
    """Print the outcome of every check of an installation; the exit status is 1 if one failed."""

    def work() -> int:
        options.only(Format.text, Format.json)
        outcomes = asyncio.run(installation.examine(settings, storage_away))
        if options.format is Format.json:
            typer.echo(json.dumps({"checks": [asdict(outcome) for outcome in outcomes]}, indent=2))
        else:
            _print_outcomes(outcomes)
        return 0 if all(outcome.ok for outcome in outcomes) else 1

    return _guarded(work)


def _checked(read: Callable[[], tuple[Manifests, Iterable[str]]], options: Options) -> int:
    def work() -> int:
        check_names(options.ignore)
        manifests, not_read = read()
        report = examined(manifests, options.ignore, not_read)
        _print(report, options.format)
        return report.status(options.strict)

    return _guarded(work)


def _guarded(work: Callable[[], int]) -> int:
    """Return the exit status of `work`; what is wrong with the call or a file is a message and a 2."""
    try:
        return work()
    except (ReelzeroError, OSError, UnicodeDecodeError) as error:
        typer.secho(f"reelzero: {error}", fg="red", err=True)
        return 2


def _read(path: Path) -> str:
    return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")


def _print(report: Report, form: Format) -> None:
    if form is Format.text:
        for line, colour in as_text(report):
            typer.secho(line, fg=colour)
    else:
        typer.echo(as_json(report) if form is Format.json else as_sarif(report))


def _print_outcomes(outcomes: list[installation.Outcome]) -> None:
    for outcome in outcomes:
        typer.secho(
            f"{'ok  ' if outcome.ok else 'FAIL'} {outcome.name}: {outcome.text}",
            fg=None if outcome.ok else "red",
        )
        if not outcome.ok and outcome.remedy:
            typer.echo(f"     mend it: {outcome.remedy}")
