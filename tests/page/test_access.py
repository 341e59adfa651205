"""The page without a mouse, and under axe in both colour schemes."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest

from tests.page.server import Site
from tests.page.tab import Tab

axe = pytest.importorskip("axe_playwright_python", reason="pip install axe-playwright-python runs this test")
pytestmark = pytest.mark.asyncio(loop_scope="session")
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
VIOLATIONS = """async () => (await axe.run()).violations.map((each) =>
  `${each.id}: ${each.nodes.map((node) => node.html).slice(0, 2).join(" | ")}`)"""


async def violations(tab: Tab) -> list[Any]:
    await tab.run(AXE)
    return list(await tab.run(VIOLATIONS))


async def test_the_keyboard_alone_makes_a_video_and_keeps_its_place(tab: Tab) -> None:
    await tab.goto()
    await tab.page.keyboard.press("Tab")
    assert await tab.run("document.activeElement.id") == "skip"
    await tab.page.keyboard.press("Enter")
    assert await tab.run("document.activeElement.id") == "prompt"
    await tab.page.keyboard.type("a red square moving right")
    await tab.page.keyboard.press("Control+Enter")
    await tab.status("completed")
    assert await tab.run("document.activeElement.id") == "prompt"


async def test_axe_has_no_complaint_in_either_colour_scheme(tab: Tab, server: Site) -> None:
    job_id = await server.made("a red square moving right")
    for scheme in ("light", "dark"):
        await tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await tab.goto(f"#/jobs/{job_id}")
        await tab.status("completed")
        await tab.page.locator("summary", has_text="This request as code").last.click()
        await tab.page.wait_for_selector("pre.sample")
        assert await violations(tab) == [], scheme
        await tab.goto("#/operate")
        await tab.page.wait_for_selector(".figures")
        assert await violations(tab) == [], scheme
