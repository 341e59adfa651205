"""Ask for a prompt on the terminal, with examples of what the model in the box can draw."""

from __future__ import annotations

import sys

import typer

EXAMPLES = (
    "a red circle moving right",
    "a large blue square moving up",
    "a green triangle on a white background",
)


def ask_prompt() -> str:
    """Return the answer. Raises typer.BadParameter if there is no terminal to ask on."""
    if not sys.stdin.isatty():
        raise typer.BadParameter(f'a prompt is missing, such as "{EXAMPLES[0]}"', param_hint="PROMPT")
    typer.echo("What should the video show? For example:", err=True)
    for example in EXAMPLES:
        typer.echo(f"  {example}", err=True)
    return str(typer.prompt("Prompt", err=True))
