"""Behind a real nginx that ends TLS and adds a path prefix: every address is right, and streams flow."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from eventing.contract.storage.s3 import Bucket
from eventing.testing import Script
from tests.integration.api.deployment import PATIENCE, Deployment, deployment
from tests.support.ports import free_port
from tests.support.waiting import eventually

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx: apt-get install nginx-light")
CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_buffering on; gzip on; gzip_types *;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    location /video/ {{ proxy_pass {upstream}{strip}; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=test"
    command += " -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(params=["strips the prefix", "passes the prefix on"])
async def proxied(
    request: pytest.FixtureRequest, tmp_path: Path, bucket: Bucket, certificate: Path
) -> AsyncIterator[tuple[Deployment, str]]:
    """A deployment and its public address, which only the proxy answers."""
    port = free_port()
    public = f"https://127.0.0.1:{port}/video"
    strip = "/" if request.param.startswith("strips") else ""
    async with deployment(tmp_path, bucket, public_url=public) as service:
        for name in ("cert.pem", "key.pem"):
            shutil.copy(certificate / name, tmp_path / name)
        configuration = CONFIGURATION.format(folder=tmp_path, port=port, upstream=service.url, strip=strip)
        await asyncio.to_thread((tmp_path / "nginx.conf").write_text, configuration)
        with nginx(tmp_path):
            await eventually((tmp_path / "nginx.pid").exists)
            yield service, public


def nginx(folder: Path) -> subprocess.Popen[bytes]:
    """Start nginx; leaving the context ends it."""

    class Stopped(subprocess.Popen[bytes]):
        def __exit__(self, *error: Any) -> None:
            self.terminate()
            super().__exit__(*error)

    user = ["-g", "user root;"]
    return Stopped([str(NGINX), "-c", str(folder / "nginx.conf"), "-p", str(folder), *user])


@pytest.fixture
async def outside(certificate: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that trusts the proxy's certificate and follows no redirect by itself."""
    tls = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        yield session


async def test_every_address_leads_back_through_the_proxy(
    proxied: tuple[Deployment, str], outside: aiohttp.ClientSession
) -> None:
    service, public = proxied
    host = public.removesuffix("/video")
    body = {"prompt": "a red circle"}
    async with outside.post(f"{public}/v1/jobs", json=body) as answer:
        assert answer.status == 202, await answer.text()
        job, location = await answer.json(), answer.headers["Location"]
    assert location == f"/video/v1/jobs/{job['id']}" == job["links"]["self"]
    async with outside.get(host + job["links"]["events"]) as answer:
        assert "event: completed" in await answer.text()
    for link in job["links"].values():
        async with outside.get(host + link, allow_redirects=False) as answer:
            assert answer.status in (200, 307), link
    event = (await service.receiver.next("/sink", "dev.reelzero.video.completed.v1")).json
    assert event["data"]["result_url"] == f"{public}/v1/jobs/{job['id']}/result"
    async with outside.get(event["data"]["result_url"], allow_redirects=False) as answer:
        assert answer.status == 307
    headers = {"Ce-Specversion": "1.0", "Ce-Type": "dev.reelzero.video.requested.v1", "Ce-Source": "/shop"}
    async with outside.post(f"{public}/events", json=body, headers=headers | {"Ce-Id": "1"}) as answer:
        assert answer.headers["Location"].startswith("/video/v1/jobs/")


async def test_page_and_description_work_below_the_prefix(
    proxied: tuple[Deployment, str], outside: aiohttp.ClientSession
) -> None:
    _, public = proxied
    assets = (
        "js/app.js",
        "css/tokens.css",
        "manifest.webmanifest",
        "docs.js",
        "swagger-ui/swagger-ui-bundle.js",
    )
    for path in ("/", "/readyz", "/docs", "/docs/", *(f"/static/{asset}" for asset in assets)):
        async with outside.get(public + path) as answer:
            assert answer.status == 200, path
    async with outside.get(f"{public}/openapi.json") as answer:
        assert (await answer.json())["servers"] == [{"url": "/video"}]
    async with outside.get(f"{public}/v1/videos/nonesuch") as answer:
        assert answer.status == 404 and "error" in json.loads(await answer.text()), (
            "OpenAI's form of an error"
        )


async def test_a_stream_passes_a_proxy_that_buffers(
    proxied: tuple[Deployment, str], outside: aiohttp.ClientSession
) -> None:
    service, public = proxied
    gate = asyncio.Event()
    service.predictor.scripts.append(Script(gate=gate))
    async with outside.post(f"{public}/v1/jobs", json={"prompt": "a red circle"}) as answer:
        events = public.removesuffix("/video") + (await answer.json())["links"]["events"]
    async with asyncio.timeout(PATIENCE), outside.get(events) as answer:
        async for line in answer.content:
            if b'"stage": "denoise"' in line or b'"stage":"denoise"' in line:
                break  # it arrived while the job is held: nothing waits for the end of the answer
        gate.set()
        assert b"event: completed" in await answer.content.read()
