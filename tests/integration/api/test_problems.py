"""The `type` of a problem is the address of a page on the same server that explains it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from urllib.parse import urljoin

from eventing.contract.problems import catalogue
from eventing.contract.storage.s3 import Bucket
from tests.integration.api.deployment import PATIENCE, Deployment, deployment


async def explained(service: Deployment, url: str, method: str = "GET", **arguments: object) -> str:
    """Make a call that fails; the page that its `type` leads to, resolved as a browser resolves it."""
    answer, problem = await service.call(method, url, **arguments)
    assert answer.content_type == "application/problem+json", problem
    async with service.http.get(urljoin(str(answer.url), problem["type"])) as page:
        assert (page.status, page.content_type) == (200, "text/html")
        text = await page.text()
    assert f"<code>{problem['code']}</code>" in text
    return text


async def test_the_type_of_a_problem_leads_to_its_page(service: Deployment) -> None:
    missing = await explained(service, "/v1/jobs/no-such-job")
    assert "it belongs to another owner" in missing
    await explained(service, "/v1/jobs", "POST", json={"prompt": "a red circle", "num_frames": 0})
    await explained(service, "/v1/jobs", "POST", data=b"{", headers={"Content-Type": "application/json"})
    await explained(service, "/v1/jobs", "PATCH")
    await explained(service, "/no/such/path")


async def test_every_code_has_a_page_that_says_what_to_do(service: Deployment) -> None:
    _, listing = await service.call("GET", "/problems")
    for entry in catalogue().values():
        assert f'href="problems/{entry.code}"' in listing.decode()
        answer, page = await service.call("GET", f"/problems/{entry.code}")
        assert answer.status == 200 and answer.headers["Content-Security-Policy"].startswith(
            "default-src 'self'"
        )
        assert "What to do" in page.decode() and entry.title.capitalize() in page.decode()
    answer, problem = await service.call("GET", "/problems/%3Cb%3E")
    assert (answer.status, problem["code"]) == (404, "not_found")


async def test_the_text_for_language_models_names_paths_that_answer(service: Deployment) -> None:
    answer, text = await service.call("GET", "/llms.txt")
    assert (answer.status, answer.content_type) == (200, "text/plain")
    paths = re.findall(r"\]\((/[^)]+)\)", text.decode())
    assert paths
    for path in paths:
        answer, _ = await service.call("GET", path)
        assert answer.status == 200, path


async def test_a_head_that_is_refused_below_the_application_names_the_same_page(service: Deployment) -> None:
    host, port = service.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 200)
    async with asyncio.timeout(PATIENCE):
        raw = await reader.readuntil(b"}")
    writer.close()
    problem = json.loads(raw.split(b"\r\n\r\n")[1])
    answer, _ = await service.call("GET", problem["type"])
    assert (problem["type"], answer.status) == ("/problems/headers_too_large", 200)


async def test_behind_a_path_prefix_the_type_has_the_prefix(tmp_path: Path, bucket: Bucket) -> None:
    async with deployment(tmp_path, bucket, public_url="https://example.com/video") as service:
        await explained(service, "/video/v1/jobs/no-such-job")
        _, problem = await service.call("GET", "/v1/jobs/no-such-job")
        assert problem["type"] == "/video/problems/not_found"
