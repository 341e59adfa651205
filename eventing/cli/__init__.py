"""The `reelzero` command: names its subcommands; each is imported when it is called."""

from __future__ import annotations

from typing import Annotated

import typer

from eventing import __version__
from eventing.cli.lazy import Entry, LazyGroup

HERE, VIDEOS, SERVER, OPERATOR = "On this machine", "Videos, on any server", "The server", "For operators"
TERMINAL = "eventing.cli.terminal"
STANDALONE = "eventing.standalone.commands"
COMMANDS = {
    "run": Entry(STANDALONE, "run", "Make one video, from a prompt to an MP4.", HERE),
    "up": Entry(STANDALONE, "up", "Run the service until Ctrl-C: page, API, models.", HERE),
    "submit": Entry(f"{TERMINAL}.submit", "submit", "Submit prompts and print the jobs' ids.", VIDEOS),
    "watch": Entry(f"{TERMINAL}.follow", "watch", "Show the progress of jobs until they end.", VIDEOS),
    "wait": Entry(f"{TERMINAL}.follow", "wait", "Wait until jobs have ended.", VIDEOS),
    "get": Entry(f"{TERMINAL}.jobs", "get", "Show one job.", VIDEOS),
    "list": Entry(f"{TERMINAL}.jobs", "list_jobs", "List your jobs, the newest first.", VIDEOS),
    "cancel": Entry(f"{TERMINAL}.jobs", "cancel", "Cancel jobs.", VIDEOS),
    "retry": Entry(f"{TERMINAL}.jobs", "retry", "Queue failed or cancelled jobs again.", VIDEOS),
    "rm": Entry(f"{TERMINAL}.jobs", "remove", "Delete jobs and their files; cancel them first.", VIDEOS),
    "download": Entry(f"{TERMINAL}.files", "download", "Download videos.", VIDEOS),
    "open": Entry(f"{TERMINAL}.files", "open_video", "Open a video, or the page, in the browser.", VIDEOS),
    "events": Entry(f"{TERMINAL}.events", "events", "Show what was sent about jobs, or follow them.", VIDEOS),
    "logs": Entry(f"{TERMINAL}.events", "logs", "Print the log lines of a job of this machine.", VIDEOS),
    "story": Entry(f"{TERMINAL}.story", "story", "Make a film of a file with scenes or steps.", VIDEOS),
    "stories": Entry(
        f"{TERMINAL}.stories", "stories", "List, show, follow, cancel or retry stories.", VIDEOS
    ),
    "mcp": Entry(f"{TERMINAL}.mcp", "mcp", "Serve your videos to an agent, over MCP.", VIDEOS),
    "ps": Entry(f"{TERMINAL}.status", "ps", "Show your jobs that wait or run.", SERVER),
    "status": Entry(f"{TERMINAL}.status", "status", "Show queues, slots, predictors and GPUs.", SERVER),
    "report": Entry(f"{TERMINAL}.report", "report", "Show what jobs have used and cost.", SERVER),
    "login": Entry(f"{TERMINAL}.login", "login", "Store a server and its key.", SERVER),
    "models": Entry("eventing.cli.models", "models", "List models; fetch and check their weights.", SERVER),
    "serve": Entry("eventing.cli.serve", "serve", "Run one replica of the eventing service.", OPERATOR),
    "migrate": Entry(
        "eventing.cli.serve", "migrate", "Bring the database to this release's schema.", OPERATOR
    ),
    "doctor": Entry(
        "eventing.cli.doctor", "doctor", "Check an installation, manifests or a cluster.", OPERATOR
    ),
    "jobs": Entry("eventing.cli.admin", "jobs", "Jobs of all owners, in the database.", OPERATOR),
    "deliveries": Entry(
        "eventing.cli.admin", "deliveries", "Deliveries that wait or failed for good.", OPERATOR
    ),
    "size": Entry("eventing.cli.size", "size", "Compute predictors, waits and cost from arrivals.", OPERATOR),
    "keys": Entry("eventing.cli.admin", "keys", "API keys: each has an owner.", OPERATOR),
}


class Commands(LazyGroup):
    """All commands of `reelzero`."""

    entries = COMMANDS


app = typer.Typer(
    name="reelzero",
    cls=Commands,
    no_args_is_help=True,
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
