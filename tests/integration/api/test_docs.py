"""The pages for callers: there is one for each way in, and their links and calls exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.api.deployment import Deployment
from tests.support.doc_examples import DOCS, PAGES

LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


def test_there_is_a_page_for_every_way_in() -> None:
    ways = {page.stem for page in PAGES if page.parent.name == "clients"}
    assert ways == {
        "page", "rest", "cloudevents", "v2", "openai", "openrouter", "terminal", "webhooks", "mcp",
    }  # fmt: skip


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
