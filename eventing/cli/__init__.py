"""The `reelzero` command: names its subcommands; each is implemented beside the part that it works on."""

from __future__ import annotations

from typing import Annotated

import typer

from eventing import __version__
from eventing.cli import admin, serve
from eventing.cli.doctor import doctor
from eventing.cli.models import models
from eventing.standalone import commands

app = typer.Typer(
    name="reelzero",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Text to video that scales to zero.",
)


def _print_version(is_set: bool) -> None:
    if is_set:
        typer.echo(f"reelzero {__version__}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and end."),
    ] = False,
) -> None:
    """Text to video that scales to zero."""


app.command("run")(commands.run)
app.command("up")(commands.up)
app.command("serve")(serve.serve)
app.command("migrate")(serve.migrate)
app.command("doctor")(doctor)
app.add_typer(models, name="models")
app.add_typer(admin.jobs, name="jobs")
app.add_typer(admin.deliveries, name="deliveries")
app.add_typer(admin.keys, name="keys")
