"""A real nginx in the place of Knative's gateway, with the time-outs that gateways have.

- `idle`: seconds of silence after which it ends a stream; before the first byte that is a 504.
- `drain`: seconds for which a pod of it keeps its streams once it is ended.
`roll` is a rollout, a scale-down or a drained node: a new pod takes new connections, the old one drains.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Self

import pytest

from tests.support.ports import free_port
from tests.support.waiting import eventually

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="needs nginx: apt-get install nginx-light")
CONFIGURATION = """
user root; daemon off; worker_processes 1; worker_shutdown_timeout {drain}s;
pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  log_format calls "$connection $request_uri"; access_log {folder}/access.log calls;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} reuseport;
    location / {{
      proxy_pass {upstream}; proxy_http_version 1.1; proxy_buffering off;
      proxy_read_timeout {idle}s; proxy_send_timeout {idle}s;
    }}
  }}
}}
"""
OFF = 86400  # nginx knows no "never"


class Gateway:
    """Use as an async context manager; `url` is where callers go."""

    def __init__(self, folder: Path, upstream: str, *, idle: int = OFF, drain: int = OFF) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._folder, self._upstream, self._idle, self._drain = folder, upstream, idle, drain
        self.pods: list[subprocess.Popen[bytes]] = []

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for pod in self.pods:
            pod.terminate()
            await asyncio.to_thread(pod.wait)

    async def roll(self) -> subprocess.Popen[bytes]:
        """End the pod once a new one is there. Returns the old one, which may still have streams."""
        old = self.pods[-1]
        await self._start()
        old.send_signal(signal.SIGQUIT)
        return old

    def connections(self) -> list[str]:
        """The connection of each stream that has ended, in order."""
        logs = [path.read_text() for path in sorted(self._folder.glob("pod-*/access.log"))]
        calls = [line.split() for line in "".join(logs).splitlines()]
        return [connection for connection, path in calls if path.endswith("/generate_stream")]

    async def _start(self) -> None:
        folder = self._folder / f"pod-{len(self.pods)}"
        folder.mkdir()
        text = CONFIGURATION.format(
            folder=folder, port=self._port, upstream=self._upstream, idle=self._idle, drain=self._drain
        )
        (folder / "nginx.conf").write_text(text)
        command = [str(NGINX), "-e", str(folder / "error.log"), "-p", str(folder), "-c", "nginx.conf"]
        pod = await asyncio.to_thread(subprocess.Popen, command)
        self.pods.append(pod)
        await eventually(lambda: (folder / "nginx.pid").exists() or pod.poll() is not None)
        assert pod.poll() is None, (folder / "error.log").read_text()
