"""The pages for callers, tried out as a reader would: shell as one session, Python as programs."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.api.deployment import SECRET, Deployment
from tests.support.doc_examples import DOCS, blocks, needs, shell_script

PAGES = sorted((DOCS / "clients").glob("*.md"))
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


async def succeed(folder: Path, service: Deployment, *command: str) -> None:
    key = await service.service.core.keys.create("reader")
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= {"REELZERO": service.url, "KEY": key, "REELZERO_WEBHOOK_SECRET": SECRET}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 180)
    assert process.returncode == 0, f"{command[1:]}\n{output.decode()}"


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_shell_examples(tmp_path: Path, public: Deployment, page: Path) -> None:
    if script := shell_script(page):
        await succeed(tmp_path, public, "bash", "-c", script)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_python_examples(tmp_path: Path, public: Deployment, page: Path) -> None:
    for code in blocks(page, "python"):
        if needs(code) is None:  # what needs a client of its own runs with `make conformance`
            await succeed(tmp_path, public, sys.executable, "-c", code)


def test_there_is_a_page_for_every_way_in() -> None:
    assert {page.stem for page in PAGES} == {"rest", "cloudevents", "v2", "openai", "webhooks"}


@pytest.mark.parametrize("page", [*PAGES, DOCS / "coming-from.md"], ids=lambda page: page.stem)
def test_links_inside_the_documents_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


async def test_calls_in_coming_from_exist(service: Deployment) -> None:
    """Every `METHOD /path` of ours in the right-hand columns is in the OpenAPI document."""
    _, document = await service.call("GET", "/openapi.json")
    ours = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, item in document["paths"].items()
        for method in item
    }
    named = set()
    for line in (DOCS / "coming-from.md").read_text().splitlines():
        right = line.rpartition(" | ")[2] if line.startswith("|") else ""
        named |= set(re.findall(r"`(GET|POST|PUT|DELETE) (/[\w/{}.-]*)", right))
    named = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in named}
    assert named and named <= ours, named - ours
