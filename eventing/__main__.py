"""`reelzero`, and `python -m eventing`: the way in, before anything is imported that takes time."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line."""
    # Until a command takes the signal over there is nothing to clean up: Ctrl-C just ends the process.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from eventing.cli import app  # noqa: PLC0415 - see above

    app()


if __name__ == "__main__":
    main()
