"""The command line of `reelzero models`: a server's models, this machine's weights and their checksums."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from eventing.cli.model_files import check, pull
from eventing.cli.terminal.models import list_models, show_model
from eventing.contract.errors import ModelUnavailable
from eventing.contract.storage import checksums
from eventing.contract.storage.weights import check_folder

models = typer.Typer(no_args_is_help=True, help="List models; fetch and check their weights.")
models.command("list")(list_models)
models.command("show")(show_model)
models.command("check")(check)
models.command("pull")(pull)
Folders = Annotated[
    list[Path],
    typer.Argument(help="Folders with weights.", exists=True, file_okay=False, metavar="FOLDER..."),
]


@models.command()
def verify(folders: Folders) -> None:
    """Compare every file with SHA256SUMS beside it, and check that the model is whole. Ends with 1 if not."""
    problems = [problem for folder in folders for problem in _problems(folder)]
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)


@models.command()
def lock(folders: Folders) -> None:
    """Write SHA256SUMS beside weights that are known to be right."""
    for folder in folders:
        try:
            count = checksums.write_lock(folder)
        except OSError as error:
            typer.echo(f"{folder} cannot be locked: {error}", err=True)
            raise typer.Exit(1) from error
        typer.echo(f"{folder / checksums.LOCK}: {count} files")


@models.command()
def bake(
    folder: Annotated[Path, typer.Argument(help="Where the model is written; it must not exist.")],
    model: Annotated[str | None, typer.Option(help="Catalog name; else REELZERO_MODEL.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Its weights now; else REELZERO_MODEL_DIR.")] = None,
) -> None:
    """Write a model's weights in the form that loads fastest, with SHA256SUMS. It makes the same frames."""
    own = {"REELZERO_MODEL": model, "REELZERO_MODEL_DIR": str(weights.absolute()) if weights else None}
    command = [sys.executable, "-m", "predictor.models.bake", str(folder)]
    env = os.environ | {name: value for name, value in own.items() if value}
    raise typer.Exit(subprocess.run(command, env=env, check=False).returncode)  # noqa: S603 - our own module


def _problems(folder: Path) -> list[str]:
    problems: list[str] = []
    try:
        problems += checksums.compare(folder)
        check_folder(folder)
    except ModelUnavailable as error:
        return [*problems, error.message]
    except OSError as error:
        return [*problems, f"{folder} cannot be read: {error}"]
    if not problems:
        typer.echo(f"{folder}: every file is as {checksums.LOCK} says")
    return problems
