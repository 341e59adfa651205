"""The `reelzero` command: thin wiring; what each command does lives beside what it works on."""

from __future__ import annotations

import typer

from eventing import serve
from eventing.doctor.command import doctor

app = typer.Typer(
    name="reelzero", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Text to video that scales to zero.",
)  # fmt: skip
app.command("serve")(serve.serve)
app.command("migrate")(serve.migrate)
app.command("doctor")(doctor)


def main() -> None:
    """Entry point."""
    app()
