"""A real PostgreSQL of the pgserver wheel, for as long as tests need one."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any


def start(folder: str, *, fsync: bool = False) -> Any:
    """A pgserver.PostgresServer whose files are in `folder`, on a socket there.

    Without fsync it survives its own crashes, not the machine's; with it, a start after a crash first syncs
    every file of every database.
    """
    import pgserver

    with Path(tempfile.gettempdir(), "rz-pgserver.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as root it makes a user, which two may not do at once
        server = pgserver.get_server(folder, cleanup_mode=None)
    if not fsync:
        server.psql("ALTER SYSTEM SET fsync = off")
        server.psql("SELECT pg_reload_conf()")
    return server


def discard(server: Any) -> None:
    """Stop a server and delete its files. In peace it would first write out what hundreds of tests left."""
    import pgserver

    with suppress(CalledProcessError):  # a test has stopped it before
        pgserver.pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user)
    shutil.rmtree(server.pgdata, ignore_errors=True)
