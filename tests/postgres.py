"""A real PostgreSQL of the pgserver wheel, for as long as tests need one."""

from __future__ import annotations

from contextlib import suppress
from subprocess import CalledProcessError
from typing import Any


def start(folder: str) -> Any:
    """A pgserver.PostgresServer whose files are in `folder`, on a socket there."""
    import pgserver

    return pgserver.get_server(folder, cleanup_mode="delete")


def discard(server: Any) -> None:
    """Stop a server and delete its files. In peace it would first write out what hundreds of tests left."""
    import pgserver

    with suppress(CalledProcessError):  # a test has stopped it before
        pgserver.pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user)
    with suppress(FileNotFoundError):  # it deletes the folder while the server deletes its own files
        server.cleanup()
