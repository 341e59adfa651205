"""Serve the steps of the box, and commands beside them: `python -m steps.box`, with the runner's settings.

Where this is Linux, steps of the box start in milliseconds: they are forked from a process that has imported
what they need.
"""

from __future__ import annotations

import sys

from steps.runner import server, settings
from steps.runner.processes import popen


def main() -> None:
    """Serve until SIGTERM."""
    chosen = settings.read()
    if sys.platform != "linux":
        server.serve(chosen, popen)
        return
    from steps import template  # noqa: PLC0415 - it needs what only Linux has
    from steps.forks import Forks  # noqa: PLC0415 - the same

    server.serve(chosen, Forks(template.begin(chosen.commands.values())).start)


if __name__ == "__main__":
    main()
