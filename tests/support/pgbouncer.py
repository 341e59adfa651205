"""A real pgbouncer in transaction mode before a PostgreSQL (Debian's package `pgbouncer`)."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

PORT = 6432
SERVER_CONNECTIONS = 4  # fewer than a replica opens: transactions of one client use several
START_SECONDS = 120


def find() -> str | None:
    """Return the program's path; None if it is not installed."""
    return shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")


@contextmanager
def pgbouncer(program: str, server: str, folder: Path) -> Iterator[str]:
    """Run a pgbouncer before the PostgreSQL whose socket is in `server`. Yield its URL, %s for the name."""
    settings = {
        "listen_addr": "", "listen_port": PORT, "unix_socket_dir": folder, "pool_mode": "transaction",
        "auth_type": "trust", "auth_file": folder / "users", "max_client_conn": 500,
        "default_pool_size": SERVER_CONNECTIONS, "logfile": folder / "log",
        # On a busy machine its own limits would end connections that are only slow.
        "client_login_timeout": 0, "query_wait_timeout": 0, "server_connect_timeout": START_SECONDS,
    }  # fmt: skip
    lines = [f"{name} = {value}" for name, value in settings.items()]
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "ini").write_text("\n".join(["[databases]", f"* = host={server}", "[pgbouncer]", *lines]))
    command = [program, str(folder / "ini")]
    if os.getuid() == 0:  # it refuses to run as root
        owner = pwd.getpwuid(Path(server).stat().st_uid)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        command += ["-u", owner.pw_name]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(folder / f".s.PGSQL.{PORT}", process)
            yield f"postgresql+asyncpg://postgres:@/%s?host={folder}&port={PORT}&statement_cache_size=0"
        finally:
            process.kill()


def socket_of(pattern: str) -> str:
    """Return the folder of a PostgreSQL's socket from its URL; empty if the URL has none."""
    host = make_url(pattern % "postgres").query.get("host", "")
    return host if isinstance(host, str) else ""


def _wait(socket: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not socket.exists():
        assert process.poll() is None, f"pgbouncer ended; its log: {socket.parent / 'log'}"
        assert time.monotonic() < deadline, "pgbouncer did not start"
        time.sleep(0.05)
