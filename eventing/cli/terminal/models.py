"""`reelzero models list` and `show`: the models of a server."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from eventing.cli.terminal.servers.session import Session, command
from eventing.client import Model
from eventing.contract.errors import NotFound


@command
async def list_models(session: Session) -> None:
    """List the models of the server: what they take and make, and why one cannot start."""
    models, output = await session.client.models(), session.output
    rows = [
        (model.id + (" *" if model.default else ""), f"{model.sizes[0][0]}x{model.sizes[0][1]}",
         ", ".join(name for name in ("image", "last_image") if name in model.inputs), _state(model))
        for model in models
    ]  # fmt: skip
    heads = ("model (*: default)", "size", "pictures", "state")
    output.answer(models, (model.id for model in models), lambda: output.table(heads, rows))


@command
async def show_model(
    session: Session, name: Annotated[str, typer.Argument(help="Model of the server.", metavar="MODEL")]
) -> None:
    """Show one model: sizes, tiers with their steps, inputs, needs and licence."""
    model = next((each for each in await session.client.models() if each.id == name), None)
    if model is None:
        raise NotFound(f"model {name} is not served at {session.client.server}; see: reelzero models list")
    output = session.output

    def people() -> None:
        for fact, value in _facts(model):
            output.line(f"{fact:<9} {value}")

    output.answer(model, [model.id], people)


def _state(model: Model) -> Text:
    if model.unavailable:
        return Text(next(iter(model.unavailable.values())).removeprefix(f"{model.id} "), "red")
    return Text("can start", "green")


def _facts(model: Model) -> list[tuple[str, str]]:
    tiers = [(f"{name}", f"{tier.steps} steps, guidance {tier.guidance:g}{_expected(tier.expected_seconds)}")
             for name, tier in model.quality.items()]  # fmt: skip
    return [
        ("model", f"{model.id}: {model.title}"),
        ("sizes", ", ".join(f"{width}x{height}" for width, height in model.sizes)),
        ("rate", f"{model.fps} frames a second"),
        ("takes", ", ".join(f"{name} ({need})" for name, need in model.inputs.items())),
        *tiers,
        ("needs", f"{model.gpus} GPU with {model.gpu_memory_gib} GiB" if model.gpus else "a CPU"),
        ("weights", f"{model.weights_gib} GiB" if model.weights_gib else "small"),
        ("licence", model.licence),
        ("state", str(_state(model))),
    ]


def _expected(seconds: float | None) -> str:
    return f", about {seconds:g} s" if seconds else ""
