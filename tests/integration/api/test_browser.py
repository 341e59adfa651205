"""A real browser on two origins: a foreign page reads and starts nothing. tests/page has our own page."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from eventing.contract.storage.s3 import Bucket
from tests.integration.api.deployment import Deployment, deployment

playwright = pytest.importorskip("playwright.async_api", reason="pip install playwright runs this test")
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP rebound.example 127.0.0.1",
]  # fmt: skip
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium runs this test")
# A page as an attacker would write it: everything that needs no CORS preflight, and a read.
ATTACK = """async (service) => {
  const body = JSON.stringify({prompt: "a red dot", callback_url: "http://127.0.0.1:1/"});
  const tries = [];
  for (const path of ["/v1/jobs", "/v1/videos", "/events", "/v2/models/tiny/generate"])
    for (const type of ["text/plain", "application/x-www-form-urlencoded"])
      tries.push(fetch(service + path,
                       {method: "POST", mode: "no-cors", body, headers: {"Content-Type": type}}));
  const form = new FormData();
  form.append("prompt", "a red dot");
  tries.push(fetch(service + "/v1/videos", {method: "POST", mode: "no-cors", body: form}));
  await Promise.allSettled(tries);
  try { return (await fetch(service + "/v1/jobs")).status; } catch { return "blocked"; }
}"""
# text/plain turns name=value into {"prompt": "a red dot", "metadata": {"a=": "b"}}.
FORM = """<form method=post enctype="text/plain" action="{url}/v1/jobs">
<input name='{{"prompt": "a red dot", "metadata": {{"a' value='": "b"}}}}'></form>"""

# Method and path of each operation that Swagger UI shows.
SHOWN = """() => [...document.querySelectorAll(".opblock")].map(block => [
  block.querySelector(".opblock-summary-method").textContent,
  block.querySelector("[data-path]").dataset.path])"""


@asynccontextmanager
async def foreign_page() -> AsyncIterator[str]:
    """An empty page of another origin."""

    async def empty(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>elsewhere</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", empty)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def new_page() -> AsyncIterator[Any]:
    """A tab of a fresh browser."""
    async with playwright.async_playwright() as api:
        browser = await api.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield await browser.new_page()
        finally:
            await browser.close()


async def jobs(service: Deployment) -> list[str]:
    _, body = await service.call("GET", "/v1/jobs")
    return [job["id"] for job in body["data"]]


async def test_a_page_of_another_origin_starts_no_job_and_reads_none(service: Deployment) -> None:
    async with foreign_page() as elsewhere, new_page() as page:
        await page.goto(elsewhere)
        assert await page.evaluate(ATTACK, service.url) == "blocked"
        # A form that navigates away is a request of its own kind.
        await page.set_content(FORM.format(url=service.url))
        async with page.expect_navigation():
            await page.evaluate("document.forms[0].submit()")
        assert "REELZERO_ALLOWED_HOSTS" in await page.content()
    assert await jobs(service) == []


async def test_a_rebound_name_reads_no_job(service: Deployment) -> None:
    _, job = await service.call("POST", "/v1/jobs", json={"prompt": "a red dot"})
    async with new_page() as page:
        answer = await page.goto(service.url.replace("127.0.0.1", "rebound.example") + "/v1/jobs")
        assert answer is not None and answer.status == 403
        assert job["id"] not in await page.content()


async def test_a_link_from_elsewhere_opens_our_page(service: Deployment) -> None:
    async with foreign_page() as elsewhere, new_page() as page:
        await page.goto(elsewhere)
        await page.set_content(f'<a href="{service.url}/">our page</a>')
        await page.click("a")
        await page.wait_for_selector("#prompt")


@pytest.mark.parametrize("prefix", ["", "/video"])
async def test_the_description_is_rendered_without_another_host(
    tmp_path: Path, bucket: Bucket, prefix: str
) -> None:
    async with deployment(tmp_path, bucket, public_url=f"http://127.0.0.1{prefix}") as service:
        async with new_page() as page:
            loaded: list[str] = []
            errors: list[str] = []
            page.on("request", lambda request: loaded.append(request.url))
            page.on("requestfailed", lambda request: errors.append(request.url))
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
            await page.goto(f"{service.url}{prefix}/docs")
            await page.wait_for_selector(".opblock")
            _, document = await service.call("GET", "/openapi.json")
            described = [(m.upper(), path) for path, item in document["paths"].items() for m in item]
            shown = {(method, path) for method, path in await page.evaluate(SHOWN)}
            assert shown == set(described)
            await page.click(".opblock:has([data-path='/v2/health/live']) .opblock-summary-control")
            await page.click(".try-out__btn")
            async with page.expect_response(lambda answer: "health" in answer.url) as answered:
                await page.click(".execute")
            assert (await answered.value).status == 200
            await page.wait_for_selector(".live-responses-table .response")
            elsewhere = [url for url in loaded if not url.startswith((service.url, "data:", "blob:"))]
            assert (errors, elsewhere) == ([], [])
