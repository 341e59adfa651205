"""`reelzero doctor`: check manifests, an installation by its settings, or a one-machine data folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from eventing.contract.env import PREFIX, read
from eventing.contract.errors import ConfigurationError, ReelzeroError
from eventing.doctor import command
from eventing.settings import Settings
from eventing.standalone.data_dir import DATA_DIR
from eventing.standalone.inspection import inspect

RULES = Path("rules")  # the word that lists them; a file of this name is ./rules


def doctor(
    manifests: Annotated[
        list[Path] | None,
        typer.Option(help="Rendered or live manifests (YAML); repeatable, - for standard input."),
    ] = None,
    others: Annotated[list[Path] | None, typer.Argument(help="More files of the same kind.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the one-machine edition; else REELZERO_DATABASE_URL.")
    ] = None,
) -> None:
    """Check a live installation by its REELZERO_… settings, or manifests before they are applied.

    Without files: database, S3 with conditional writes, sink, clock, time budgets; in a folder where
    `reelzero up` was called, those of its data. With files: the known mistakes with long GPU jobs on KServe
    and Knative: helm template … | reelzero doctor --manifests -

    `reelzero doctor rules` lists the rules, what each mistake leads to, and how to mend it.
    """
    if others == [RULES] and not manifests:
        raise typer.Exit(command.list_rules())
    paths = [*(manifests or []), *(others or [])]
    if paths:
        raise typer.Exit(command.check_manifests(paths))
    try:
        settings, note = _settings(data_dir)
    except ReelzeroError as error:
        typer.secho(f"reelzero: {error.message}", fg="red", err=True)
        raise typer.Exit(1) from error
    raise typer.Exit(command.check_live(settings, storage_away=note))


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
