"""`reelzero doctor`: check manifests, a cluster, an installation by its settings, or a data folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from eventing.contract.env import PREFIX, read
from eventing.contract.errors import ConfigurationError, ReelzeroError
from eventing.doctor import command
from eventing.doctor.command import Format, Options, Place
from eventing.settings import Settings
from eventing.standalone.data.data_dir import DATA_DIR
from eventing.standalone.data.inspection import inspect

RULES = Path("rules")  # the word that lists them; a file of this name is ./rules
Files = Annotated[
    list[Path] | None,
    typer.Option(help="Rendered or live manifests (YAML or JSON); repeatable, - for standard input."),
]
Folder = Annotated[
    Path | None, typer.Option(help="Folder of the one-machine edition; else REELZERO_DATABASE_URL.")
]


def doctor(  # noqa: PLR0913, PLR0917 - one parameter per option is how typer reads them
    manifests: Files = None,
    others: Annotated[
        list[Path] | None, typer.Argument(help="More files of the same kind, or `rules` to list the rules.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Read a cluster: by kubectl, or by this pod's ServiceAccount.")
    ] = False,
    namespace: Annotated[str | None, typer.Option(help="With --live: only this namespace.")] = None,
    context: Annotated[str | None, typer.Option(help="With --live: kubectl's context.")] = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="With --live: kubectl's configuration.")] = None,
    format: Annotated[
        Format, typer.Option(help="How to print; sarif for manifests and --live.")
    ] = Format.text,
    ignore: Annotated[list[str] | None, typer.Option(help="Leave out a rule; repeatable.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail for warnings too.")] = False,
    data_dir: Folder = None,
) -> None:
    """Check an installation by its REELZERO_… settings, manifests before they are applied, or a cluster.

    Without files: database, S3 with conditional writes, sink, clock, time budgets; in a folder where
    `reelzero up` was called, those of its data. With files or --live: the known mistakes with long GPU jobs
    on KServe and Knative: helm template … | reelzero doctor --manifests -

    `reelzero doctor rules` lists the rules, what each mistake leads to, and how to mend it.

    Exit status: 0 without an error; 1 with one, or with a warning and --strict; 2 if the call or a file is
    wrong or the cluster cannot be read.
    """
    options = Options(format, tuple(ignore or ()), strict)
    paths = [*(manifests or []), *(others or [])]
    if paths and (live or data_dir):
        raise typer.BadParameter("name files, --live or --data-dir, only one of them")
    if (namespace or context or kubeconfig) and not live:
        raise typer.BadParameter("--namespace, --context and --kubeconfig go with --live")
    if others == [RULES] and not manifests:
        raise typer.Exit(command.list_rules(options))
    if live:
        raise typer.Exit(command.check_cluster(Place(kubeconfig, context, namespace), options))
    if paths:
        raise typer.Exit(command.check_manifests(paths, options))
    raise typer.Exit(_check_installation(data_dir, options))


def _check_installation(data_dir: Path | None, options: Options) -> int:
    try:
        settings, note = _settings(data_dir)
    except ReelzeroError as error:
        typer.secho(f"reelzero: {error.message}", fg="red", err=True)
        return 1
    return command.check_installation(settings, storage_away=note, options=options)


def _settings(data_dir: Path | None) -> tuple[Settings, str | None]:
    """Return the settings to check, and why object storage cannot be checked (None if it can).

    Raises ConfigurationError if nothing is configured.
    """
    if data_dir is None and PREFIX + "DATABASE_URL" in os.environ:
        return read(Settings), None
    folder = data_dir or DATA_DIR
    if not folder.is_dir():
        raise ConfigurationError(
            f"there is no installation to check: REELZERO_DATABASE_URL is not set, and {folder} does not"
            " exist; name the folder of `reelzero up` by --data-dir, or files by --manifests"
        )
    return inspect(folder)
