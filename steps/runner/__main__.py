"""`python -m steps.runner`."""

from __future__ import annotations

from steps.runner import server, settings


def main() -> None:
    """Serve the commands of the environment."""
    server.serve(settings.read())


if __name__ == "__main__":
    main()
