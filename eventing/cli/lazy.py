"""A group of commands that are imported when they are called: `--help` and completion answer at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True)
class Entry:
    """Where a command is: a module of eventing, and in it a function or a group; and its line of help."""

    module: str
    attribute: str
    help: str
    section: str

    def load(self, name: str) -> Any:
        """Import the command and return it as the group needs it."""
        target = getattr(import_module(self.module), self.attribute)
        if isinstance(target, typer.Typer):
            target.rich_markup_mode = None  # boxes around the help of a group alone would be odd
            group = typer.main.get_group(target)
            group.name = name
            return group
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name)(target)
        return typer.main.get_command(app)


class LazyGroup(TyperGroup):
    """Shows all entries, and imports the one that is called."""

    entries: Mapping[str, Entry] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {name: TyperCommand(name, help=entry.help) for name, entry in self.entries.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command before its arguments are read."""
        if args and (entry := self.entries.get(args[0])):
            self.commands[args[0]] = entry.load(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands by section."""
        for section in dict.fromkeys(entry.section for entry in self.entries.values()):
            rows = [(name, entry.help) for name, entry in self.entries.items() if entry.section == section]
            with formatter.section(section):
                formatter.write_dl(rows)
