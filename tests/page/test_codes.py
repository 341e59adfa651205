"""The code that the page shows for a request: each sample runs as it is copied, and makes that request."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.page.server import Site
from tests.page.tab import Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")
PROMPT = 'a red square isn\'t "blue" & moves\nright'  # what a shell or a string could misread
SAMPLES = ("curl", "python", "event")


async def sample(tab: Tab, name: str) -> str:
    """The code as the button copies it."""
    await tab.page.click(f"#form [data-sample='{name}']")
    await tab.page.click("#form .copy-code")
    await tab.page.wait_for_selector("#form .copy-code:has-text('Copied')")
    return str(await tab.run("navigator.clipboard.readText()"))


async def run(command: list[str], folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="apt-get install curl runs this test")
async def test_each_sample_makes_the_request_of_the_form(tab: Tab, server: Site, tmp_path: Path) -> None:
    await tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await tab.goto()
    await tab.page.fill("#prompt", PROMPT)
    await tab.page.click("#form summary:has-text('This request as code')")
    codes = {name: await sample(tab, name) for name in (*SAMPLES, "openai")}
    assert "create_and_poll" in codes["openai"] and "rz_" not in "".join(codes.values())
    compile(codes["openai"], "sample", "exec")
    job = json.loads(await run(["bash", "-c", codes["curl"]], tmp_path))
    assert job["request"]["prompt"] == PROMPT
    printed = await run([sys.executable, "-c", codes["python"]], tmp_path)
    assert (tmp_path / printed.strip()).stat().st_size > 1000
    answers = [await run(["bash", "-c", codes["event"]], tmp_path) for _ in range(2)]
    places = {
        line.split()[1] for each in answers for line in each.splitlines() if line[:9].lower() == "location:"
    }
    (place,) = places  # one id, so one video
    assert (await server.call("GET", place))["request"]["prompt"] == PROMPT
